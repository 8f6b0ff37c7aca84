"""The doctor over real QEMU: what it finds is so, and what it says to do mends it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libvirt
import pytest
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.lab.spec import HARDENED, GuestSpec
from tests.fakes.libvirt_daemon import LibvirtDaemon, administering, passing_libvirt_daemon
from tests.fakes.libvirt_domains import AGENT_CHANNEL, bare_qemu_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.lab.libvirt_guest import LibvirtGuest
    from autoscaler.lab.qemu_guest import QemuGuest
    from tests.conftest import Boot

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")

Found = dict[str, dict[str, Any]]


def examined(*arguments: object) -> Found:
    """What is found of the one domain there is, by check."""
    result = CliRunner().invoke(
        app, ["doctor", *map(str, arguments), "--output", "json"], catch_exceptions=False
    )
    (host,) = json.loads(result.stdout)["hosts"]
    (domain,) = host["domains"]
    return {finding["check"]: finding for finding in domain["findings"]}


def severities(found: Found, *checks: str) -> list[str]:
    return [found[check]["severity"] for check in checks]


@pytest.fixture(scope="module")
def daemon() -> Iterator[LibvirtDaemon]:
    with passing_libvirt_daemon() as daemon:
        yield daemon


@pytest.fixture
def administrator(daemon: LibvirtDaemon) -> Iterator[libvirt.virConnect]:
    with administering(daemon) as connection:
        yield connection


def do(fix: dict[str, Any], folder: Path) -> None:
    """Type the commands that a fix consists of, but for those that start the domain again."""
    (folder / "agent.xml").write_text(fix["xml"])
    for command in fix["commands"]:
        if " shutdown " not in command and " start " not in command:
            subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True)


@needs_root
def test_a_domain_without_room_channel_and_removable_vcpus_is_mended_by_what_is_advised(
    daemon: LibvirtDaemon, administrator: libvirt.virConnect, tmp_path: Path
) -> None:
    name = "poor; guest"
    domain = administrator.defineXML(bare_qemu_domain(name, vcpus=2, maximum=2))
    domain.create()
    before = examined(name, "-c", daemon.uri)
    described = domain.XMLDesc(0)
    assert severities(before, "maximum", "slots", "agent-channel") == ["warning", "note", "error"]
    assert severities(before, "machine", "emulation") == ["ok", "warning"]
    assert domain.XMLDesc(0) == described, "to look changes nothing"

    for check in ("maximum", "slots", "agent-channel"):
        do(before[check]["fix"], tmp_path)
    waiting = examined(name, "-c", daemon.uri)
    assert "Its definition has a maximum of 4" in waiting["maximum"]["fix"]["advice"]

    domain.destroy()
    domain.create()
    after = examined(name, "-c", daemon.uri)
    assert severities(after, "maximum", "slots") == ["ok", "ok"]
    assert "nothing in the guest has it open" in after["agent-channel"]["seen"]


@needs_root
def test_what_is_found_in_a_definition_is_mended_by_the_doctor_itself(
    daemon: LibvirtDaemon, administrator: libvirt.virConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    screen = "<graphics type='vnc' socket='/nowhere' passwd='Planted1'/>"
    topology = "<cpu><topology sockets='1' cores='2' threads='1'/></cpu><devices>"
    xml = bare_qemu_domain("poor", vcpus=2, maximum=2, devices=screen).replace("<devices>", topology)
    domain = administrator.defineXML(xml)
    whole = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    before = domain.XMLDesc(whole)
    assert severities(examined("poor", "-c", daemon.uri), "maximum", "agent-channel") == ["warning", "error"]

    arguments = ["doctor", "poor", "-c", daemon.uri, "--fix"]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert "+    <channel" in shown
    assert "Planted1" not in shown
    assert domain.XMLDesc(whole) == before, "to show changes nothing"

    CliRunner().invoke(app, [*arguments, "--yes"], catch_exceptions=False)
    assert severities(examined("poor", "-c", daemon.uri), "maximum", "agent-channel") == ["ok", "ok"]
    assert "passwd='Planted1'" in domain.XMLDesc(whole), "its password is as it was"
    (kept,) = tmp_path.glob("vcpu-autoscaler/definitions/*.xml")
    assert kept.read_text() == before
    administrator.defineXML(kept.read_text())
    assert domain.XMLDesc(whole) == before, "what was kept undoes it"


@needs_root
def test_a_topology_and_its_maximum_are_raised_by_the_xml_that_is_advised(
    daemon: LibvirtDaemon, administrator: libvirt.virConnect
) -> None:
    topology = "<topology sockets='1' cores='2' threads='2'/>"
    xml = bare_qemu_domain("shaped", vcpus=4, maximum=4).replace(
        "<devices>", f"<cpu>{topology}</cpu><devices>"
    )
    domain = administrator.defineXML(xml)
    domain.create()
    advised = examined("-c", daemon.uri)["maximum"]["fix"]["xml"].splitlines()

    xml = xml.replace("<name>", f"<uuid>{domain.UUIDString()}</uuid><name>")
    administrator.defineXML(
        xml.replace("<vcpu current='4'>4</vcpu>", advised[0]).replace(topology, advised[1])
    )
    assert "Its definition has a maximum of 8" in examined("-c", daemon.uri)["maximum"]["fix"]["advice"]
    domain.destroy()
    domain.create()
    assert examined("-c", daemon.uri)["maximum"]["severity"] == "ok"


@needs_root
def test_pinning_is_seen_and_lifted_by_what_is_advised(
    daemon: LibvirtDaemon, administrator: libvirt.virConnect, tmp_path: Path
) -> None:
    pins = "".join(f"<vcpupin vcpu='{number}' cpuset='0'/>" for number in range(2))
    xml = bare_qemu_domain("pinned", maximum=2, devices=AGENT_CHANNEL)
    domain = administrator.defineXML(xml.replace("<os>", f"<cputune>{pins}</cputune><os>"))
    domain.create()
    pinning = examined("-c", daemon.uri)["pinning"]
    assert (pinning["severity"], pinning["seen"]) == (
        "warning",
        "its vCPUs may use 1 CPU of the host (0), and it may have 2 vCPUs",
    )
    do(json.loads(json.dumps(pinning["fix"]).replace("CPUS", "1")), tmp_path)
    domain.destroy()
    domain.create()
    assert examined("-c", daemon.uri)["pinning"]["severity"] == "ok"


@needs_root
def test_a_domain_that_does_not_run_is_examined_by_its_definition(
    daemon: LibvirtDaemon, administrator: libvirt.virConnect
) -> None:
    administrator.defineXML(bare_qemu_domain("asleep", maximum=4))
    found = examined("asleep", "-c", daemon.uri)
    assert severities(found, "seen", "maximum", "agent-channel") == ["note", "ok", "error"]
    assert all("shutdown" not in it["fix"]["commands"] for it in found.values())


MONITOR = "-qmp unix:{home}/qmp.sock,server=on,wait=off"
PORT = (
    "-device virtio-serial -chardev socket,id=qga0,path={home}/agent.sock,server=on,wait=off "
    "-device virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A guest folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="dr-"))
    (path / "bare").mkdir()
    yield path
    shutil.rmtree(path)


def greets(monitor: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(monitor))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return bool(client.recv(1))


@contextlib.contextmanager
def bare_qemu(folder: Path, *more: str) -> Iterator[None]:
    home = folder / "bare"
    words = f"-nodefaults -no-user-config -display none -accel tcg -m 32 {' '.join((MONITOR, *more))}"
    process = subprocess.Popen(["qemu-system-x86_64", *words.format(home=home).split()])
    try:
        while not greets(home / "qmp.sock"):
            assert process.poll() is None
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def test_a_bare_qemu_is_examined_over_its_own_monitor(folder: Path) -> None:
    with bare_qemu(folder, "-machine q35 -smp 1,maxcpus=4", PORT):
        found = examined("--qmp", folder)
    assert severities(found, "maximum", "slots", "topology", "machine") == ["ok"] * 4
    assert found["machine"]["seen"].startswith("pc-q35-")
    assert severities(found, "emulation", "agent-channel", "pinning") == ["warning", "error", "ok"]


def test_a_bare_qemu_without_room_or_channel_is_told_what_to_start_it_with(folder: Path) -> None:
    with bare_qemu(folder, "-machine q35 -smp 2"):
        found = examined("--qmp", folder)
    assert "maxcpus=4" in found["maximum"]["fix"]["advice"]
    assert PORT.split("path=", maxsplit=1)[0] in found["agent-channel"]["fix"]["advice"]


def test_a_machine_type_without_places_for_vcpus_is_an_error(folder: Path) -> None:
    with bare_qemu(folder, "-machine microvm -smp 1"):
        found = examined("--qmp", folder)
    assert found["slots"]["severity"] == "error"


def test_a_monitor_that_another_client_holds_is_told_as_such(folder: Path) -> None:
    with bare_qemu(folder, "-machine q35 -smp 1,maxcpus=4"), socket.socket(socket.AF_UNIX) as holder:
        holder.connect(str(folder / "bare/qmp.sock"))
        holder.recv(1)
        found = examined("--qmp", folder)
    assert "another client is connected" in found["seen"]["fix"]["advice"]


def test_a_real_guest_is_seen_through_its_agent_and_not_changed(
    boot_qemu_guest: Boot[QemuGuest], qemu_root: Path
) -> None:
    name = "examined"
    boot_qemu_guest(GuestSpec(name=name))
    found = examined(name, "--qmp", qemu_root)
    checks = ("maximum", "agent-channel", "agent-version", "agent-load", "agent-onlining", "guest-vcpus")
    assert severities(found, *checks, "clock") == ["ok"] * 7
    assert "kernel" in found["guest-os"]["seen"]
    assert found["guest-vcpus"]["seen"] == "the guest runs 1 of the 1 vCPUs that are plugged"
    assert examined(name, "--qmp", qemu_root)["guest-vcpus"] == found["guest-vcpus"]


def test_a_real_guest_whose_agent_is_hardened_as_in_the_red_hat_family_can_be_resized(
    boot_qemu_guest: Boot[QemuGuest], qemu_root: Path
) -> None:
    boot_qemu_guest(GuestSpec(name="hardened", block=HARDENED))
    found = examined("hardened", "--qmp", qemu_root)
    assert found["agent-load"]["seen"] == "its load was read by guest-get-cpustats"
    assert severities(found, "agent-load", "agent-onlining", "self-onlining") == ["ok"] * 3


def test_a_real_guest_is_seen_through_libvirt_too(
    shared_libvirt_guest: LibvirtGuest, embedded_uri: str
) -> None:
    found = examined(shared_libvirt_guest.name, "-c", embedded_uri)
    assert severities(found, "definition", "maximum", "agent-channel") == ["note", "ok", "ok"]
    assert severities(found, "agent-load", "agent-onlining", "guest-vcpus") == ["ok"] * 3


def test_a_real_guest_is_exercised_and_runs_as_many_vcpus_as_before(
    boot_qemu_guest: Boot[QemuGuest], qemu_root: Path
) -> None:
    boot_qemu_guest(GuestSpec(name="exercised"))
    exercise = examined("exercised", "--qmp", qemu_root, "--exercise")["exercise"]
    assert exercise["severity"] == "ok", exercise
    for stage in ("plugged", "listed by the guest", "online", "offline again"):
        assert f"{stage} after " in exercise["seen"]
    found = examined("exercised", "--qmp", qemu_root)
    assert found["guest-vcpus"]["seen"] == "the guest runs 1 of the 2 vCPUs that are plugged"


def test_a_real_guest_is_exercised_through_libvirt_too(
    boot_libvirt_guest: Boot[LibvirtGuest], embedded_uri: str
) -> None:
    boot_libvirt_guest(GuestSpec(name="exercised-too"))
    exercise = examined("exercised-too", "-c", embedded_uri, "--exercise")["exercise"]
    assert exercise["severity"] == "ok", exercise
    assert "offline again after " in exercise["seen"]
