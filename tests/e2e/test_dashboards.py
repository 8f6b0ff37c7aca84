"""The dashboards over the real service: a real Prometheus scrapes it, and every panel's queries are asked.

The guests are scripted ones behind real sockets: two whose load comes and goes, one that is paused, one whose
agent hangs after a while, and one that wants more vCPUs than it may have: so few of its slices may be bad
that three of ten seconds break its promise. Another service has a host of four vCPUs, whose guests want more;
a third one has a guest that nothing happens to.
With DASHBOARD_SHEETS=FOLDER in the environment the sheets are left in that folder, to be looked at.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from grafana.parts import GREY
from tests.fakes.attacks import ATTACKS
from tests.fakes.contact_sheet import THEMES, draw
from tests.fakes.dashboard_answers import NAMES, Panel, Span, dashboard, filled, sheet
from tests.fakes.panel_text import color_of, figure, overrides, worded
from tests.fakes.promtool import promtool
from tests.fakes.running_service import ROOMY_HOST, UNHURRIED
from tests.fakes.scripted_folder import FolderGuest
from tests.fakes.watched_host import Watched, watching

WATCHED_S = 85.0
"""Longer than an error that is new is told as nought."""
STEP_S = 1.0
FULL_VCPUS = 4
GUESTS = {"batch-1": 0.0, "db-1": 0.0, "shop-1": 2.6, "web-1": 0.0, "web-2": 0.0}
"""By their names: the vCPUs that they want at first."""
HEALTHY, BREAKING, PAUSED, UNREAD = "web-1", "shop-1", "batch-1", "db-1"
SHORT = "app-1"
CROWD = {SHORT: 0.0, "app-2": 0.0, "app-3": 0.0}
CALM = {"calm-1": 0.2}
SHEETS = {
    **{name: ("roomy", name, ".*") for name in NAMES},
    "domain": ("roomy", "domain", HEALTHY),
    "domain-breaking": ("roomy", "domain", BREAKING),
    "domain-paused": ("roomy", "domain", PAUSED),
    "domain-unread": ("roomy", "domain", UNREAD),
    "full-domain": ("full", "domain", SHORT),
    "full-fleet": ("full", "fleet", ".*"),
    "full-host": ("full", "host", ".*"),
}
"""By the name of their file: of which host, a dashboard, and whose."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Watched]]:
    """Services that were watched while their guests changed: of a host with room, a full and a calm one."""
    folder = Path(tempfile.mkdtemp(prefix="vcpu-boards-"))
    full = f"overcommit: {FULL_VCPUS / (os.cpu_count() or 1)}, {UNHURRIED}"
    try:
        with (
            watching(folder / "r", GUESTS, host=ROOMY_HOST) as roomy,
            watching(folder / "f", CROWD, host=full) as crowded,
            watching(folder / "c", CALM, host=ROOMY_HOST) as calm,
        ):
            from_s = time.time()
            roomy.service.ask("pause", PAUSED, "--config.file", str(roomy.service.config))
            _live(roomy.guests | crowded.guests)
            span = Span(from_s=from_s, to_s=time.time(), step_s=STEP_S)
            yield {
                name: Watched(house.prometheus, span, house.service.get("/metrics"))
                for name, house in (("roomy", roomy), ("full", crowded), ("calm", calm))
            }
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def watched(hosts: dict[str, Watched]) -> Watched:
    """The one of the host with room."""
    return hosts["roomy"]


def _live(guests: dict[str, FolderGuest]) -> None:
    """Let loads come and go, and an agent hang, for as long as is watched."""
    loads = {
        3: ("web-1", 1.4),
        8: ("web-2", 2.6),
        12: ("app-2", 1.3),
        16: (SHORT, 2.6),
        35: ("web-1", 0.3),
        50: ("web-2", 0.5),
        65: ("web-1", 1.5),
    }
    began_s = time.monotonic()
    for at_s, (name, load_vcpus) in loads.items():
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        guests[name].guest.load_vcpus = load_vcpus
        if name == "web-2":
            ATTACKS["silence"].begin(guests[UNREAD])
    time.sleep(max(0.0, began_s + WATCHED_S - time.monotonic()))


