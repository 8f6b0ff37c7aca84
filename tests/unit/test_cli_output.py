"""How commands print: whole for programs, and fit to be read on a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.cells import cell_len

from autoscaler.cli import output
from autoscaler.cli.output import folded, hanging, named, print_table
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
def test_on_a_terminal_a_table_fits_and_long_names_keep_their_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, _, first, second, *more = table(capsys)
    assert head == "Domain           Online State"
    assert first == "web-1                 2 ok"
    assert second.startswith(f"{'x' * 8}\u2026{'x' * 7}     11 ")
    assert all(len(line) <= 40 for line in (second, *more))
    assert " ".join([second[24:], *(line.strip() for line in more)]) == SENTENCE, "the last column is whole"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", [LONG, "\u202e" * 50, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 50])
def test_on_a_terminal_no_name_makes_a_table_wider(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Domain", "Policy", "Online"), [(name, "web", 2), (name, name, 2)])
    assert {cell_len(line) for line in capsys.readouterr().out.splitlines()} == {40}


@pytest.mark.usefixtures("terminal")
def test_on_a_wide_terminal_a_long_name_is_short_too_and_a_sentence_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    head, _, _, second = table(capsys)
    assert head == f"Domain{' ' * 36}Online  State"
    assert second == f"{'x' * 20}\u2026{'x' * 19}      11  {SENTENCE}"


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_names_give_way_before_sentences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    print_table(("Domain", "Promise", "Bad"), [(LONG, "utilization below 80% in 99% of 30 d", 1)])
    assert "x utilization below 80% in 99% of 30 d   1\n" in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_sentence_in_the_middle_breaks_and_no_name_fills_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(("Domain", "Promise", "Bad"), [("a " * 100, "utilization below 80% in 99% of 30 d", 1)])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert all(len(line) <= 40 for line in lines)
    assert 1 < len(lines) <= 3
    assert "\u2026" in lines[0]


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_table_that_fits_is_as_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Domain", "Online"), [("web-1", 2)])
    assert capsys.readouterr().out == "Domain  Online\n------  ------\nweb-1        2\n"


SPARE = (("Domain", "Policy", "Online", "State"), [("web-frontend-1", "web", 2, "held breaking-sla")])


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_conditions_break_between_words_only_and_a_name_gives_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(*SPARE)
    assert [line.split() for line in capsys.readouterr().out.splitlines()[2:]] == [
        ["web-fr…end-1", "web", "2", "held"],
        ["breaking-sla"],
    ]


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_that_is_too_narrow_what_can_be_spared_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def headings(columns: str) -> list[str]:
        monkeypatch.setenv("COLUMNS", columns)
        print_table(*SPARE, spare=("Policy", "Online"))
        lines = capsys.readouterr().out.splitlines()
        assert all(cell_len(line) <= int(columns) for line in lines)
        return lines[0].split()

    assert headings("36") == ["Domain", "Policy", "Online", "State"]
    assert headings("34") == ["Domain", "Online", "State"]
    assert headings("22") == ["Domain", "State"]


def test_in_a_pipe_nothing_is_spared(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(*SPARE, spare=("Policy",))
    assert capsys.readouterr().out.splitlines()[0].split() == ["Domain", "Policy", "Online", "State"]


def test_in_a_pipe_every_name_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert table(capsys)[-1].startswith(LONG)
    assert folded(SENTENCE, indent=12) == SENTENCE


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_sentence_breaks_between_words() -> None:
    lines = folded(SENTENCE, indent=12).split("\n")
    assert all(len(line) <= 40 for line in lines)
    assert [line[:12].strip() for line in lines[1:]] == ["", "", ""]
    assert " ".join(line.strip() for line in lines) == SENTENCE


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_an_event_breaks_behind_its_time_and_its_name_is_short() -> None:
    lines = hanging(f"2026-03-01 00:00:00  {named(LONG)}  hold  {SENTENCE}", indent=18).split("\n")
    assert all(len(line) <= 40 for line in lines)
    assert {line[:18].strip() for line in lines[1:]} == {""}
    assert named(LONG) == f"{'x' * 6}\u2026{'x' * 6}"


def test_in_a_pipe_an_event_is_one_line_with_its_whole_name() -> None:
    assert hanging(f"{named(LONG)}  {SENTENCE}", indent=21) == f"{LONG}  {SENTENCE}"


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


def test_shares_stand_to_the_right_as_numbers_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Domain", "Used"), [("a", "4%"), ("b", "100%"), ("c", "-")])
    assert capsys.readouterr().out.splitlines()[2:] == ["a         4%", "b       100%", "c          -"]
