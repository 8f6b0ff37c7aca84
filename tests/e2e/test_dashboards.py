"""The dashboards over the real service: a real Prometheus scrapes it, and every panel's queries are asked.

The guests are scripted ones behind real sockets: two whose load comes and goes, one that is paused, one whose
agent hangs after a while, and one that wants more vCPUs than it may have: so few of its slices may be bad
that three of ten seconds break its promise. With DASHBOARD_SHEETS=FOLDER in the environment the sheets are
left in that folder, to be looked at.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.attacks import ATTACKS
from tests.fakes.contact_sheet import THEMES, draw
from tests.fakes.dashboard_answers import NAMES, Panel, Span, answered, dashboard, filled, sheet
from tests.fakes.panel_text import color_of, figure, overrides, worded
from tests.fakes.promtool import promtool
from tests.fakes.running_prometheus import RunningPrometheus, running_prometheus
from tests.fakes.running_service import running_service
from tests.fakes.scripted_folder import FolderGuest

WATCHED_S = 45.0
STEP_S = 1.0
GUESTS = ("batch-1", "db-1", "shop-1", "web-1", "web-2")
HEALTHY, BREAKING, PAUSED, UNREAD = "web-1", "shop-1", "batch-1", "db-1"
SHEETS = {
    **{name: (name, ".*") for name in NAMES},
    "domain": ("domain", HEALTHY),
    "domain-breaking": ("domain", BREAKING),
    "domain-paused": ("domain", PAUSED),
}
"""By the name of their file: a dashboard, and whose."""
POLICY = """\
version: 1
policies:
  - name: shop
    match: {name: ["shop-*"]}
    vcpus: {min: 1, max: 2}
    sla: {indicator: {utilization_below: 80%}, slice: 10s, objective: 99.95%, window: 1d}
    strategy: {target: {utilization: 70%, tolerance: 10%, hold: 3s}}
    limits: {up: {cooldown: 0s}}
  - name: web
    match: {name: ["*"]}
    vcpus: {min: 1, max: 3}
    sla: {indicator: {utilization_below: 80%}, slice: 10s, objective: 99%, window: 1d}
    strategy: {target: {utilization: 70%, tolerance: 10%, hold: 3s}}
    limits: {up: {cooldown: 0s}, down: {step: 1, cooldown: 1s}}
    missing: {stale_after: 10s}
"""


@dataclass(frozen=True)
class Watched:
    """What was scraped, and when."""

    prometheus: RunningPrometheus
    span: Span
    metrics: str
    """What the service served in the end."""

    def panels(self, name: str, domain: str) -> list[Panel]:
        return list(answered(self.prometheus, name, domain=domain, span=self.span))


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A service that was scraped while its guests changed."""
    folder = Path(tempfile.mkdtemp(prefix="vcpu-boards-"))
    try:
        with ExitStack() as running:
            (folder / "g").mkdir()
            guests = {
                name: running.enter_context(FolderGuest(folder / "g", name, slow_s=1.0)) for name in GUESTS
            }
            guests[BREAKING].guest.load_vcpus = 2.6
            service = running.enter_context(
                running_service(folder, f"qmp: {folder}/g", policy=POLICY, more="agent: {timeout: 500ms}\n")
            )
            service.wait_for_tick()
            target = service.server.removeprefix("http://")
            prometheus = running.enter_context(running_prometheus(folder, target))
            from_s = time.time()
            service.ask("pause", PAUSED, "--config.file", str(service.config))
            _live(guests)
            span = Span(from_s=from_s, to_s=time.time(), step_s=STEP_S)
            yield Watched(prometheus, span, service.get("/metrics"))
    finally:
        shutil.rmtree(folder)


def _live(guests: dict[str, FolderGuest]) -> None:
    """Let loads come and go, and an agent hang, for as long as is watched."""
    loads = {2: ("web-1", 1.4), 6: ("web-2", 2.6), 20: ("web-1", 0.3), 28: ("web-2", 0.5), 34: ("web-1", 1.5)}
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
    empty = [
        panel.title
        for panel in watched.panels(name, HEALTHY)
        if all(answer.empty for answer in panel.answers)
    ]
    assert empty == []


def test_every_mark_on_a_dashboard_has_an_answer(watched: Watched) -> None:
    for mark in dashboard("domain")["annotations"]["list"]:
        span = watched.span
        expr = filled(mark["expr"], domain=".*", span=span)
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
    ("domain", BREAKING, "Window's budget left", None, "yellow"),
    ("domain", BREAKING, "Utilisation", None, "yellow"),
    ("domain", PAUSED, "State", "paused", "yellow"),
    ("domain", PAUSED, "Promise kept so far", "100 %", "green"),
    ("domain", PAUSED, "Window's budget left", "100 %", "green"),
    ("domain", PAUSED, "Utilisation", None, "blue"),
    ("domain", HEALTHY, "State", "ok", "green"),
    ("fleet", BREAKING, "Least budget left", None, "yellow"),
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


STATES = {
    BREAKING: (("breaks its promise", "red"), None),
    UNREAD: (("no-sample", "orange"), ("agent-left-alone", "orange")),
    PAUSED: (("paused", "yellow"), None),
    "web-1": (("ok", "green"), None),
    "web-2": (("ok", "green"), None),
}
"""What a row says of each guest, the worst first, and in which colour."""


def test_a_row_of_all_guests_names_what_is_wrong_with_each(watched: Watched) -> None:
    (table,) = (panel for panel in watched.panels("fleet", ".*") if panel.plain["type"] == "table")
    found = {domain: tuple(_cell(table, column, domain) for column in ("State", "Also")) for domain in GUESTS}
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


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sheet_name", SHEETS)
def test_a_person_can_look_at_the_dashboards(
    watched: Watched, tmp_path: Path, sheet_name: str, theme: str
) -> None:
    folder = Path(os.environ.get("DASHBOARD_SHEETS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sheet_name}-{theme}.png"
    name, domain = SHEETS[sheet_name]
    draw(sheet(watched.prometheus, name, domain=domain, span=watched.span), file, theme=theme)
    assert file.stat().st_size > 10_000
