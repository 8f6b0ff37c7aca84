"""The installed command against real guests: it grows them, follows what happens to them, and recovers.

What happens to a guest is told differently by QEMU and by libvirt, so those stories are lived over both; what
is the service's own, or the guest's, over QMP alone.
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.lab.guest import Guest
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec, Onlining
from autoscaler.service.strict_replay import strict_replay
from tests.fakes.guest_homes import GuestHome, guest_home
from tests.fakes.quick_policy import quick_policy
from tests.fakes.running_service import RunningService, running_service

POLICY = quick_policy(utilization="10%", max_vcpus=3)
LOAD = 0.27
"""Needs all three vCPUs that the policy allows, and so little of the host that it seldom withholds any:
growth would rightly be held back while it does."""

TAPE = "journal: {tape_mib: 64}\n"

over_qmp = pytest.mark.parametrize("scene", ["qmp"], indirect=True)
over_qmp_and_libvirt = pytest.mark.parametrize("scene", ["qmp", "libvirt"], indirect=True)


class Scene:
    """A service and the guests that it watches."""

    def __init__(self, service: RunningService, home: GuestHome) -> None:
        self.service = service
        self._home = home

    def boot(self, spec: GuestSpec) -> Guest:
        return self._home.boot(spec)

    def grow(self, guest: Guest) -> None:
        """Load a guest until the service has given it the vCPUs."""
        guest.load(LOAD)
        self.service.wait_for(guest.name, lambda domain: domain["vcpus"]["online"] == 3)


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, lab_image: Image) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    try:
        with (
            guest_home(request.param, lab_image) as home,
            running_service(folder, home.connection, policy=POLICY, more=TAPE) as service,
        ):
            yield Scene(service, home)
    finally:
        shutil.rmtree(folder)


@over_qmp_and_libvirt
def test_a_loaded_guest_grows_is_relieved_and_shrinks_back(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="whole")) as guest:
        scene.service.wait_for("whole", lambda domain: domain["load"] is not None)
        scene.grow(guest)
        scene.service.wait_for(
            "whole", lambda domain: "relieved" in (domain["last_operation"] or {}).get("stages_s", {})
        )
        guest.load(0)
        small = scene.service.wait_for("whole", lambda domain: domain["vcpus"]["online"] == 1)
        assert small["vcpus"]["plugged"] == 3


@over_qmp_and_libvirt
def test_a_guest_killed_under_load_vanishes_and_its_successor_is_governed(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="killed")) as guest:
        scene.grow(guest)
        guest.kill()
        scene.service.wait_gone("killed")
        assert 'domain="killed"' not in scene.service.get("/metrics")
    with scene.boot(GuestSpec(name="killed")) as successor:
        scene.grow(successor)


@over_qmp_and_libvirt
def test_a_guest_that_reboots_under_load_is_grown_again_when_it_needs_it(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="rebooted")) as guest:
        scene.grow(guest)
        guest.reboot()
        guest.wait_up()
        scene.service.wait_for(
            "rebooted", lambda domain: domain["load"] is not None and not domain["conditions"]
        )
        scene.service.wait_for("rebooted", lambda domain: domain["vcpus"]["online"] == 1)
        scene.grow(guest)


@over_qmp_and_libvirt
def test_an_agent_restarted_under_load_is_heard_again(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="reheard")) as guest:
        scene.grow(guest)
        restarted_wall_s = time.time()
        guest.command("agent restart")
        scene.service.wait_for(
            "reheard",
            lambda domain: domain["load"] is not None and domain["last_sample_wall_s"] > restarted_wall_s + 2,
        )
        still = scene.service.domain("reheard")
        assert still is not None
        assert still["vcpus"]["online"] >= 3
        guest.load(0)
        scene.service.wait_for("reheard", lambda domain: domain["vcpus"]["online"] == 1)


@over_qmp_and_libvirt
def test_an_agent_that_is_gone_for_a_while_costs_no_vcpu(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="restarted")) as guest:
        scene.grow(guest)
        guest.command("agent stop")
        silent = scene.service.wait_for("restarted", lambda domain: "no-sample" in domain["conditions"])
        assert silent["vcpus"]["online"] >= 3
        guest.load(0)
        time.sleep(6)
        still = scene.service.domain("restarted")
        assert still is not None
        assert still["vcpus"]["online"] >= 3
        guest.command("agent start")
        scene.service.wait_for("restarted", lambda domain: domain["vcpus"]["online"] == 1)


@over_qmp
def test_a_guest_without_an_agent_is_reported_and_not_resized(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="silent", agent=False)) as guest:
        guest.load(LOAD)
        scene.service.wait_for("silent", lambda domain: "no-sample" in domain["conditions"])
        time.sleep(3)
        still = scene.service.domain("silent")
        assert still is not None
        assert still["vcpus"]["plugged"] == 1


@over_qmp
def test_a_guest_that_blocks_files_and_exec_is_read_another_way_and_grown(scene: Scene) -> None:
    block = ("guest-file-open", "guest-exec")
    with scene.boot(GuestSpec(name="hardened", block=block)) as guest:
        found = scene.service.wait_for("hardened", lambda domain: domain["load"] is not None)
        assert found["cpu_source"] == "guest-get-cpustats"
        scene.grow(guest)


@over_qmp
def test_a_guest_that_onlines_by_itself_is_grown_too(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="udev", onlining=Onlining.BY_GUEST)) as guest:
        scene.grow(guest)


@over_qmp
def test_a_guest_whose_maximum_is_reached_names_the_line_that_raises_it(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="full", vcpus=1, maximum=1)) as guest:
        guest.load(LOAD)
        found = scene.service.wait_for("full", lambda domain: "no-headroom" in domain["conditions"])
        assert "by maxcpus=" in found["conditions"]["no-headroom"]


@over_qmp
def test_a_hangup_reloads_and_a_broken_edit_keeps_the_last_good_policies(scene: Scene) -> None:
    service = scene.service
    with scene.boot(GuestSpec(name="policed")):
        service.wait_for("policed", lambda domain: domain["policy"] == "quick")
        service.policy.write_text(POLICY.replace("quick", "changed"))
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("policed", lambda domain: domain["policy"] == "changed")
        service.policy.write_text("version: 1\npolicies: [{name: x, matches: {}}]\n")
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_metric("policy_reload_successful", 0)
        assert "did you mean 'match'" in service.log.read_text()
        service.wait_for("policed", lambda domain: domain["policy"] == "changed")
        service.policy.write_text(POLICY)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("policed", lambda domain: domain["policy"] == "quick")


@over_qmp
def test_the_commands_that_look_agree_with_the_service(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="shown")) as guest:
        scene.grow(guest)
        listed = json.loads(scene.service.ask("list", "--output", "json").stdout)
        assert [domain["name"] for domain in listed if domain["name"] == "shown"] == ["shown"]
        assert "3 online" in scene.service.ask("show", "shown").stdout
        shown = json.loads(scene.service.ask("show", "shown", "--output", "json").stdout)
        assert (shown["name"], shown["vcpus"]["online"]) == ("shown", 3)
        assert "shown" in scene.service.ask("events", "shown").stdout
        status = scene.service.ask("status")
        assert "domains governed" in status.stdout
        unknown = scene.service.ask("show", "nobody")
        assert unknown.returncode == 1
        assert "'nobody'" in unknown.stderr


@over_qmp_and_libvirt
def test_what_was_decided_live_is_decided_again_from_its_tape(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="taped")) as guest:
        scene.grow(guest)
        guest.load(0)
        scene.service.wait_for("taped", lambda domain: domain["vcpus"]["online"] == 1)
    scene.service.stop()
    replayed = strict_replay(scene.service.folder / "state" / "journal.sqlite")
    scene.service.start()
    scene.service.wait_for_tick()
    assert replayed.difference == ""
    assert replayed.acting >= 2
    assert replayed.decisions > replayed.acting


@over_qmp_and_libvirt
def test_a_service_killed_and_restarted_leaves_the_guest_and_goes_on(scene: Scene) -> None:
    with scene.boot(GuestSpec(name="kept")) as guest:
        scene.grow(guest)
        scene.service.stop(signal.SIGKILL)
        assert guest.vcpus() == (3, 4)
        scene.service.start()
        scene.service.wait_for("kept", lambda domain: domain["vcpus"]["online"] == 3)
        guest.load(0)
        scene.service.wait_for("kept", lambda domain: domain["vcpus"]["online"] == 1)


@over_qmp
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_cleanly(scene: Scene, number: int) -> None:
    scene.service.wait_for_tick()
    assert scene.service.stop(number) == 0
    assert "stopped; every guest stays as it is" in scene.service.log.read_text()
    scene.service.start()
    scene.service.wait_for_tick()