@pytest.mark.parametrize("name", NAMES)
def test_every_query_is_taken_and_has_an_answer_where_everything_happens(watched: Watched, name: str) -> None:
    found = watched.panels(name, ".*")
    answers = [answer for panel in found for answer in panel.answers]
    assert [(answer.expr, answer.error) for answer in answers if answer.error] == []
    several = [answer for panel in found if panel.plain["type"] != "stat" for answer in panel.answers]
    assert [answer.expr for answer in several if answer.empty] == []
    figures = [panel for panel in found if panel.plain["type"] == "stat"]
    assert [panel.title for panel in figures if all(answer.empty for answer in panel.answers)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_is_empty_for_a_domain_that_is_well(watched: Watched, name: str) -> None:
    assert _empty(watched.panels(name, HEALTHY)) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_is_empty_where_nothing_ever_happened(hosts: dict[str, Watched], name: str) -> None:
    assert _empty(hosts["calm"].panels(name, ".*")) == []


def _empty(found: Iterable[Panel]) -> list[str]:
    """The panels in which there is nothing to see, by their titles."""
    return [panel.title for panel in found if all(answer.empty for answer in panel.answers)]


def test_every_mark_on_a_dashboard_has_an_answer(watched: Watched) -> None:
    for mark in dashboard("domain")["annotations"]["list"]:
        span = watched.span
        expr = filled(mark["target"]["expr"], domain=".*", span=span)
        assert watched.prometheus.range(expr, span.from_s, span.to_s, span.step_s), mark["name"]


def test_every_variable_finds_what_there_is(watched: Watched) -> None:
    series = watched.prometheus.get("series", **{"match[]": "vcpu_autoscaler_domain_info"})
    assert {labels["domain"] for labels in series} == set(GUESTS)
    assert {labels["instance"] for labels in series} == {"127.0.0.1"}
    assert {labels["job"] for labels in series} == {"vcpu-autoscaler"}
    assert watched.prometheus.get("series", **{"match[]": "vcpu_autoscaler_build_info"})


def test_prometheus_keeps_the_decision_behind_a_change(watched: Watched) -> None:
    span = watched.span
    found = watched.prometheus.get(
        "query_exemplars",
        query="vcpu_autoscaler_scaling_operations_total",
        start=span.from_s - 60,
        end=span.to_s + 60,
    )
    exemplars = [exemplar for series in found for exemplar in series["exemplars"]]
    assert exemplars
    assert all(int(exemplar["labels"]["decision_id"]) > 0 for exemplar in exemplars)


def test_promtool_finds_nothing_to_say_of_what_the_service_serves(watched: Watched) -> None:
    found = promtool("check", "metrics", stdin=watched.metrics)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_shipped_rules_are_evaluated_without_an_error(watched: Watched) -> None:
    rules = [rule for group in watched.prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    assert [rule for rule in rules if rule.get("lastError") or rule["health"] != "ok"] == []


FIGURES = [
    ("domain", BREAKING, "State", "breaks its promise", "red"),
    ("domain", BREAKING, "Promise kept so far", "0 %", "red"),
    ("domain", BREAKING, "Budget left", None, "red"),
    (
        "domain",
        BREAKING,
        "What it is promised",
        "utilization below 80% in 99.95% of 1 d, in slices of 10 s",
        "",
    ),
    ("domain", BREAKING, "Utilisation", None, "yellow"),
    ("domain", BREAKING, "Why this size", "at its max (vcpus.max)", "orange"),
    ("domain", BREAKING, "Wants (proposed)", None, "orange"),
    ("domain", PAUSED, "Why this size", "paused by hand", "yellow"),
    ("domain", HEALTHY, "Why this size", "its load needs it (steady)", "green"),
    ("domain", HEALTHY, "Unread for", "it is read", "green"),
    ("domain", UNREAD, "Why this size", "no sample", "dark-orange"),
    ("domain", UNREAD, "Promise kept so far", None, GREY),
    ("domain", UNREAD, "Budget left", None, GREY),
    ("domain", UNREAD, "Unread for", None, "orange"),
    ("domain", PAUSED, "State", "autoscaler paused by hand", "yellow"),
    ("domain", PAUSED, "Promise kept so far", "100 %", "green"),
    ("domain", PAUSED, "Budget left", "100 %", "green"),
    ("domain", PAUSED, "Utilisation", None, "blue"),
    ("domain", HEALTHY, "State", "ok", "green"),
    ("fleet", BREAKING, "Least budget left", None, "red"),
    ("fleet", BREAKING, "In trouble", "1", "red"),
    ("fleet", UNREAD, "In trouble", "1", "orange"),
    ("fleet", BREAKING, "Break their promise", "1", "red"),
    ("fleet", BREAKING, "Kept from growing", "1", "orange"),
    ("fleet", HEALTHY, "Kept from growing", "0", "green"),
    ("fleet", HEALTHY, "Behind their promise", "0", "green"),
    ("host", ".*", "Guests without a sample", "1", "red"),
    ("autoscaler", ".*", "Guests without a sample", "1", "red"),
    ("fleet", PAUSED, "Least budget left", "100 %", "green"),
    ("fleet", PAUSED, "In trouble", "0", "green"),
]
"""On which dashboard, of whom, which figure, what it says (None: that depends), and its colour."""


@pytest.mark.parametrize(("name", "domain", "title", "text", "color"), FIGURES)
def test_a_figure_says_how_a_guest_is(
    watched: Watched, name: str, domain: str, title: str, text: str | None, color: str
) -> None:
    (panel,) = (panel for panel in watched.panels(name, domain) if panel.title == title)
    found, its_color = figure(panel)
    assert (text or found, color_of(color)) == (found, its_color)


def test_a_full_host_says_that_it_is_full_and_whom_that_keeps_from_growing(hosts: dict[str, Watched]) -> None:
    (capacity,) = (
        panel for panel in hosts["full"].panels("host", ".*") if panel.title == "Committed of capacity"
    )
    assert figure(capacity) == ("100 %", color_of("red"))
    (growth,) = (panel for panel in hosts["full"].panels("host", ".*") if panel.title == "Can guests grow?")
    assert figure(growth) == ("no, host is full", color_of("red"))
    (why,) = (panel for panel in hosts["full"].panels("domain", SHORT) if panel.title == "Why this size")
    assert figure(why) == ("host is full", color_of("red"))
    (kept,) = (panel for panel in hosts["full"].panels("fleet", ".*") if panel.title == "Kept from growing")
    assert figure(kept) == ("1", color_of("orange"))


def test_a_row_of_all_guests_has_what_each_is_promised(watched: Watched) -> None:
    (table,) = (panel for panel in watched.panels("fleet", ".*") if panel.plain["type"] == "table")
    there = next(answer for answer in table.answers if answer.letter == "A")
    promises = {series.labels["domain"]: series.labels["promise"] for series in there.series}
    assert set(promises) == set(GUESTS)
    assert promises[HEALTHY] == "utilization below 80% in 99% of 1 d, in slices of 10 s"


STATES = {
    BREAKING: (("breaks its promise", "red"), None),
    UNREAD: (("no-sample: load unread", "orange"), ("agent silent: asked now and then", "orange")),
    PAUSED: (("autoscaler paused by hand", "yellow"), None),
    HEALTHY: (("ok", "green"), None),
}
"""What a row says of each guest, the worst first, and in which colour."""


def test_a_row_of_all_guests_names_what_is_wrong_with_each(watched: Watched) -> None:
    (table,) = (panel for panel in watched.panels("fleet", ".*") if panel.plain["type"] == "table")
    found = {domain: tuple(_cell(table, column, domain) for column in ("State", "Also")) for domain in STATES}
    assert found == {
        domain: tuple(cell and (cell[0], color_of(cell[1])) for cell in cells)
        for domain, cells in STATES.items()
    }


def _cell(table: Panel, column: str, domain: str) -> tuple[str, str] | None:
    """What a cell says and in which colour; None: it is empty."""
    names = table.plain["transformations"][-1]["options"]["renameByName"]
    (letter,) = (key[-1] for key, name in names.items() if name == column)
    (answer,) = (answer for answer in table.answers if answer.letter == letter)
    values = [series.points[-1][1] for series in answer.series if series.labels["domain"] == domain]
    return worded(overrides(table, column)["mappings"], values[0]) if values else None


def test_a_row_of_all_guests_says_what_keeps_a_guest_from_more(hosts: dict[str, Watched]) -> None:
    (table,) = (panel for panel in hosts["full"].panels("fleet", ".*") if panel.plain["type"] == "table")
    rows = [series.labels for answer in table.answers for series in answer.series]
    assert {row["domain"]: row["reason"] for row in rows if "reason" in row} == {SHORT: "host-full"}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sheet_name", SHEETS)
def test_a_person_can_look_at_the_dashboards(
    hosts: dict[str, Watched], tmp_path: Path, sheet_name: str, theme: str
) -> None:
    folder = Path(os.environ.get("DASHBOARD_SHEETS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sheet_name}-{theme}.png"
    host, name, domain = SHEETS[sheet_name]
    seen = hosts[host]
    draw(sheet(seen.prometheus, name, domain=domain, span=seen.span), file, theme=theme)
    assert file.stat().st_size > 10_000
