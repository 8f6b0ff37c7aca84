"""The command `advise`: its table, its JSON, and the policy file that it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.main import app

HOUR = 60
LITTLE = ("--step", "60s", "--lag", "10", "--jobs", "1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with two days of a domain that mostly idles, and of one that never changes."""
    monkeypatch.chdir(tmp_path)
    _write("shop.csv", "shop [1]*", np.tile(np.repeat((0.5, 2.0, 0.5), (12 * HOUR, 6 * HOUR, 6 * HOUR)), 2))
    _write("flat.csv", "flat", np.full(48 * HOUR, 0.5))
    return tmp_path


def _write(file: str, domain: str, values: npt.NDArray[np.float64]) -> None:
    rows = [f"{domain},{1_704_067_200 + 60 * minute},{value}" for minute, value in enumerate(values)]
    Path(file).write_text("\n".join(["domain,timestamp_s,demand_vcpus", *rows]) + "\n")


def autoscaler(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_what_it_proposes_is_told_in_every_form_and_is_a_policy_that_check_accepts(folder: Path) -> None:
    result = autoscaler(
        "advise", "shop.csv", "flat.csv", *LITTLE, "--yaml", "proposed.yaml", "--output", "json"
    )
    assert result.exit_code == 0, result.output
    found = {entry["domain"]: entry for entry in json.loads(result.stdout)["domains"]}
    assert {name: entry["advice"] for name, entry in found.items()} == {
        "shop [1]*": "change",
        "flat": "leave",
    }
    proposal = found["shop [1]*"]["proposal"]
    assert (proposal["min_vcpus"], proposal["max_vcpus"]) == (1, 4)
    best = [tried for tried in found["shop [1]*"]["tried"] if tried["proposal"] == proposal]
    assert best[0]["verifying"]["kept"]
    assert autoscaler("check", "--strict", "proposed.yaml").exit_code == 0
    text = (folder / "proposed.yaml").read_text()
    assert 'match: {name: ["shop [[]1][*]"]}' in text
    assert "vcpus: {min: 1, max: 4}" in text
    assert "mode: recommend" in text
    assert "# flat: leave it: " in text


def test_a_domain_that_is_interpolated_is_named() -> None:
    result = autoscaler("advise", "flat.csv", "--lag", "10", "--jobs", "1", "--step", "30s")
    assert "what lies between the rows of flat is interpolated" in result.stderr


def test_the_table_says_what_to_leave_and_what_is_kept_as_it_is() -> None:
    result = autoscaler("advise", "flat.csv", *LITTLE)
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("flat  "))
    assert row.split() == ["flat", "leave", "it", "-", "-", "-", "-", "-", "100.00", "%", "-"]
    assert "flat: leave it: the best candidate saves" in result.stdout


def test_what_each_candidate_would_have_cost_and_kept_is_told_beneath_its_domain() -> None:
    result = autoscaler("advise", "shop.csv", *LITTLE)
    assert result.exit_code == 0, result.output
    _, _, told = result.stdout.partition("\nshop [1]*: ")
    why, headings, _, *rows = told.splitlines()
    assert "chosen on the first" in why
    assert headings.split("  ")[0] == "Tried"
    cells = [re.split(r"  +", row) for row in rows]
    # Half the day it idles, a quarter it wants 2 of 3 vCPUs, and a slice that it spends below 0.8 is good.
    assert cells[0] == [
        "3 vCPUs throughout",
        "99%",
        *["72 -> 72", "4320 -> 4320"],
        *["100.00 % -> 100.00 %", "yes -> yes"],
    ]
    assert [row[0].removeprefix("proposed: ") for row in cells[1:]] == [
        "min 1",
        "moves dear",
        "99.5 %",
        "99.9 %",
    ]
    assert sum(row[0].startswith("proposed: ") for row in cells) == 1
    assert max(map(len, (headings, *rows))) <= 100


def test_a_policy_that_does_well_is_to_be_left(folder: Path) -> None:
    text = "version: 1\npolicies:\n  - {name: a, match: {name: ['*']}, vcpus: {max: 5}}\n"
    (folder / "current.yaml").write_text(text)
    result = autoscaler("advise", "flat.csv", *LITTLE, "--policy", "current.yaml", "--yaml", "p.yaml")
    assert result.exit_code == 0, result.output
    assert "against as it is, less than 5 %" in result.stdout
    assert "every domain is to be left as it is: no policy file is written" in result.stderr
    assert not (folder / "p.yaml").exists()


def test_a_policy_file_that_is_there_is_not_written_over(folder: Path) -> None:
    (folder / "mine.yaml").write_text("mine")
    result = autoscaler("advise", "flat.csv", "--yaml", "mine.yaml")
    assert result.exit_code == 2
    assert (folder / "mine.yaml").read_text() == "mine"
