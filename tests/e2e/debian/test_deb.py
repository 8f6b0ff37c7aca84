"""The Debian package on a machine with a real systemd: its whole life, from apt-get install to purge."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.service.journal_schema import SCHEMA_VERSION
from tests.fakes.debian_machine import NEEDED, DebianMachine
from tests.fakes.packaged_service import (
    ACTUATOR,
    BOUNDS,
    CONFIG,
    NEXT,
    OBSERVE,
    OWN,
    POLICY,
    STATE,
    UNIT,
    active,
    install,
    left_of_it,
    schema_of,
    shown,
    wait_active,
)

pytestmark = NEEDED

NOTE = "# an administrator's line\n"


@pytest.fixture
def installed(booted: DebianMachine, package: Path) -> DebianMachine:
    """The machine, with the package as a first installation leaves it, for tests that change nothing."""
    if not active(booted):
        install(booted, package)
    return booted


@pytest.fixture
def machine(installed: DebianMachine) -> Iterator[DebianMachine]:
    """The same for a test to do with as it likes."""
    yield installed
    installed.run("dpkg", "--purge", "vcpu-autoscaler")


def test_its_files_are_as_debians_policy_has_them(package: Path) -> None:
    def told(*command: str) -> list[str]:
        done = subprocess.run(("dpkg-deb", *command), capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    paths = [line.split(maxsplit=5)[5].partition(" -> ")[0] for line in told("--contents", str(package))]
    pages = [path for path in paths if "/share/man/" in path and not path.endswith("/")]
    assert len(pages) == 3
    assert all(page.endswith(".gz") for page in pages)
    folders = [path for path in paths if path.endswith("/")]
    assert all(any(path != folder and path.startswith(folder) for path in paths) for folder in folders)
    description = told("--field", str(package), "Description")
    assert all(len(line) <= 80 for line in description)


def test_as_installed_it_runs_confined_and_observes(installed: DebianMachine) -> None:
    assert installed.say("systemctl", "--failed", "--plain", "--no-legend") == ""
    assert active(installed)
    assert installed.say("systemctl", "is-enabled", UNIT) == "enabled"
    assert shown(installed, "StatusText") == "watching qemu:///system every 5 s"
    assert shown(installed, "ControlGroup") == f"/autoscaler.slice/{UNIT}"
    for unit in (UNIT, ACTUATOR):
        home = f"/proc/{shown(installed, 'MainPID', unit)}"
        process = installed.path(f"{home}/status").read_text()
        user = installed.say("id", "--user", unit.removesuffix(".service"))
        assert re.search(rf"^Uid:\s+{user}\s", process, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", process, re.MULTILINE)
        mounts = installed.path(f"{home}/mountinfo").read_text()
        assert re.search(r"^\S+ \S+ \S+ \S+ / ro,", mounts, re.MULTILINE)
    assert installed.say("autoscaler", "--version").startswith("autoscaler ")
    said = installed.say("autoscaler", "check", "--strict", "--config.file", CONFIG)
    assert said == "2 files, 0 errors, 0 warnings"
    assert "mode: recommend" in installed.path(OBSERVE).read_text()
    assert re.search(r"qemu:///system +connected", installed.say("autoscaler", "status", check=False))
    assert installed.say("dpkg", "--verify", "vcpu-autoscaler") == ""
    assert installed.say("stat", "--format=%a %U", STATE) == "750 vcpu-autoscaler"
    journal = f"{STATE}/journal.sqlite"
    assert installed.say("stat", "--format=%a %U %G", journal) == "640 vcpu-autoscaler vcpu-autoscaler"
    member = ("setpriv", "--reuid=nobody", "--regid=vcpu-autoscaler", "--clear-groups")
    installed.run(*member, "autoscaler", "usage", "--from-journal", journal)
    stranger = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    assert installed.run(*stranger, "test", "-r", journal, check=False).returncode


def test_polkit_lets_the_actuators_user_write_to_libvirt_and_neither_the_services_nor_another(
    installed: DebianMachine,
) -> None:
    def connects(user: str) -> bool:
        # Without the groups that a login would give: polkit looks them up by itself.
        become = ("setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups")
        return installed.run(*become, "virsh", "-c", "qemu:///system", "list", check=False).returncode == 0

    assert connects("vcpu-autoscaler-actuator")
    assert not connects("vcpu-autoscaler")
    assert not connects("nobody")


def test_a_reload_fails_where_an_edit_is_broken_and_a_restart_waits_until_it_is_mended(
    machine: DebianMachine,
) -> None:
    machine.write(OWN, POLICY)
    machine.run("systemctl", "reload", UNIT)
    machine.write(OWN, POLICY.replace("match", "mach"))
    assert machine.run("systemctl", "reload", UNIT, check=False).returncode == 1
    assert active(machine)
    log = machine.say("journalctl", "--unit", UNIT, "--output=cat")
    assert f"ERROR {OWN}:3:" in log
    assert machine.run("systemctl", "restart", UNIT, check=False).returncode == 1
    assert shown(machine, "ActiveState") == "activating"
    machine.write(OWN, POLICY)
    wait_active(machine)
    assert "policies: 2" in machine.say("autoscaler", "status", check=False)


def test_a_service_that_hangs_is_ended_by_the_watchdog_and_started_again(machine: DebianMachine) -> None:
    quick = "[Service]\nWatchdogSec=1s\nRestartSec=0\n"
    machine.run("mkdir", "--parents", f"/run/systemd/system/{UNIT}.d")
    machine.write(f"/run/systemd/system/{UNIT}.d/quick.conf", quick)
    with machine.path(CONFIG).open("a") as config:
        config.write("interval: 1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)
    hung = shown(machine, "MainPID")
    # The watchdog is as patient as fifteen seconds, however short it is set: more than one tick may be late.
    assert shown(machine, "WatchdogUSec") == "15s", machine.say("journalctl", "--unit", UNIT, "--output=cat")
    machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    wait_active(machine, but_process=hung)
    assert "Watchdog timeout" in machine.say("journalctl", "--unit", UNIT, "--output=cat")
    assert shown(machine, "NRestarts") == "1"
    machine.run("rm", "--recursive", f"/run/systemd/system/{UNIT}.d")


def test_edits_and_state_outlive_an_upgrade_and_a_downgrade_and_what_is_disabled_stays_so(
    machine: DebianMachine, package: Path, newer: Path
) -> None:
    with machine.path(CONFIG).open("a") as config:
        config.write(NOTE)
    machine.write(OWN, POLICY)
    machine.path(OBSERVE).unlink()
    machine.write(f"{STATE}/kept", "")
    machine.run("autoscaler", "pause", "--all")
    for file, version in ((newer, f"{NEXT}-1"), (package, "0.")):
        before = shown(machine, "MainPID")
        install(machine, file)
        assert machine.say("dpkg-query", "--show", "--showformat=${Version}", "vcpu-autoscaler").startswith(
            version
        )
        assert active(machine)
        assert shown(machine, "MainPID") != before
        assert machine.path(CONFIG).read_text().endswith(NOTE)
        assert machine.path(OWN).read_text() == POLICY
        assert not machine.path(OBSERVE).exists()
        assert {"kept", "journal.sqlite"} <= {path.name for path in machine.path(STATE).iterdir()}
        assert "paused" in machine.say("autoscaler", "status", check=False)
        assert schema_of(machine) == SCHEMA_VERSION + 1
    machine.run("systemctl", "disable", "--now", UNIT, ACTUATOR, BOUNDS)
    install(machine, newer)
    for unit in (UNIT, ACTUATOR, BOUNDS):
        assert not active(machine, unit)
        assert machine.say("systemctl", "is-enabled", unit, check=False) == "disabled"
    assert "a next release" in machine.path(f"{CONFIG}.dpkg-dist").read_text()


def test_removal_keeps_configuration_and_state_and_purge_leaves_nothing(
    machine: DebianMachine, package: Path
) -> None:
    machine.write(OWN, POLICY)
    machine.run("dpkg", "--remove", "vcpu-autoscaler")
    assert not any(active(machine, unit) for unit in (UNIT, ACTUATOR, BOUNDS))
    assert machine.run("sh", "-c", "command -v autoscaler", check=False).returncode
    assert not machine.path("/usr/lib/vcpu-autoscaler").exists()
    assert machine.path(CONFIG).exists()
    assert machine.path(f"{STATE}/journal.sqlite").exists()
    install(machine, package)
    assert active(machine)
    assert machine.path(OWN).read_text() == POLICY
    machine.run("usermod", "--append", "--groups", "vcpu-autoscaler", "nobody")
    machine.run("mount", "--bind", STATE, STATE)
    machine.run("dpkg", "--purge", "vcpu-autoscaler")
    assert list(machine.path(STATE).iterdir()) == []
    machine.run("umount", STATE)
    machine.path(STATE).rmdir()
    assert left_of_it(machine) == set()
    for user in ("vcpu-autoscaler", "vcpu-autoscaler-actuator"):
        assert machine.run("id", user, check=False).returncode
    install(machine, package)
    assert active(machine)
