"""How commands print: whole for programs, and fit to be read on a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.cli import output
from autoscaler.cli.output import folded, print_table
from autoscaler.service.journal import SqliteJournal
from tests.fakes.shown_fleet import ShownFleet, shown_fleet

LONG = "x" * 200
SENTENCE = "the host does not run the vCPUs there are: more would not help, fewer cannot be judged"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 40 columns."""
    monkeypatch.setattr(output, "_on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")


def table(capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_table(("Domain", "Online", "State"), [("web-1", 2, "ok"), (LONG, 11, SENTENCE)])
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_one_long_name_does_not_break_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    head, _, first, second = table(capsys)
    assert head == f"Domain{' ' * 36}Online  State"
    assert first == f"web-1{' ' * 42}2  ok"
    assert second == f"{'x' * 39}\u2026      11  {SENTENCE}", "the last column is whole"


def test_in_a_pipe_every_name_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert table(capsys)[-1].startswith(LONG)
    assert folded(SENTENCE, indent=12) == SENTENCE


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_sentence_breaks_between_words() -> None:
    lines = folded(SENTENCE, indent=12).split("\n")
    assert all(len(line) <= 40 for line in lines)
    assert [line[:12].strip() for line in lines[1:]] == ["", "", ""]
    assert " ".join(line.strip() for line in lines) == SENTENCE


def test_nothing_in_a_sentence_steers_a_terminal() -> None:
    assert "\x1b" not in folded("\x1b[2J", indent=0)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownFleet]:
    with shown_fleet(tmp_path_factory.mktemp("fleet"), ["web-1"]) as fleet:
        yield fleet


def printed_to(where: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, its output sent somewhere by a shell."""
    program = "import sys; sys.argv[0] = 'autoscaler'; from autoscaler.cli.main import main; main()"
    command = ("bash", "-o", "pipefail", "-c", f'"$@" {where}', "bash", sys.executable, "-c", program)
    return subprocess.run((*command, *arguments), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "command",
    ["list", "status", "slo", "events", "show web-1", "explain web-1", "top --once", "list --output json"],
)
def test_output_that_a_full_disk_does_not_take_is_one_sentence_and_1(fleet: ShownFleet, command: str) -> None:
    ran = printed_to(">/dev/full", *command.split(), "--server", fleet.url)
    sentence = "autoscaler: the output cannot be written (No space left on device)\n"
    assert (ran.returncode, ran.stderr) == (1, sentence)


def test_output_that_is_lost_at_the_end_or_in_large_is_lost_as_well(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        journal.flush()
    csv = ("usage", "--from-journal", str(tmp_path / "journal.sqlite"), "--output", "csv")
    for command in (csv, ("schema",), ("--help",), ("rules", "--defaults")):
        ran = printed_to(">/dev/full", *command)
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1), ran.stderr
        assert "No space left on device" in ran.stderr


def test_a_reader_that_has_gone_away_and_no_output_at_all_are_no_error_to_be_told() -> None:
    for where in ("| head -n 1", ">&-"):
        assert printed_to(where, "rules", "--defaults").stderr == ""
