"""The installed command `replay` as scripts and people meet it: exit codes, JSON, hostile names, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest

from tests.fakes.running_service import AS_FROM_A_TERMINAL, COMMAND

HOSTILE = "<script>alert(1)</script>$x$|`a`"
FIGURES = (
    *("j_over_optimum", "vcpu_hours", "domains_in_slo_ratio", "bad_ratio", "removals_per_domain_day"),
    *("theta_u", "theta_o", "tau_u", "tau_o", "instability"),
)
SCHEMA = {
    "type": "object",
    "required": ["policies", "domains", "domain_days", "lag_s", "objective"],
    "properties": {
        "policies": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": [*FIGURES],
                "properties": {name: {"type": "number"} for name in FIGURES},
            },
        },
        "domains": {"type": "integer"},
        "domain_days": {"type": "number"},
        "lag_s": {"type": "number"},
        "objective": {"type": ["number", "null"]},
    },
}
POLICY = "version: 1\npolicies:\n  - {name: all, match: {name: ['*']}, vcpus: {min: 4, max: 8}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Half an hour of a domain with a hostile name, and two policies of which one starves it."""
    rows = [f'"{HOSTILE}",{1_700_000_000 + second},2.4' for second in range(0, 1800, 10)]
    (tmp_path / "demand.csv").write_text("\n".join(["domain,timestamp_s,demand_vcpus", *rows]) + "\n")
    (tmp_path / "good.yaml").write_text(POLICY)
    (tmp_path / "mean.yaml").write_text(POLICY.replace("min: 4, max: 8", "max: 1"))
    return tmp_path


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (COMMAND, "replay", *arguments), capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


def test_the_json_is_as_documented_and_alone_on_standard_output(folder: Path) -> None:
    ran = replay(folder, "demand.csv", "--policy", "good.yaml", "--output", "json")
    assert ran.returncode == 0, ran.stderr
    jsonschema.validate(json.loads(ran.stdout, parse_constant=pytest.fail), SCHEMA)


def test_a_newly_broken_promise_ends_with_2_and_its_report_is_harmless(folder: Path) -> None:
    ran = replay(
        folder, "demand.csv", "--policy", "mean.yaml", "--against", "good.yaml", "--report", "report"
    )
    assert ran.returncode == 2, ran.stderr
    assert f"breaks the SLA of 1 domains that the old one kept: {HOSTILE}" in ran.stdout
    assert "<script" not in (folder / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("absent.csv",), 1, id="no such trace"),
        pytest.param(("good.yaml",), 1, id="no demand in it"),
        pytest.param((), 2, id="nothing to replay"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_no_traceback(
    folder: Path, arguments: tuple[str, ...], code: int
) -> None:
    ran = replay(folder, *arguments)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert ran.stderr
    assert ran.stdout == ""


def ended(group: int) -> bool:
    """Whether the whole process group ends within a moment: multiprocessing's tracker follows its parent."""
    end_s = time.monotonic() + 10
    while time.monotonic() < end_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_ends_it_and_its_processes_with_130_and_writes_nothing(folder: Path, jobs: str) -> None:
    arguments = ("--generate", "bursty", "--domains", "40", "--days", "30", "--report", "report")
    running = subprocess.Popen(
        (*AS_FROM_A_TERMINAL, COMMAND, "replay", *arguments, "--jobs", jobs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    try:
        end_s = time.monotonic() + 60
        while not (folder / "report").exists():
            assert time.monotonic() < end_s, "it did not begin"
            time.sleep(0.1)
        # By now it reads, starts its processes, or replays: whatever it is at has to end.
        time.sleep(3)
        assert running.poll() is None
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert running.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "autoscaler replay: interrupted; nothing was written"
    assert "Traceback" not in err
    assert list((folder / "report").iterdir()) == []
    assert ended(running.pid)


def test_in_one_process_and_in_two_the_figures_are_the_same_to_the_last_digit(folder: Path) -> None:
    arguments = ("--generate", "idle-with-spikes", "--domains", "4", "--days", "0.2", "--output", "json")
    found = [replay(folder, *arguments, "--jobs", jobs).stdout for jobs in ("1", "2")]
    assert json.loads(found[0])["policies"]["optimum"]["gap_ratio"] > 0
    assert found[0] == found[1]
