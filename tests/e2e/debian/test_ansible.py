"""The Ansible role on a machine with a real systemd: from a bare host to one that is kept as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ansible import Administrator
from tests.fakes.debian_machine import NEEDED, DebianMachine
from tests.fakes.packaged_service import (
    ACTUATOR,
    CONFIG,
    OBSERVE,
    OWN,
    POLICY,
    active,
    install,
    shown,
)

pytestmark = NEEDED

HOST: dict[str, dict[str, object]] = {"kvm-1": {}}
ETC = "/etc/vcpu-autoscaler"


@pytest.fixture
def bare(booted: DebianMachine) -> Iterator[DebianMachine]:
    """The machine without the service."""
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    yield booted
    booted.run("dpkg", "--purge", "vcpu-autoscaler")


@pytest.fixture
def installed(bare: DebianMachine, package: Path) -> DebianMachine:
    """The machine with the service as it is after a first installation."""
    install(bare, package)
    return bare


@pytest.fixture
def administrator(tmp_path: Path, booted: DebianMachine) -> Administrator:
    """Has one policy, in web.yaml."""
    administrator = Administrator(tmp_path, booted)
    (administrator.policies / "web.yaml").write_text(POLICY)
    return administrator


def files(machine: DebianMachine) -> dict[str, str]:
    """Text by path of all configuration, staged or in force."""
    listed = machine.say("find", "/etc", "-path", "/etc/vcpu-autoscaler*", "-type", "f")
    return {path: machine.path(path).read_text() for path in listed.splitlines()}


def test_a_bare_host_gets_service_and_policies_and_a_second_run_changes_nothing(
    bare: DebianMachine, administrator: Administrator, package: Path
) -> None:
    hosts: dict[str, dict[str, object]] = {"kvm-1": {"vcpu_autoscaler_package": str(package)}}
    tried = administrator.roll_out(hosts, "--check")
    assert (tried.code, tried.changed) == (0, {"kvm-1": 1}), tried.said
    assert files(bare) == {}

    first = administrator.roll_out(hosts)
    assert first.code == 0, first.said
    assert active(bare)
    assert set(files(bare)) == {CONFIG, OWN}
    assert files(bare)[OWN] == POLICY
    assert "libvirt: qemu:///system" in files(bare)[CONFIG]
    assert "policies: 1" in bare.say("autoscaler", "status", check=False)

    process = shown(bare, "MainPID")
    second = administrator.roll_out(hosts)
    assert (second.code, second.changed) == (0, {"kvm-1": 0}), second.said
    assert shown(bare, "MainPID") == process


def test_edited_policies_are_reloaded_and_an_edited_configuration_is_a_restart(
    installed: DebianMachine, administrator: Administrator
) -> None:
    assert administrator.roll_out(HOST).code == 0
    process, before = shown(installed, "MainPID"), files(installed)
    assert OBSERVE not in before
    (administrator.policies / "web.yaml").rename(administrator.policies / "a web.yml")
    (administrator.policies / "zz-rest.yaml").write_text(POLICY.replace("web", "rest"))

    tried = administrator.roll_out(HOST, "--check", "--diff")
    assert (tried.code, tried.changed) == (0, {"kvm-1": 2}), tried.said
    assert '{name: rest, match: {name: [\\"rest-*\\"]}}' in tried.said
    assert files(installed) == before

    edited = administrator.roll_out(HOST)
    assert (edited.code, edited.changed) == (0, {"kvm-1": 2}), edited.said
    assert set(files(installed)) == {CONFIG, f"{ETC}/policies/a web.yml", f"{ETC}/policies/zz-rest.yaml"}
    assert shown(installed, "MainPID") == process
    assert active(installed, ACTUATOR)
    assert "policies: 2" in installed.say("autoscaler", "status", check=False)

    config = {
        "version": 1,
        "connections": [{"libvirt": "qemu:///system"}],
        "interval": "2s",
        "webhook": {"url": "https://hooks.invalid/s3cret"},
    }
    assert administrator.roll_out({"kvm-1": {"vcpu_autoscaler_config": config}}).code == 0
    assert installed.path(CONFIG).stat().st_mode & 0o777 == 0o640, "the address is for the service only"
    assert shown(installed, "MainPID") != process
    assert shown(installed, "StatusText") == "watching qemu:///system every 2 s"
    assert not active(installed, ACTUATOR)
    assert "libvirt" in installed.say("id", "--name", "--groups", "vcpu-autoscaler").split()


def test_what_the_check_refuses_is_not_put_in_force_and_ends_the_roll_out(
    installed: DebianMachine, administrator: Administrator, tmp_path: Path
) -> None:
    process, before = shown(installed, "MainPID"), files(installed)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "web.yaml").write_text(POLICY.replace("match", "mach"))
    hosts: dict[str, dict[str, object]] = {"kvm-1": {"vcpu_autoscaler_policies": str(broken)}, "kvm-2": {}}

    refused = administrator.roll_out(hosts)

    assert refused.code != 0
    assert "policies/web.yaml:3:" in refused.said
    assert refused.asked == ["kvm-1"]
    assert files(installed) == before
    assert shown(installed, "MainPID") == process


def test_a_host_that_is_away_ends_the_roll_out(administrator: Administrator) -> None:
    stopped = administrator.roll_out({"away": {}, "kvm-1": {}})
    assert stopped.code != 0
    assert stopped.asked == ["away"]


def test_no_policy_at_all_is_refused(installed: DebianMachine, administrator: Administrator) -> None:
    before = files(installed)
    (administrator.policies / "web.yaml").unlink()
    refused = administrator.roll_out(HOST)
    assert refused.code != 0
    assert f"there is no policy in {administrator.policies}" in refused.said
    assert files(installed) == before


def test_another_package_is_installed_over_the_one_that_is_there_and_an_older_one_too(
    installed: DebianMachine, administrator: Administrator, package: Path, newer: Path
) -> None:
    for file in (newer, package):
        done = administrator.roll_out({"kvm-1": {"vcpu_autoscaler_package": str(file)}})
        assert done.code == 0, done.said
        version = installed.say("dpkg-query", "--show", "--showformat=${Version}", "vcpu-autoscaler")
        assert version == file.name.split("_")[1]
        assert active(installed)
        assert files(installed)[OWN] == POLICY
