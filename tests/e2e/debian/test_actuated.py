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
from tests.fakes.certificates import Authority
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
MOST = 6
QUICK = "interval: 1s\nhost: {pressure_below: 100%, overcommit: 16}\n"
POLICY = (
    "version: 1\npolicies:\n"
    "  - {{name: web, match: {{name: ['web-*']}}, vcpus: {{min: {least}, max: {most}}}}}\n"
)
PATIENCE_S = 90.0
"""An emulated guest boots in 15 s where it has a CPU for itself."""


@pytest.fixture(scope="module")
def machine(booted: DebianMachine, package: Path, lab_image: Image) -> Iterator[DebianMachine]:
    """The machine, with the package as a first installation leaves it, and an emulated guest of one vCPU."""
    if not active(booted):
        install(booted, package)
    image = booted.copied_image(lab_image, HOME)
    booted.write(f"{HOME}/domain.xml", domain_xml(GuestSpec(name=GUEST, maximum=MOST), image, Accel.TCG))
    booted.run("virsh", "create", f"{HOME}/domain.xml")
    yield booted
    booted.run("virsh", "destroy", GUEST)
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    shutil.rmtree(booted.path(HOME))


def want(machine: DebianMachine, vcpus: int) -> None:
    """Have the policy ask for so many, and wait until the guest runs them."""
    machine.write(OWN, POLICY.format(least=vcpus, most=MOST))
    machine.run("systemctl", "reload", UNIT)
    end_s = time.monotonic() + PATIENCE_S
    found: object = None
    while found != {"online": vcpus, "plugged": vcpus}:
        assert time.monotonic() < end_s, f"{found}: {told(machine)}"
        listed = machine.run("autoscaler", "list", "--output", "json", check=False).stdout
        for domain in json.loads(listed or "[]"):
            found = {key: domain["vcpus"][key] for key in ("online", "plugged")}


def guests_vcpus(machine: DebianMachine) -> str:
    """How many libvirt says that the guest has."""
    return machine.say("virsh", "vcpucount", GUEST, "--live", "--active")


def told(machine: DebianMachine) -> str:
    """What both processes say."""
    return machine.say("journalctl", "--unit=vcpu-autoscaler*", "--output=cat")


@pytest.fixture
def kvm_1(machine: DebianMachine) -> Iterator[str]:
    """The manual's name of another host, which is this machine here."""
    config, hosts = machine.path(CONFIG), machine.path("/etc/hosts")
    configured, known = config.read_text(), hosts.read_text()
    with hosts.open("a") as names:
        names.write("127.0.0.1 kvm-1\n")
    yield "kvm-1"
    hosts.write_text(known)
    config.write_text(configured)
    machine.run("systemctl", "stop", "libvirtd-tls.socket")
    for user in ("autoscaler-reads", "autoscaler-changes"):
        machine.run("userdel", "--force", "--remove", user, check=False)
    # Whoever is logged in has a service manager, which fails with the user it is of.
    machine.run("systemctl", "reset-failed", "user@*.service", check=False)
    for made in ("/etc/pki", "/etc/ssh/vcpu-autoscaler"):
        shutil.rmtree(machine.path(made), ignore_errors=True)
    for made in ("/etc/ssh/ssh_config.d/vcpu-autoscaler.conf", "/etc/ssh/ssh_known_hosts"):
        machine.path(made).unlink(missing_ok=True)


def watch(machine: DebianMachine, uri: str) -> None:
    """Have it watch the guests of this libvirt, and no other's."""
    config = machine.path(CONFIG)
    config.write_text(config.read_text().replace("qemu:///system", uri))
    machine.run("systemctl", "restart", UNIT)


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


def test_by_the_manual_a_guest_of_another_host_is_changed_over_ssh_and_the_services_key_only_reads(
    machine: DebianMachine, kvm_1: str
) -> None:
    machine.run("sh", "-euc", in_the_manual("*SSH.*"))
    machine.run(
        "sh", "-euc", f"cd /etc/ssh/vcpu-autoscaler\n{in_the_manual(f'On `{kvm_1}`, as root, where')}"
    )
    uri = f"qemu+ssh://{kvm_1}/system"
    watch(machine, uri)

    want(machine, 5)

    assert {
        (client["unix_user_name"], client["readonly"])
        for client in libvirt_clients(machine)
        if client["unix_user_name"] != "root"
    } == {("autoscaler-reads", "yes"), ("autoscaler-changes", "yes"), ("autoscaler-changes", "no")}
    taken_over = ("runuser", "--user=vcpu-autoscaler", "--")
    shrunk = machine.run(*taken_over, "virsh", "-c", uri, "setvcpus", GUEST, "1", "--live", check=False)
    assert "read only access" in shrunk.stderr
    machine.run(*taken_over, "ssh", kvm_1, "touch", "/tmp/entered", check=False)
    assert not machine.path("/tmp/entered").exists()


def test_by_the_manual_a_guest_of_another_host_is_changed_over_tls(
    machine: DebianMachine, kvm_1: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, client = authority.sign("server", kvm_1), authority.sign("client", "client")
    machine.run("mkdir", "-p", "/etc/pki/CA", "/etc/pki/libvirt/private", "/tmp/client")
    for file, *places in (
        (authority.file, "/etc/pki/CA/cacert.pem", "/tmp/client/cacert.pem"),
        (server[0], "/etc/pki/libvirt/servercert.pem"),
        (server[1], "/etc/pki/libvirt/private/serverkey.pem"),
        (client[0], "/tmp/client/clientcert.pem"),
        (client[1], "/tmp/client/clientkey.pem"),
    ):
        for place in places:
            machine.write(place, file.read_text())
    machine.run("sh", "-euc", in_the_manual("*TLS.*"))
    machine.run("sh", "-euc", f"cd /tmp/client\n{in_the_manual('in the folder of the client')}")
    watch(machine, f"qemu+tls://{kvm_1}/system?pkipath=/etc/pki/vcpu-autoscaler")

    want(machine, MOST)

    assert {client["readonly"] for client in libvirt_clients(machine) if client["transport"] == "tls"} == {
        "yes",
        "no",
    }


def test_a_purge_ends_both_processes_and_leaves_the_guest_as_it_is(machine: DebianMachine) -> None:
    before = guests_vcpus(machine)

    machine.run("dpkg", "--purge", "vcpu-autoscaler")

    assert not any(active(machine, unit) for unit in (UNIT, ACTUATOR, BOUNDS))
    assert left_of_it(machine) == set()
    assert [client for client in libvirt_clients(machine) if client["unix_user_name"] != "root"] == []
    assert guests_vcpus(machine) == before
