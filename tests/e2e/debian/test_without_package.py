"""The installation without a package on a machine with a real systemd: its whole life, to purge."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler import __version__
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
    make_next,
    schema_of,
    shown,
)

pytestmark = NEEDED

PROJECT = Path(__file__).parents[3]
CHECKOUT = "/tmp/checkout"
SET_UP = "/root/.cache/vcpu-autoscaler"
"""Where the set-ups of a checkout keep their log."""
SCRIPT = ("sh", f"{CHECKOUT}/deploy/install.sh")
UNITS = (UNIT, ACTUATOR, BOUNDS)
NOTE = "# an administrator's line\n"


@pytest.fixture(scope="module")
def machine(booted: DebianMachine) -> Iterator[DebianMachine]:
    """The machine without the service, and with what of the checkout the container's recipe takes for one."""
    booted.run("dpkg", "--purge", "vcpu-autoscaler")
    place = booted.path(CHECKOUT)
    recipe = (PROJECT / "deploy" / "container" / "Containerfile").read_text()
    for *names, target in (words.split() for words in re.findall(r"(?m)^COPY (?!--from)(.+)$", recipe)):
        there = place / Path(target).relative_to("/checkout")
        for name in names:
            if (PROJECT / name).is_dir():
                shutil.copytree(PROJECT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                there.mkdir(exist_ok=True)
                shutil.copy(PROJECT / name, there)
    yield booted
    booted.run(*SCRIPT, "--uninstall", "--purge")
    shutil.rmtree(place)
    shutil.rmtree(booted.path(SET_UP))


def test_it_runs_confined_and_observes_and_the_package_is_refused_beside_it(
    machine: DebianMachine, package: Path
) -> None:
    machine.run_online(*SCRIPT)
    assert machine.say("systemctl", "--failed", "--plain", "--no-legend") == ""
    for unit in UNITS:
        assert active(machine, unit)
        assert machine.say("systemctl", "is-enabled", unit) == "enabled"
    assert shown(machine, "StatusText") == "watching qemu:///system every 5 s"
    for unit in (UNIT, ACTUATOR):
        assert shown(machine, "ControlGroup", unit) == f"/autoscaler.slice/{unit}"
        process = machine.path(f"/proc/{shown(machine, 'MainPID', unit)}/status").read_text()
        assert f"\nUid:\t{machine.say('id', '--user', unit.removesuffix('.service'))}\t" in process
        assert "\nCapEff:\t0000000000000000\n" in process
    assert "libvirt" not in machine.say("id", "--name", "--groups", "vcpu-autoscaler").split()
    assert machine.say("which", "autoscaler") == "/usr/local/bin/autoscaler"
    assert "mode: recommend" in machine.path(OBSERVE).read_text()
    with pytest.raises(AssertionError, match=r"was installed here by deploy/install\.sh"):
        install(machine, package)
    machine.run("dpkg", "--purge", "vcpu-autoscaler")
    assert active(machine)


def test_edits_and_state_outlive_an_upgrade_and_a_downgrade_and_what_is_disabled_stays_so(
    machine: DebianMachine,
) -> None:
    with machine.path(CONFIG).open("a") as config:
        config.write(NOTE)
    machine.write(OWN, POLICY)
    machine.path(OBSERVE).unlink()
    machine.run("autoscaler", "pause", "--all")
    machine.run("systemctl", "disable", "--now", ACTUATOR, BOUNDS)
    this, following = machine.path(CHECKOUT), machine.path(f"{CHECKOUT}.next")
    shutil.copytree(this, following)
    make_next(following / "autoscaler", following / "deploy" / "etc" / "config.yaml")
    for checkout, version in ((f"{CHECKOUT}.next", NEXT), (CHECKOUT, __version__)):
        before = shown(machine, "MainPID")
        machine.run_online("sh", f"{checkout}/deploy/install.sh")
        assert machine.say("autoscaler", "--version") == f"autoscaler {version}"
        assert shown(machine, "MainPID") != before
        assert [active(machine, unit) for unit in UNITS] == [True, False, False]
        assert machine.say("systemctl", "is-enabled", ACTUATOR, check=False) == "disabled"
        assert machine.path(CONFIG).read_text().endswith(NOTE)
        assert ("a next release" in machine.path(f"{CONFIG}.new").read_text()) == (version == NEXT)
        assert machine.path(OWN).read_text() == POLICY
        assert not machine.path(OBSERVE).exists()
        assert "paused" in machine.say("autoscaler", "status", check=False)
        assert schema_of(machine) == SCHEMA_VERSION + 1
    shutil.rmtree(following)


def test_removal_keeps_configuration_and_state_and_purge_leaves_nothing(machine: DebianMachine) -> None:
    machine.run(*SCRIPT, "--uninstall")
    assert not any(active(machine, unit) for unit in UNITS)
    assert machine.run("which", "autoscaler", check=False).returncode
    assert machine.path(OWN).read_text() == POLICY
    assert machine.path(f"{STATE}/journal.sqlite").exists()
    machine.run("usermod", "--append", "--groups", "vcpu-autoscaler", "nobody")
    machine.run("mount", "--bind", STATE, STATE)
    machine.run(*SCRIPT, "--uninstall", "--purge")
    assert list(machine.path(STATE).iterdir()) == []
    machine.run("umount", STATE)
    machine.path(STATE).rmdir()
    # The checkout and what its set-ups keep are the administrator's.
    ours = {path for path in left_of_it(machine) if not path.startswith((CHECKOUT, SET_UP))}
    assert ours == set()
    for user in ("vcpu-autoscaler", "vcpu-autoscaler-actuator"):
        assert machine.run("id", user, check=False).returncode
