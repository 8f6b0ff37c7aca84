"""The unit as systemd reads it: without a fault, shut off as promised, and with a reason for the rest."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
import subprocess
from pathlib import Path

import pytest

from autoscaler.service.journal import SqliteJournal

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = ["vcpu-autoscaler.service", "vcpu-autoscaler-actuator.service", "vcpu-autoscaler-bounds.service"]
OTHERS = ["autoscaler.slice"]
MOST_EXPOSURE = 2.0
LOOSENED = re.compile(r"^# ([\w ]+) (?:is|are) left out: \S+", re.MULTILINE)


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("systemd-analyze", *map(str, arguments)), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module", params=SERVICES)
def unit(request: pytest.FixtureRequest) -> Path:
    """Each unit that is a service."""
    return UNITS / str(request.param)


@pytest.fixture(scope="module")
def security(unit: Path) -> str:
    """What `systemd-analyze security` says of the unit, line by line."""
    said = analyze("security", "--offline=yes", "--no-pager", unit)
    assert "Overall exposure level" in said.stdout, said.stderr
    return said.stdout


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    # systemd looks for the programs, which need not be installed here.
    for name in (*SERVICES, *OTHERS):
        text = re.sub(r"/usr/bin/autoscaler(-actuator)?", "/bin/true", (UNITS / name).read_text())
        (tmp_path / name).write_text(text)
    said = analyze("verify", "--man=no", *(tmp_path / name for name in (*SERVICES, *OTHERS)))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_exposure_is_as_low_as_promised(security: str) -> None:
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", security)
    assert found is not None
    assert float(found[1]) <= MOST_EXPOSURE


def test_the_slice_guarantees_what_its_services_are_guaranteed_and_all_of_them_are_in_it() -> None:
    guaranteed = 0
    for name in SERVICES:
        text = (UNITS / name).read_text()
        assert "\nSlice=autoscaler.slice\n" in text
        assert "\nOOMScoreAdjust=-900\n" in text
        guaranteed += sum(map(int, re.findall(r"(?m)^MemoryMin=(\d+)M$", text)))
    whole = (UNITS / "autoscaler.slice").read_text()
    assert re.findall(r"(?m)^MemoryMin=(.+)$", whole) == [f"{guaranteed}M"]
    assert "\nCPUWeight=10000\n" in whole


def test_whatever_is_looser_than_it_could_be_has_its_reason_in_the_unit(unit: Path, security: str) -> None:
    loose = {
        name
        for line in security.splitlines()
        if line.startswith("✗")
        for name in re.findall(r"([A-Z]\w+)=", line)
    }
    explained = {name for names in LOOSENED.findall(unit.read_text()) for name in names.split(" and ")}
    if "RestrictAddressFamilies=none" not in unit.read_text():
        explained.add("RestrictAddressFamilies")
    if "UMask=0077" not in unit.read_text():
        explained.add("UMask")
    if "SystemCallFilter=capset" in unit.read_text():
        explained.add("SystemCallFilter")
    assert loose == explained


def test_under_the_units_umask_the_group_reads_the_journal_and_others_do_not(tmp_path: Path) -> None:
    (umask,) = re.findall(r"(?m)^UMask=(\d+)$", (UNITS / "vcpu-autoscaler.service").read_text())
    journal = tmp_path / "journal.sqlite"
    before = os.umask(int(umask, 8))
    try:
        with contextlib.closing(SqliteJournal(journal)):
            assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o640}
    finally:
        os.umask(before)


def test_a_journal_that_an_earlier_version_made_is_opened_to_the_group(tmp_path: Path) -> None:
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    state = tmp_path / "var/lib/vcpu-autoscaler"
    state.mkdir(parents=True)
    for name in ("journal.sqlite", "journal.sqlite-wal", "lock"):
        (state / name).touch(0o600)
    lines = (UNITS / "vcpu-autoscaler.tmpfiles").read_text()
    lines = lines.replace("vcpu-autoscaler vcpu-autoscaler -", f"{user} {group} -")
    (tmp_path / "own.conf").write_text(lines.replace("/var/lib", f"{tmp_path}/var/lib"))
    subprocess.run(("systemd-tmpfiles", "--create", tmp_path / "own.conf"), check=True, timeout=60)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {
        "journal.sqlite": 0o640,
        "journal.sqlite-wal": 0o640,
        "lock": 0o600,
    }
