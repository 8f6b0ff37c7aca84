"""What an administrator meets when something is wrong: one sentence, where it is looked for, said once.

One service runs for most of this, beside a guest that must be served whatever happens around it. It runs
without root's right to overlook permissions, so that a socket nobody may open is one for root, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.core.named import virsh
from autoscaler.lab.image import Image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec, Onlining
from tests.fakes.guest_homes import GuestHome, guest_home
from tests.fakes.libvirt_daemon import LibvirtDaemon, passing_libvirt_daemon
from tests.fakes.libvirt_domains import AGENT_CHANNEL, bare_qemu_domain
from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import COMMAND, RunningService

ABSENT_DAEMON = "qemu+unix:///system?socket=/nonexistent"
CONFINED = (
    ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
    if os.geteuid() == 0
    else ()
)
FAILURES = 'scaling_failures_total{direction="up",domain="stubborn",outcome="failed"}'
POLICIES = QUICK_POLICY.replace(
    "policies:\n",
    'policies:\n  - {name: two, match: {name: ["stubborn"]}, vcpus: {min: 2, max: 4}}\n',
)
"""One policy that wants more than a guest boots with, so that it is grown without a load."""
QEMU = "qemu-system-x86_64 -machine q35 -accel tcg -display none -nodefaults -m 64 -smp 1,maxcpus=4"


class ConfinedService(RunningService):
    """The service, bound by permissions as an ordinary user is, and what it tells."""

    def lines(self, words: str) -> list[str]:
        """The log's lines with these words."""
        return [line for line in self.log.read_text().splitlines() if words in line]

    def said(self, words: str, *, times: int = 1) -> str:
        """The line that has been logged with these words, and not once more in the tick after."""
        eventually(lambda: len(self.lines(words)) >= times)
        time.sleep(1.2)
        found = self.lines(words)
        assert len(found) == times, self.log.read_text()
        return found[-1]

    def condition(self, domain: str, condition: str) -> str:
        """The sentence of a domain's condition, once it is wherever people and programs look for it."""
        found = self.wait_for(domain, lambda domain: condition in domain["conditions"])
        sentence: str = found["conditions"][condition]
        assert self.metric(f'domain_condition{{condition="{condition}",domain="{domain}"}}') == 1
        assert sentence in self.ask("show", domain).stdout
        (row,) = (line for line in self.ask("list").stdout.splitlines() if line.startswith(f"{domain} "))
        assert condition in row
        return sentence


def eventually(holds: Callable[[], bool], *, timeout_s: float = 30) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come true"
        time.sleep(0.1)


@contextlib.contextmanager
def confined_service(folder: Path, *connections: str) -> Iterator[ConfinedService]:
    """Run the service over these connections for the block; nothing in its log may be a traceback."""
    service = ConfinedService(folder, "}, {".join(connections), policy=POLICIES, prefix=CONFINED)
    service.start()
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop(signal.SIGKILL)
    assert "Traceback" not in service.log.read_text()


@contextlib.contextmanager
def qemu_without_guest(folder: Path, *options: str) -> Iterator[Path]:
    """Run a QEMU that has nothing to boot, and yield its QMP socket."""
    folder.mkdir()
    qmp = folder / "qmp.sock"
    qemu = subprocess.Popen((*QEMU.split(), *options, "-qmp", f"unix:{qmp},server=on,wait=off"))
    try:
        eventually(qmp.exists)
        yield qmp
    finally:
        qemu.kill()
        qemu.wait()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bad-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def good(folder: Path, lab_image: Image) -> Iterator[QemuGuest]:
    """The guest that nothing is wrong with."""
    with QemuGuest.start(GuestSpec(name="good"), lab_image, folder / "guests") as guest:
        guest.wait_up()
        guest.wait_agent()
        yield guest


@pytest.fixture(scope="module")
def running(folder: Path, good: QemuGuest) -> Iterator[ConfinedService]:
    with confined_service(
        folder, f"qmp: {good.folder.parent}", f"qmp: {folder}/absent", f'libvirt: "{ABSENT_DAEMON}"'
    ) as service:
        service.wait_for("good", lambda domain: domain["load"] is not None)
        yield service


@pytest.fixture
def service(running: ConfinedService) -> Iterator[ConfinedService]:
    """The shared service; the good guest was served before the test and is after it."""
    yield running
    before = running.wait_for("good", lambda _: True)["last_sample_wall_s"]
    after = running.wait_for("good", lambda domain: domain["last_sample_wall_s"] > before, timeout_s=5)
    assert after["conditions"] == {}


def status_of(service: RunningService) -> dict[str, Any]:
    status: dict[str, Any] = service.get("/api/v1/status")
    return status


# What keeps the service from starting.


