"""What README and manual tell a newcomer to type, as it stands: from a fresh host to a guest under policy."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autoscaler.lab.accel import Accel
from autoscaler.lab.domain_xml import domain_xml
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.debian_machine import NEEDED, DebianMachine
from tests.fakes.packaged_service import CONFIG, active

pytestmark = NEEDED

PROJECT = Path(__file__).parents[3]
GUEST = "web-1"
HOME = "/var/tmp/guest-without-room"
CHECKOUT = "/root/checkout"
KEPT_BY_FIX = "/root/.local/state/vcpu-autoscaler"
"""Definitions that the doctor has changed are the administrator's, and outlive a purge."""
ENDLESS = ("--follow", "autoscaler top")
ORDERS = ("autoscaler pause", "autoscaler set")
PATIENCE_S = 90.0
"""An emulated guest boots in 15 s where it has a CPU for itself."""


@pytest.fixture
def machine(booted: DebianMachine, lab_image: Image) -> Iterator[DebianMachine]:
    """A host on which the package never was, with a guest of one vCPU without room or the agent's channel."""
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    booted.write(f"{HOME}/domain.xml", without_room(booted.copied_image(lab_image, HOME)))
    booted.run("virsh", "define", f"{HOME}/domain.xml")
    booted.run("virsh", "start", GUEST)
    yield booted
    booted.run("virsh", "destroy", GUEST, check=False)
    booted.run("virsh", "undefine", GUEST)
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    for left in (HOME, CHECKOUT, KEPT_BY_FIX):
        shutil.rmtree(booted.path(left))


def without_room(image: Image) -> str:
    """The lab's guest as somebody would have defined it who never thought of hot-plug."""
    domain = ET.fromstring(domain_xml(GuestSpec(name=GUEST), image, Accel.TCG))
    vcpu, vcpus, metadata, devices = (domain.find(tag) for tag in ("vcpu", "vcpus", "metadata", "devices"))
    assert vcpu is not None
    assert devices is not None
    vcpu.text = vcpu.attrib.pop("current")
    for element in (vcpus, metadata):
        assert element is not None
        domain.remove(element)
    for channel in devices.findall("channel"):
        devices.remove(channel)
    return ET.tostring(domain, encoding="unicode")


def blocks(document: str, heading: str) -> list[str]:
    """What is to be typed or written by one section, in its order."""
    section = (PROJECT / document).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"(?ms)^ *```\w+\n(.*?)^ *```$", section)]


def enter(machine: DebianMachine, commands: str) -> None:
    """Type these lines at a shell of root, but those that would go on until Ctrl-C."""
    for line in commands.splitlines():
        if not any(word in line for word in ENDLESS):
            # A plan says by its exit code, as diff does, that something would change.
            machine.run("sh", "-c", f"cd {CHECKOUT} && {line}", check="autoscaler plan" not in line)


def save(machine: DebianMachine, text: str) -> None:
    """Put a file where its first line says that it belongs."""
    machine.write(text.split()[1], text)


def until(machine: DebianMachine, *command: str, says: str = "") -> None:
    """Ask until a command succeeds, and prints this."""
    end_s = time.monotonic() + PATIENCE_S
    while (done := machine.run(*command, check=False)).returncode or says not in done.stdout:
        assert time.monotonic() < end_s, f"{done} {machine.say('journalctl', '--unit=vcpu-autoscaler*')}"
        time.sleep(0.5)


def vcpus(machine: DebianMachine) -> str:
    """How many libvirt has plugged into the guest."""
    return machine.say("virsh", "vcpucount", GUEST, "--live", "--active")


def test_a_newcomer_gets_from_a_fresh_host_to_a_guest_that_its_policy_changes(
    machine: DebianMachine, package: Path
) -> None:
    build_and_install, room, policy, check, config, ask = blocks("README.md", "Use it")
    machine.run("mkdir", "--parents", f"{CHECKOUT}/dist")
    shutil.copyfile(package, machine.path(f"{CHECKOUT}/dist/{package.name}"))
    built, install = build_and_install.splitlines()
    assert built == "sh deploy/build-deb.sh"

    enter(machine, install)
    assert active(machine)
    assert json.loads(machine.say("autoscaler", "list", "--output", "json"))[0]["policy"] == "observe"

    setvcpus, fix, shutdown, ping = room.splitlines()
    enter(machine, setvcpus)
    # It asks at a terminal only, and exits with 1: what runs is as it was until it is shut off.
    fixed = fix.partition("#")[0].replace("--fix", "--fix --yes").split()
    assert "applied; it takes effect when" in machine.say(*fixed, check=False)
    enter(machine, shutdown)
    machine.run("virsh", "destroy", GUEST, check=False)  # one that heeds no power button
    machine.run("virsh", "start", GUEST)
    until(machine, "sh", "-c", ping)

    # README's policies and limits, on a host that other tests may keep busy.
    save(machine, policy)
    enter(machine, check)
    save(machine, config.replace("reserve: 0", "reserve: 0, pressure_below: 100%"))
    enter(machine, "\n".join(line for line in ask.splitlines() if not line.startswith(ORDERS)))
    assert vcpus(machine) == "1"

    see, look, put_in_force = blocks("deploy/README.md", "From observing to changing")
    enter(machine, see)
    enter(machine, look)
    enter(machine, put_in_force.replace(" && editor /tmp/web.yaml", ""))
    until(machine, "autoscaler", "list", "--output", "json", says='"online": 2')
    assert vcpus(machine) == "2"
    assert "1 -> 2" in machine.say("autoscaler", "events")

    enter(machine, "\n".join(line for line in ask.splitlines() if line.startswith(ORDERS)))
    until(machine, "autoscaler", "list", "--output", "json", says='"online": 4')
    assert machine.path(CONFIG).read_text().startswith(f"# {CONFIG}")
