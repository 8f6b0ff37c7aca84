"""`top`: what fits on a screen, what keys do to it, and that the terminal is given back."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.cli.top import pressed
from autoscaler.cli.top_view import ORDERS, Order, Sight, chosen, picture
from tests.fakes.running_service import AS_FROM_A_TERMINAL
from tests.fakes.shown_fleet import ShownFleet, shown_fleet, with_troubles

WIDE = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 50
NAMES = ["web-1", "web-2", "web-3", "db-1", "x" * 200, "\u202eevil", "\x1b[31mred", WIDE]
PATIENCE_S = 30.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownFleet]:
    with shown_fleet(tmp_path_factory.mktemp("fleet"), NAMES, hours=0.25) as fleet:
        with_troubles(fleet)
        yield fleet


@pytest.fixture(scope="module")
def answers(fleet: ShownFleet) -> tuple[Json, list[Json]]:
    from autoscaler.cli.top import _look  # noqa: PLC0415 - what the command itself asks

    return _look(fleet.url)


def drawn(
    answers: tuple[Json, list[Json]], sight: Sight, *, width: int = 80, height: int = 24, color: bool = False
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, no_color=not color, highlight=False)
    console.print(picture(*answers, sight, width=width, height=height, trouble=""))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 132, 250])
def test_no_line_is_wider_than_the_terminal_and_each_domain_is_one_with_its_troubles_beneath(
    answers: tuple[Json, list[Json]], width: int
) -> None:
    lines = drawn(answers, Sight(), width=width, height=60).rstrip("\n").split("\n")
    assert all(cell_len(line) <= width for line in lines)
    beneath = [line for line in lines if line.startswith("    ")]
    assert len(lines) == len(NAMES) + 5 + len(beneath)
    assert 3 <= len(beneath) <= 9, "three are in trouble"


def test_beneath_a_domain_in_trouble_is_what_that_is(answers: tuple[Json, list[Json]]) -> None:
    lines = [line.rstrip() for line in drawn(answers, Sight(order=Order.NAME, wanted="web-")).splitlines()]
    assert [line.split()[0] for line in lines[4:9]] == ["web-1", "no", "web-2", "is", "domjobinfo"]
    assert lines[7].startswith("    is left as it is while a migration goes on: see `virsh")


@pytest.mark.parametrize("name", ["web-1", "it's", "'\"", "\u202eevil", "\\'", "\n", "x" * 200])
def test_what_troubles_a_domain_does_not_begin_with_the_name_that_stands_above(
    answers: tuple[Json, list[Json]], name: str
) -> None:
    status, domains = answers
    told = f"domain {name!r} is held; it runs all it may: raise its maximum; domain {name!r} kept its promise"
    text = drawn((status, [domains[0] | {"name": name, "conditions": {"held": told}}]), Sight(), width=100)
    beneath = [line.rstrip() for line in text.splitlines() if line.startswith("    ")]
    assert beneath == ["    is held; it runs all it may: raise its maximum; kept its promise"]


def test_the_first_in_trouble_have_a_third_line_where_there_is_room(
    answers: tuple[Json, list[Json]],
) -> None:
    status, domains = answers
    rows = [
        domains[0] | {"name": name, "conditions": {"held": f"{'why ' * 50}at last"}} for name in ("a", "b")
    ]

    def lines_beneath(height: int) -> list[int]:
        lines = drawn((status, rows), Sight(order=Order.NAME), height=height).splitlines()[4:-1]
        second = next(index for index, line in enumerate(lines) if line.startswith("b"))
        return [second - 1, len(lines) - second - 1]

    assert [lines_beneath(height) for height in (12, 13, 14, 30)] == [[2, 2], [3, 2], [3, 3], [3, 3]]


@pytest.mark.parametrize("width", [60, 66, 80])
@pytest.mark.parametrize("condition", ["breaking-sla", "externally_modified"])
def test_a_name_gives_way_before_a_condition_does(
    answers: tuple[Json, list[Json]], width: int, condition: str
) -> None:
    status, domains = answers
    rows = [domain | {"conditions": {condition: "it is so"}} for domain in domains]
    lines = drawn((status, rows), Sight(), width=width, height=40).splitlines()[4:-1:2]
    assert len(lines) == len(NAMES)
    assert all(line.rstrip().endswith(f" {condition}") for line in lines)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (90, "Domain On Want Max Used Kept Budget left State"),
        (62, "Domain On Want Max Used Kept State"),
        (50, "Domain On Want Max Used State"),
        (38, "Domain On Want Used State"),
        (30, "Domain On Used State"),
        (24, "Domain On State"),
        (20, "Dom… On State"),
    ],
)
def test_a_narrow_terminal_has_fewer_columns_and_each_is_whole(
    answers: tuple[Json, list[Json]], width: int, headings: str
) -> None:
    status, domains = answers
    calm = [domain | {"conditions": {}, "decision": None} for domain in domains]
    assert " ".join(drawn((status, calm), Sight(), width=width).splitlines()[3].split()) == headings
    assert "domains, none in trouble" in drawn((status, calm), Sight(), width=40).splitlines()[0]


@pytest.mark.parametrize("name", ["x" * 200, "\u202e" * 200])
def test_a_long_name_does_not_crowd_out_what_troubles_it(answers: tuple[Json, list[Json]], name: str) -> None:
    status, domains = answers
    sentence = f"domain {name!r} is left as it is while a backup goes on"
    told = drawn((status, [domains[0] | {"name": name, "conditions": {"held": sentence}}]), Sight())
    assert "is left as it is while a backup goes on" in " ".join(told.split())


def test_what_an_administrator_ordered_is_no_trouble(answers: tuple[Json, list[Json]]) -> None:
    status, domains = answers
    text = drawn((status, [domains[0] | {"conditions": {"paused": "somebody paused it"}}]), Sight())
    assert "paused" in text
    assert "somebody" not in text


def test_at_80_columns_without_colour_a_row_says_size_use_promise_state_and_why(
    answers: tuple[Json, list[Json]],
) -> None:
    text = drawn(answers, Sight(wanted="db-1"))
    assert "\x1b" not in text
    heading, row = text.splitlines()[3:5]
    assert " ".join(heading.split()) == "Domain On Want Max Used Kept Budget left State"
    assert re.fullmatch(r"db-1 +1 +\d +8 +\d+% +[\d.]+% of 1\dm +\d+% of 7.2h +breaking-sla *", row)


def test_trouble_is_said_in_words_and_coloured_where_there_is_colour(
    answers: tuple[Json, list[Json]],
) -> None:
    assert "in trouble" in drawn(answers, Sight())
    assert "no-sample" in drawn(answers, Sight())
    assert "\x1b[31m" in drawn(answers, Sight(), color=True)


def test_a_broken_promise_comes_first_then_other_troubles_then_the_busiest(
    answers: tuple[Json, list[Json]],
) -> None:
    state = [sorted(row["conditions"]) for row in chosen(answers[1], Sight())]
    ranks = [2 if not conditions else "breaking-sla" not in conditions for conditions in state]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_a_promise_at_risk_is_counted_apart_yellow_and_above_those_that_are_well(
    answers: tuple[Json, list[Json]],
) -> None:
    status, domains = answers
    well, held = domains[0] | {"conditions": {}}, domains[2] | {"conditions": {"held": "a backup"}}
    risk = domains[1] | {"conditions": {"sla-at-risk": "none of the last 3 min"}}
    text = drawn((status, [well, risk, held]), Sight(), color=True)
    assert "1 in trouble" in text
    assert "\x1b[1;33m, 1 at risk" in text
    assert "\x1b[33m    none of the last 3 min" in text
    shown = chosen([well, risk, held], Sight())
    assert [list(row["conditions"]) for row in shown] == [["held"], ["sla-at-risk"], []]


def test_a_guest_that_its_host_keeps_from_more_is_not_green(answers: tuple[Json, list[Json]]) -> None:
    status, domains = answers
    stolen = domains[0] | {"conditions": {}, "decision": domains[0]["decision"] | {"reason": "stolen"}}
    assert "\x1b[33mok: stolen" in drawn((status, [stolen]), Sight(), color=True)


def test_a_guest_whose_last_slice_was_bad_is_not_green(answers: tuple[Json, list[Json]]) -> None:
    status, domains = answers
    bad = domains[0] | {"conditions": {}, "slo": domains[0]["slo"] | {"last_slice_bad": True}}
    for width in (80, 150):
        assert "\x1b[33mok: last slice bad" in drawn((status, [bad]), Sight(), color=True, width=width)


def test_what_troubles_the_service_has_a_line_of_its_own_and_the_rows_stand_still(
    answers: tuple[Json, list[Json]],
) -> None:
    status, domains = answers
    sentence = "the journal cannot be written: no space left on device"
    before = drawn(answers, Sight()).splitlines()
    lines = drawn((status | {"troubles": {"journal": sentence}}, domains), Sight()).splitlines()
    assert lines[2].rstrip() == f"! {sentence}"
    assert lines[3:] == before[3:]


def test_a_name_cannot_steer_the_terminal(answers: tuple[Json, list[Json]]) -> None:
    text = drawn(answers, Sight(), width=250)
    assert "\u202e" not in text
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize("order", ORDERS)
def test_rows_are_sorted_and_turned_round(answers: tuple[Json, list[Json]], order: Order) -> None:
    rows = chosen(answers[1], Sight(order=order))
    keys = [ORDERS[order](row) for row in rows]
    assert keys == sorted(keys)
    backwards = [ORDERS[order](row) for row in chosen(answers[1], Sight(order=order, backwards=True))]
    assert backwards == sorted(keys, reverse=True)


def test_what_does_not_fit_is_scrolled_to(answers: tuple[Json, list[Json]]) -> None:
    well = [domain | {"conditions": {}} for domain in answers[1]]
    top = drawn((answers[0], well), Sight(order=Order.NAME), height=9)
    assert f"1 to 3 of {len(NAMES)}" in top
    bottom = drawn((answers[0], well), Sight(order=Order.NAME, first=999), height=9)
    assert f"{len(NAMES) - 2} to {len(NAMES)} of {len(NAMES)}" in bottom


@pytest.mark.parametrize("first", range(len(NAMES)))
def test_with_lines_beneath_there_are_no_more_than_fit_and_the_last_is_reached(
    answers: tuple[Json, list[Json]], first: int
) -> None:
    text = drawn(answers, Sight(order=Order.NAME, first=first), height=11)
    assert len(text.splitlines()) <= 10
    begins, ends = map(int, re.findall(r"(\d+) to (\d+) of", text)[0])
    assert begins - 1 <= first <= ends
    if first == len(NAMES) - 1:
        assert ends == len(NAMES)


def test_a_service_that_went_away_is_said_and_the_last_picture_stays(
    answers: tuple[Json, list[Json]],
) -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(
        picture(*answers, Sight(), width=80, height=30, trouble="no autoscaler answers")
    )
    assert "! no autoscaler answers" in out.getvalue()
    assert "web-2" in out.getvalue()


def test_keys_sort_turn_scroll_and_filter() -> None:
    def after(*keys: str) -> Sight:
        sight = Sight()
        for key in keys:
            sight = pressed(sight, key, rows=20)
        return sight

    assert after("s").order is Order.USED
    assert after(*"s" * len(ORDERS)).order is Order.TROUBLE
    assert after("r").backwards
    assert after("down", "page-down").first == 11
    assert after("end", "page-down").first == 19
    assert after("up").first == 0
    assert after("/", "w", "x", "backspace", "q", "enter") == Sight(wanted="wq")
    assert after("/", "w", "escape") == after("/", "w", "enter", "escape") == Sight()
    assert after("x", "", "\x1b[Z") == Sight()


def test_where_nobody_looks_it_is_printed_once(fleet: ShownFleet) -> None:
    ran = CliRunner().invoke(app, ["top", "--server", fleet.url, "--sort", "name", "--filter", "web-"])
    assert ran.exit_code == 0
    rows = [line for line in ran.stdout.splitlines()[4:] if not line.startswith("    ")]
    assert [row.split()[0] for row in rows[:3]] == ["web-1", "web-2", "web-3"]
    assert CliRunner().invoke(app, ["top", "--sort", "colour"]).exit_code == 2
    assert CliRunner().invoke(app, ["top", "--server", "http://127.0.0.1:1"]).exit_code == 1


def test_where_nobody_looks_every_name_and_sentence_is_whole(fleet: ShownFleet) -> None:
    told = CliRunner().invoke(app, ["top", "--server", fleet.url]).stdout
    assert "\u2026" not in told
    assert all(name in told for name in ("x" * 200, WIDE))


@contextmanager
def on_a_terminal(fleet: ShownFleet, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command on a terminal of its own, of 80 by 24."""
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 80))
    code = "import sys; sys.argv[0] = 'autoscaler'; from autoscaler.cli.main import main; main()"
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [*AS_FROM_A_TERMINAL, sys.executable, "-c", code, "top", "--server", fleet.url, *arguments],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process, outer
        assert termios.tcgetattr(inner)[3] & termios.ECHO, "the terminal does not echo any more"
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(inner)
        os.close(outer)


def read_until(outer: int, wanted: str) -> str:
    """What the terminal was sent, up to when it has these words."""
    found, end_s = "", time.monotonic() + PATIENCE_S
    while wanted not in found:
        assert time.monotonic() < end_s, f"{wanted!r} did not come: {found[-2000:]!r}"
        if select.select([outer], [], [], 0.2)[0]:
            found += os.read(outer, 65536).decode(errors="replace")
    return found


def test_q_ends_it_and_gives_the_terminal_back(fleet: ShownFleet) -> None:
    with on_a_terminal(fleet) as (process, outer):
        read_until(outer, "q quit")
        os.write(outer, b"/web-\n")
        read_until(outer, "filter: web-")
        os.write(outer, b"q")
        rest = read_until(outer, "\x1b[?1049l")
        assert "\x1b[?25h" in rest
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_signal_end_it_as_cleanly(fleet: ShownFleet, number: int) -> None:
    with on_a_terminal(fleet, "--every", "60") as (process, outer):
        read_until(outer, "q quit")
        process.send_signal(number)
        rest = read_until(outer, "\x1b[?1049l")
        assert process.wait(PATIENCE_S) == (0 if number == signal.SIGINT else 128 + number)
        assert "Traceback" not in rest
