"""The actuator as the package starts it: a guest of the machine's libvirtd is changed, and by nobody else."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.lab.accel import Accel
from autoscaler.lab.domain_xml import domain_xml
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.debian_machine import NEEDED, DebianMachine
from tests.fakes.packaged_service import (
    ACTUATOR,
    BOUNDS,
    CONFIG,
    OWN,
    UNIT,
    active,
    install,
    left_of_it,
    shown,
)

pytestmark = NEEDED

MANUAL = Path(__file__).parents[3] / "deploy" / "README.md"
GUEST = "web-1"
HOME = "/var/tmp/guest"
QUICK = "interval: 1s\nhost: {pressure_below: 100%}\n"
POLICY = (
    "version: 1\npolicies:\n  - {{name: web, match: {{name: ['web-*']}}, vcpus: {{min: {least}, max: 4}}}}\n"
)
PATIENCE_S = 90.0
"""An emulated guest boots in 15 s where it has a CPU for itself."""


@pytest.fixture(scope="module")
def machine(booted: DebianMachine, package: Path, lab_image: Image) -> Iterator[DebianMachine]:
    """The machine, with the package as a first installation leaves it, and an emulated guest of one vCPU."""
    if not active(booted):
        install(booted, package)
    image = booted.copied_image(lab_image, HOME)
    booted.write(f"{HOME}/domain.xml", domain_xml(GuestSpec(name=GUEST), image, Accel.TCG))
    booted.run("virsh", "create", f"{HOME}/domain.xml")
    yield booted
    booted.run("virsh", "destroy", GUEST)
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    shutil.rmtree(booted.path(HOME))


def want(machine: DebianMachine, vcpus: int) -> None:
    """Have the policy ask for so many, and wait until the guest runs them."""
    machine.write(OWN, POLICY.format(least=vcpus))
    machine.run("systemctl", "reload", UNIT)
    end_s = time.monotonic() + PATIENCE_S
    found: object = None
    while found != {"online": vcpus, "plugged": vcpus}:
        assert time.monotonic() < end_s, f"{found}: {told(machine)}"
        listed = machine.run("autoscaler", "list", "--output", "json", check=False).stdout
        for domain in json.loads(listed or "[]"):
            found = {key: domain["vcpus"][key] for key in ("online", "plugged")}


def told(machine: DebianMachine) -> str:
    """What both processes say."""
    return machine.say("journalctl", "--unit=vcpu-autoscaler*", "--output=cat")


def in_the_manual(before: str) -> str:
    """The commands that stand after these words."""
    return MANUAL.read_text().partition(before)[2].partition("```sh\n")[2].partition("```")[0]


def libvirt_clients(machine: DebianMachine) -> list[dict[str, str]]:
    """What libvirtd says of each of its clients."""
    listed = machine.say("virt-admin", "client-list", "libvirtd")
    clients = re.findall(r"(?m)^ (\d+) ", listed)
    described = (machine.say("virt-admin", "client-info", "libvirtd", client) for client in clients)
    return [dict(re.findall(r"(?m)^(\w+) *: (.+)$", text)) for text in described]


def test_as_installed_a_guest_is_changed_by_the_actuator_and_the_service_only_reads(
    machine: DebianMachine,
) -> None:
    assert "libvirt" not in machine.say("id", "--name", "--groups", "vcpu-autoscaler").split()
    with machine.path(CONFIG).open("a") as config:
        config.write(QUICK)
    machine.run("systemctl", "restart", UNIT)

    want(machine, 2)

    holders = {
        (client["unix_process_id"], client["readonly"])
        for client in libvirt_clients(machine)
        if client["unix_user_name"].startswith("vcpu-autoscaler")
    }
    service, actuator = shown(machine, "MainPID"), shown(machine, "MainPID", ACTUATOR)
    assert holders == {(service, "yes"), (actuator, "yes"), (actuator, "no")}


def test_an_actuator_that_is_killed_comes_back_and_changes_guests(machine: DebianMachine) -> None:
    killed = shown(machine, "MainPID", ACTUATOR)
    machine.run("systemctl", "kill", "--signal=KILL", ACTUATOR)

    want(machine, 3)

    assert shown(machine, "MainPID", ACTUATOR) != killed
    assert shown(machine, "NRestarts", ACTUATOR) == "1"
    assert active(machine)


def test_a_service_that_is_restarted_goes_on_with_the_same_actuator(machine: DebianMachine) -> None:
    actuator = shown(machine, "MainPID", ACTUATOR)
    machine.run("systemctl", "restart", UNIT)

    want(machine, 4)

    assert shown(machine, "MainPID", ACTUATOR) == actuator


def test_by_the_manual_the_actuator_is_turned_off_and_on_again_with_the_same_result_however_often(
    machine: DebianMachine,
) -> None:
    config = machine.path(CONFIG).read_text()
    off, on = in_the_manual("To have the service change guests itself"), in_the_manual("and back,")

    machine.run("sh", "-euc", off)
    assert (active(machine), active(machine, ACTUATOR)) == (True, False)
    assert "libvirt" in machine.say("id", "--name", "--groups", "vcpu-autoscaler").split()

    for commands in (on, on):
        machine.run("sh", "-euc", commands)
        assert (active(machine), active(machine, ACTUATOR)) == (True, True)
        assert "libvirt" not in machine.say("id", "--name", "--groups", "vcpu-autoscaler").split()
        assert sorted(machine.path(CONFIG).read_text().split("\n")) == sorted(config.split("\n"))


def test_a_purge_ends_both_processes_and_leaves_the_guest_as_it_is(machine: DebianMachine) -> None:
    machine.run("dpkg", "--purge", "vcpu-autoscaler")

    assert not any(active(machine, unit) for unit in (UNIT, ACTUATOR, BOUNDS))
    assert left_of_it(machine) == set()
    assert [client for client in libvirt_clients(machine) if client["unix_user_name"] != "root"] == []
    assert machine.say("virsh", "vcpucount", GUEST, "--live", "--active") == "4"
