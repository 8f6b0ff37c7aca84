"""`replay` over the service's own journal: its demand, and its decisions made again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.main import app
from autoscaler.service.journal import SqliteJournal
from tests.scenario.test_strict_replay import Site


def ran(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a service that ran for a quarter of an hour over two guests, with a tape."""
    site = Site(tmp_path_factory.mktemp("journal"))
    for demand in (0.2, 2.6, 0.4):
        site.web.set(demand=demand)
        site.run(300)
    site.simulation.face.keep_all()
    site.simulation.journal.close()
    return site.path


def test_the_demand_of_a_journal_is_replayed(journal: Path) -> None:
    done = ran(
        "--from-journal", journal, "--since", "3650d", "--jobs", "1", "--no-baselines", "--output", "json"
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["domains"] == 2


def test_the_decisions_of_a_tape_come_out_again(journal: Path) -> None:
    done = ran("--from-journal", journal, "--strict")
    assert done.exit_code == 0, done.output
    assert "came out as they did live" in done.stdout
    found = json.loads(ran("--from-journal", journal, "--strict", "--output", "json").stdout)
    assert (found["domains"], found["difference"]) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        pytest.param(["--strict"], 2, "--from-journal FILE", id="strict without a journal"),
        pytest.param(
            ["--from-journal", "nowhere", "--strict"], 1, "cannot be read", id="strict, no such file"
        ),
        pytest.param(["--from-journal", "nowhere"], 1, "cannot be read", id="no such file"),
    ],
)
def test_a_journal_that_is_not_there_is_said(arguments: list[str], code: int, sentence: str) -> None:
    done = ran(*arguments)
    assert done.exit_code == code
    assert sentence in " ".join(done.output.replace("│", " ").split())


def test_a_journal_that_tells_of_no_demand_is_said(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal.sqlite").close()
    done = ran("--from-journal", tmp_path / "journal.sqlite")
    assert done.exit_code == 1
    assert "no demand in that time" in done.output


@pytest.mark.parametrize("strictly", [pytest.param([], id="demand"), pytest.param(["--strict"], id="strict")])
def test_a_journal_that_only_newer_versions_know_is_refused(
    journal: Path, tmp_path: Path, strictly: list[str]
) -> None:
    newer = tmp_path / "journal.sqlite"
    shutil.copy(journal, newer)
    with closing(sqlite3.connect(newer)) as db:
        db.executescript("PRAGMA user_version = 99; PRAGMA application_id = 99")
    done = ran("--from-journal", newer, "--since", "3650d", *strictly)
    assert done.exit_code == 1
    assert "was made by a newer version: it has schema 99" in done.output