def start(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Try to run the service with a configuration that starts with `text`; it is to end by itself."""
    config = folder / "config.yaml"
    config.write_text(f"version: 1\nconnections: [{{qmp: {folder}}}]\n{text}\n")
    (folder / "good.yaml").write_text(QUICK_POLICY)
    return subprocess.run(
        (*CONFINED, COMMAND, "run", "--config.file", config),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_broken_policy_is_told_line_by_line_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\npolicies: [{name: x, match: {}, vcpus: {mini: 1}}]\n")
    ended = start(tmp_path, "policies: [bad.yaml]\nstate: state")
    assert ended.returncode == 1
    problems = [line for line in ended.stderr.splitlines() if f"{tmp_path}/bad.yaml:2:" in line]
    assert len(problems) == 2
    assert ended.stderr.splitlines()[-1].endswith(f"`autoscaler check {tmp_path}/bad.yaml` tells")
    assert not (tmp_path / "state").exists()


def closed(folder: Path) -> str:
    (folder / "closed").mkdir(mode=0o500)
    return "state: closed/state"


def a_file(folder: Path) -> str:
    (folder / "file").touch()
    return "state: file"


def no_database(folder: Path) -> str:
    (folder / "state").mkdir()
    (folder / "state/journal.sqlite").write_text("no database " * 20)
    return "state: state"


def of_another_version(folder: Path) -> str:
    (folder / "state").mkdir()
    with contextlib.closing(sqlite3.connect(folder / "state/journal.sqlite")) as journal:
        journal.execute("PRAGMA user_version = 99")
    return "state: state"


@pytest.mark.parametrize(
    ("prepare", "wrong", "advice"),
    [
        pytest.param(closed, "closed/state", "key 'state'", id="a state folder nobody may make"),
        pytest.param(a_file, "/file", "key 'state'", id="a file for a state folder"),
        pytest.param(no_database, "not a database", "move the file away", id="a journal that is none"),
        pytest.param(of_another_version, "schema 99", "move the file away", id="a journal from tomorrow"),
        pytest.param(
            lambda _: "state: state\nweb: {listen: 'no.such.invalid:1'}",
            "no.such.invalid:1",
            "web.listen",
            id="a web address of nobody",
        ),
    ],
)
def test_what_keeps_the_service_from_starting_is_told_in_one_sentence(
    tmp_path: Path, prepare: Callable[[Path], str], wrong: str, advice: str
) -> None:
    ended = start(tmp_path, f"policies: [good.yaml]\n{prepare(tmp_path)}")
    assert ended.returncode == 1
    (sentence,) = (line for line in ended.stderr.splitlines() if "warning" not in line)
    assert sentence.startswith("autoscaler: ")
    assert wrong in sentence
    assert advice in sentence


def test_a_second_service_is_refused_the_first_ones_state_and_port(
    service: ConfinedService, tmp_path: Path
) -> None:
    same_state = start(tmp_path, f"policies: [good.yaml]\nstate: {service.folder}/state")
    assert same_state.returncode == 1
    assert f"another autoscaler already uses the state directory {service.folder}/state" in same_state.stderr
    listen = f"web: {{listen: '127.0.0.1:{service.port}'}}"
    same_port = start(tmp_path, f"policies: [good.yaml]\nstate: state\n{listen}")
    assert same_port.returncode == 1
    assert f"`ss -ltnp 'sport = :{service.port}'`" in same_port.stderr


# What is wrong with a host, or with the way to it.


def test_a_host_that_is_not_there_is_told_once_and_its_like_are_served(
    service: ConfinedService, folder: Path
) -> None:
    absent = f"qmp:{folder}/absent"
    assert "create it" in service.said(f"WARNING {absent}: ")
    assert "systemctl start libvirtd" in service.said(f"WARNING {ABSENT_DAEMON}: ")
    asked = service.ask("status")
    assert asked.returncode == 1
    assert asked.stdout.count("lost\n") == 2
    assert asked.stdout.count("\n! ") == 2
    assert service.metric(f'host_connected{{host="{absent}"}}') == 0
    assert "lost" not in service.ask("show", "good").stdout

    (folder / "absent").mkdir()
    service.said(f"INFO {absent}: answers again")
    assert service.metric(f'host_connected{{host="{absent}"}}') == 1
    (folder / "absent").rmdir()
    service.said(f"WARNING {absent}: ", times=2)


def test_a_qmp_socket_that_may_not_be_opened_is_told_and_opened_when_it_may(
    service: ConfinedService, good: QemuGuest
) -> None:
    with qemu_without_guest(good.folder.parent / "forbidden", "-S") as qmp:
        qmp.chmod(0)
        assert f"no permission on the socket unix:{qmp}" in service.said("WARNING forbidden: ")
        asked = service.ask("show", "forbidden")
        assert asked.returncode == 1
        assert "domain 'forbidden' cannot be seen: no permission" in asked.stderr
        qmp.chmod(0o600)
        service.said("INFO forbidden: no longer in trouble")
        sentence = service.condition("forbidden", "no-sample")
        assert "is paused: the command cont on its monitor lets it go on" in sentence
    service.wait_gone("forbidden")


def test_a_qmp_socket_that_somebody_else_holds_is_told_and_served_when_it_is_free(
    service: ConfinedService, good: QemuGuest
) -> None:
    with qemu_without_guest(good.folder.parent / "held") as qmp:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as holder:
            holder.connect(str(qmp))
            service.said("held: no QMP greeting comes from")
            asked = service.ask("status")
            assert asked.returncode == 1
            assert "! held: no QMP greeting" in asked.stdout
        service.wait_for("held", lambda _: True)
    service.wait_gone("held")


def test_a_libvirt_socket_that_may_not_be_opened_is_told_and_opened_when_it_may(
    daemon: LibvirtDaemon, tmp_path: Path
) -> None:
    door = daemon.folder / "s/libvirt-sock"
    door.chmod(0)
    with confined_service(tmp_path, f'libvirt: "{daemon.uri}"') as service:
        sentence = service.said(f"WARNING {daemon.uri}: ")
        assert "does not let user" in sentence
        assert "`usermod -aG libvirt" in sentence
        door.chmod(0o700)
        service.said(f"INFO {daemon.uri}: answers again")


def test_a_libvirt_daemon_that_comes_goes_and_comes_back_is_followed(
    daemon: LibvirtDaemon,
) -> None:
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bad-lv-")))
        for name, devices, maximum in (("mute", "", 4), ("full", AGENT_CHANNEL, 2)):
            daemon_creates(daemon, bare_qemu_domain(name, devices=devices, vcpus=2, maximum=maximum))
        (monitor,) = (daemon.folder / "lib/qemu").glob("domain-*-mute/monitor.sock")
        daemon.kill()
        service = ends.enter_context(
            confined_service(
                folder, f'libvirt: "{daemon.uri}"', f'qmp: [{{name: side-door, qmp: "{monitor}"}}]'
            )
        )
        assert "systemctl start libvirtd" in service.said(f"WARNING {daemon.uri}: ")
        assert "does not answer: see `autoscaler status`" in service.ask("show", "mute").stderr

        daemon.start()
        service.said(f"INFO {daemon.uri}: answers again")
        assert "org.qemu.guest_agent.0" in service.condition("mute", "unconfirmed")
        sentence = service.condition("full", "no-headroom")
        assert f"`{virsh(daemon.uri, 'setvcpus', 'full', '4', '--maximum', '--config')}`" in sentence
        assert sentence in service.said(f"full: {sentence}")
        assert "a guest of libvirt by its libvirt connection" in service.said("side-door: no QMP greeting")

        before = len(service.log.read_text().splitlines())
        daemon.kill()
        service.said(f"WARNING {daemon.uri}: ", times=2)
        service.condition("mute", "no-sample")
        assert len(service.log.read_text().splitlines()) == before + 1

        daemon.start()
        service.said(f"INFO {daemon.uri}: answers again", times=2)
        service.wait_for("mute", lambda domain: "no-sample" not in domain["conditions"])
        assert len(service.log.read_text().splitlines()) == before + 2


@pytest.fixture
def daemon() -> Iterator[LibvirtDaemon]:
    if os.geteuid() != 0:
        pytest.skip("a private libvirtd needs root")
    with passing_libvirt_daemon() as daemon:
        yield daemon


def daemon_creates(daemon: LibvirtDaemon, xml: str) -> None:
    """Start a domain of this definition, as an administrator does."""
    definition = daemon.folder / "domain.xml"
    definition.write_text(xml)
    subprocess.run(("virsh", "-c", daemon.uri, "create", definition), check=True, capture_output=True)


# What is wrong with a guest.


def test_a_guest_without_an_agent_channel_is_measured_from_the_host_and_told_how_to_get_one(
    service: ConfinedService, good: QemuGuest
) -> None:
    with qemu_without_guest(good.folder.parent / "unwired"):
        sentence = service.condition("unwired", "unconfirmed")
        assert "give its QEMU a virtserialport named org.qemu.guest_agent.0" in sentence
        assert service.wait_for("unwired", lambda domain: domain["load"] is not None)["cpu_source"] == "host"
    service.wait_gone("unwired")


@pytest.fixture(params=["qmp", "libvirt"])
def home(request: pytest.FixtureRequest, lab_image: Image) -> Iterator[GuestHome]:
    with guest_home(request.param, lab_image) as home:
        yield home


def test_an_agent_that_does_not_run_is_told_in_the_same_sentence_whatever_the_backend(
    home: GuestHome, tmp_path: Path
) -> None:
    with (
        confined_service(tmp_path, home.connection) as service,
        home.boot(GuestSpec(name="agentless", agent=False)),
        home.boot(GuestSpec(name="stopped")) as guest,
    ):
        sentence = service.condition("agentless", "no-sample")
        assert sentence == (
            "nothing in the guest of domain agentless has its agent channel open: in the guest, install "
            "qemu-guest-agent and `systemctl start qemu-guest-agent`"
        )
        service.said(f"WARNING agentless: {sentence}")
        assert "load cannot be read" in service.ask("events", "agentless").stdout

        service.wait_for("stopped", lambda domain: domain["load"] is not None)
        guest.command("agent stop")
        told = sentence.replace("agentless", "stopped")
        # A request that was out when it stopped is answered by nobody; the next one finds the channel closed.
        service.wait_for("stopped", lambda domain: domain["conditions"].get("no-sample") == told)
        guest.command("agent start")
        service.wait_for("stopped", lambda domain: not domain["conditions"])


def test_a_guest_whose_agent_may_tell_nothing_is_measured_from_the_host_and_told_what_to_allow(
    service: ConfinedService, good: QemuGuest, lab_image: Image
) -> None:
    spec = GuestSpec(name="hushed", block=("guest-file-*", "guest-exec*", "guest-get-cpustats"))
    with QemuGuest.start(spec, lab_image, good.folder.parent) as guest:
        guest.wait_up()
        sentence = service.condition("hushed", "unconfirmed")
        assert "the agent of domain hushed allows nothing that tells CPU load" in sentence
        assert "BLOCK_RPCS" in sentence
        assert service.wait_for("hushed", lambda domain: domain["load"] is not None)["cpu_source"] == "host"
    service.wait_gone("hushed")


def test_a_guest_that_never_onlines_is_told_why_once_however_often_it_is_tried(
    service: ConfinedService, good: QemuGuest, lab_image: Image
) -> None:
    spec = GuestSpec(name="stubborn", onlining=Onlining.NEVER)
    with QemuGuest.start(spec, lab_image, good.folder.parent) as guest:
        guest.wait_up()
        sentence = service.condition("stubborn", "failed")
        assert "domain stubborn allows neither guest-set-vcpus" in sentence
        assert "see BLOCK_RPCS" in sentence
        eventually(lambda: (service.metric(FAILURES) or 0) >= 2)
        service.said(sentence)
        assert service.wait_for("stubborn", lambda _: True)["vcpus"]["online"] == 1
    service.wait_gone("stubborn")


# What is wrong with the policies or the journal while the service runs.


def test_policies_that_match_nothing_are_told_with_what_runs(service: ConfinedService) -> None:
    service.policy.write_text(QUICK_POLICY.replace('["*"]', '["web-*"]'))
    service.process.send_signal(signal.SIGHUP)
    service.wait_gone("good")
    assert service.metric('domains{governed="false"}') == 1
    assert "Without a policy: good" in service.ask("status").stdout
    asked = service.ask("show", "good")
    assert asked.returncode == 1
    assert "no policy governs it: add its name to a policy's match" in asked.stderr
    service.policy.write_text(POLICIES)
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("good", lambda domain: domain["load"] is not None)


def test_a_broken_edit_of_the_policies_is_a_trouble_until_it_is_mended(service: ConfinedService) -> None:
    service.policy.write_text(POLICIES.replace("hold: 3s", "hold: soon"))
    service.process.send_signal(signal.SIGHUP)
    assert f"{service.policy}:7:" in service.said("'soon'")
    eventually(lambda: "policies" in status_of(service)["troubles"])
    assert f"`autoscaler check {service.policy}`" in service.ask("status").stdout
    assert service.metric("policy_reload_successful") == 0
    service.policy.write_text(POLICIES)
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: status_of(service)["troubles"] == {})


def test_a_journal_that_cannot_be_written_is_a_trouble_and_stops_every_change(
    service: ConfinedService,
) -> None:
    with contextlib.closing(sqlite3.connect(service.folder / "state/journal.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        service.policy.write_text(POLICIES.replace("stubborn", "good"))
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("good", lambda domain: domain["decision"]["reason"] == "unrecorded")
        assert "another program holds it" in service.said("WARNING journal: ")
        assert "journal" in status_of(service)["troubles"]
        held = service.domain("good")
        assert held is not None
        assert (held["vcpus"]["target"], held["vcpus"]["online"]) == (2, 1)
    service.wait_for("good", lambda domain: domain["vcpus"]["online"] > 1)
    service.said("INFO journal: no longer in trouble")
    service.policy.write_text(POLICIES)
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("good", lambda domain: domain["vcpus"]["online"] == 1)
