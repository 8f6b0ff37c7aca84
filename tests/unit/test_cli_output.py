"""How commands print: whole for programs, and fit to be read on a terminal."""

from __future__ import annotations

import pytest

from autoscaler.cli import output
from autoscaler.cli.output import folded, print_table

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
