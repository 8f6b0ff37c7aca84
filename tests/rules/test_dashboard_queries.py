"""What the dashboards' queries say of stories that the service of their other test does not live through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.core.condition import Condition
from grafana.states import STATES
from tests.fakes.dashboard_answers import Span, dashboard, filled, panels
from tests.fakes.promtool import promtool

SERVICE = 'job="vcpu-autoscaler",instance="127.0.0.1"'
HOST = f'{SERVICE},host="qemu:///system"'
WEB = f'{SERVICE},domain="web-1"'


def values(
    tmp_path: Path,
    expr: str,
    series: Mapping[str, str],
    at: Mapping[str, float],
    *,
    labels: str | None = None,
) -> str:
    """What promtool finds wrong with the one value that a query is to have at each time; empty: nothing."""
    if labels is None:
        labels = HOST if "host_" in expr else 'domain="web-1"'
    label = f"{{{labels}}}"
    told = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": points} for name, points in series.items()],
                "promql_expr_test": [
                    {
                        "expr": filled(expr, domain=".*", span=Span(from_s=0, to_s=600, step_s=60)),
                        "eval_time": time,
                        "exp_samples": [{"labels": label, "value": value}],
                    }
                    for time, value in at.items()
                ],
            }
        ],
    }
    file = tmp_path / "story.yaml"
    file.write_text(yaml.safe_dump(told))
    found = promtool("test", "rules", str(file))
    return "" if found.returncode == 0 else found.stdout + found.stderr


def panel(name: str, title: str) -> dict[str, Any]:
    (found,) = (panel for panel in panels(name) if panel["title"] == title)
    return found


@pytest.mark.parametrize(
    ("title", "metric"),
    [("Host tasks that wait for a CPU", "host_pressure_ratio"), ("Steal over time", "host_steal_ratio")],
)
def test_what_a_host_withholds_is_red_as_long_as_growth_is_stopped_there(
    title: str, metric: str, tmp_path: Path
) -> None:
    story = {
        f"vcpu_autoscaler_{metric}{{{HOST}}}": "0.86x20",
        f"vcpu_autoscaler_host_growth_stopped{{{HOST}}}": "0x5 1x5 0x5",
    }
    own, red = panel("host", title)["targets"]
    assert red["legendFormat"] == f"{own['legendFormat']} growth stopped"
    assert values(tmp_path, red["expr"], story, {"3m": 0, "8m": 0.86, "14m": 0}) == ""


def test_the_state_of_a_domain_is_the_worst_of_what_is_wrong_with_it(tmp_path: Path) -> None:
    ranks = {text: float(rank) for rank, (text, _) in STATES.items()}
    story = {
        f'vcpu_autoscaler_domain_info{{{WEB},host="a"}}': "1x20",
        f'vcpu_autoscaler_domain_condition{{{WEB},condition="{Condition.PAUSED}"}}': "_x2 1x20",
        f'vcpu_autoscaler_domain_condition{{{WEB},condition="{Condition.STUCK}"}}': "_x5 1x20",
        f'vcpu_autoscaler_domain_condition{{{WEB},condition="{Condition.BREAKING}"}}': "_x8 1x20",
    }
    (target,) = panel("domain", "State")["targets"]
    at = {"1m": "ok", "4m": "autoscaler paused by hand", "7m": "change stuck", "10m": "breaks its promise"}
    assert values(tmp_path, target["expr"], story, {time: ranks[text] for time, text in at.items()}) == ""


SEEN = f"vcpu_autoscaler_snapshot_timestamp_seconds{{{SERVICE}}}"
FAILED = f'vcpu_autoscaler_scaling_failures_total{{{WEB},direction="up",outcome="stuck"}}'
BEGUN = f'vcpu_autoscaler_scaling_operations_total{{{WEB},direction="up"}}'
COUNTS = {
    "the first one": ({SEEN: "1x20"}, "_x8 1x12", {"7m": 0, "8m": 1, "9m": 0}),
    "a later one": ({SEEN: "1x20"}, "3x7 4x12", {"7m": 0, "8m": 1, "9m": 0}),
    "a Prometheus that was just started": ({SEEN: "_x8 1x12"}, "_x8 57x12", {"8m": 0, "9m": 0}),
    "a scrape that failed": (
        {SEEN: "1x6 stale 1x12"},
        "57x6 stale 57x12",
        {"6m": 0, "8m": 0, "9m": 0},
    ),
    "a service that was restarted": ({SEEN: "1x20"}, "57x7 1x12", {"8m": 0, "9m": 0}),
}


@pytest.mark.parametrize("about", COUNTS)
def test_a_change_that_went_wrong_is_counted_once_even_the_first(about: str, tmp_path: Path) -> None:
    seen, counts, at = COUNTS[about]
    _, failed = panel("domain", "Changes")["targets"]
    assert values(tmp_path, failed["expr"], seen | {FAILED: counts}, at, labels="") == ""


@pytest.mark.parametrize("name", ["domain", "host"])
@pytest.mark.parametrize("about", COUNTS)
def test_a_change_is_counted_once_even_one_of_a_guest_that_was_not_scraped_before(
    about: str, name: str, tmp_path: Path
) -> None:
    seen, counts, at = COUNTS[about]
    begun, _ = panel(name, "Changes")["targets"]
    counted = f"sum({begun['expr']}) or vector(0)"
    assert values(tmp_path, counted, seen | {BEGUN: counts}, at, labels="") == ""


@pytest.mark.parametrize(
    "counts", [pytest.param("_x8 1x12", id="the first"), pytest.param("3x7 4x12", id="a later one")]
)
def test_a_change_is_marked_once(counts: str, tmp_path: Path) -> None:
    (mark,) = (one for one in dashboard("domain")["annotations"]["list"] if one["name"] == "Changes begun")
    marks = f"count({mark['target']['expr']}) or vector(0)"
    story = {SEEN: "1x20", BEGUN: counts}
    assert values(tmp_path, marks, story, {"7m": 0, "8m": 1, "9m": 0}, labels="") == ""


def test_the_limit_that_is_drawn_is_that_of_the_policy_of_the_domain(tmp_path: Path) -> None:
    story = {
        f'vcpu_autoscaler_domain_info{{{WEB},policy="web"}}': "1x20",
        f'vcpu_autoscaler_policy_limit_ratio{{{SERVICE},policy="web",indicator="utilization"}}': "0.8x20",
        f'vcpu_autoscaler_policy_limit_ratio{{{SERVICE},policy="db",indicator="utilization"}}': "0.5x20",
        f'vcpu_autoscaler_policy_limit_ratio{{{SERVICE},policy="slow",indicator="pressure"}}': "0.1x20",
    }
    (target,) = (
        target
        for target in panel("domain", "Utilisation and steal")["targets"]
        if target["legendFormat"] == "promised: below"
    )
    assert values(tmp_path, target["expr"], story, {"5m": 0.8}, labels=f'{WEB},policy="web"') == ""


KEPT = {
    "has kept what was promised": ("0.995x20", "0.5x20", "ok"),
    "has kept too little so far": ("0.75x20", "0.988x20", "behind its promise"),
    "has overspent its budget": ("0.98x20", "-0.24x20", "budget overspent"),
}


@pytest.mark.parametrize("about", KEPT)
def test_the_state_of_a_domain_without_a_condition_agrees_with_its_budget(about: str, tmp_path: Path) -> None:
    kept, left, text = KEPT[about]
    story = {
        f"vcpu_autoscaler_domain_info{{{WEB}}}": "1x20",
        f"vcpu_autoscaler_slo_objective_ratio{{{WEB}}}": "0.99x20",
        f"vcpu_autoscaler_slo_attained_ratio{{{WEB}}}": kept,
        f"vcpu_autoscaler_slo_error_budget_remaining_ratio{{{WEB}}}": left,
    }
    (rank,) = (rank for rank, (said, _) in STATES.items() if said == text)
    (target,) = panel("domain", "State")["targets"]
    assert values(tmp_path, target["expr"], story, {"5m": float(rank)}) == ""


def runs(domain: str, online: int, proposed: int) -> dict[str, str]:
    """How many vCPUs a guest runs and wants."""
    of = f'{SERVICE},domain="{domain}"'
    return {
        f'vcpu_autoscaler_domain_vcpus{{{of},state="online"}}': f"{online}x20",
        f'vcpu_autoscaler_domain_vcpus{{{of},state="proposed"}}': f"{proposed}x20",
    }


def decides(domain: str, reason: str, counts: str, action: str = "hold") -> dict[str, str]:
    """How often a guest was decided for a reason."""
    labels = f'{SERVICE},domain="{domain}",action="{action}",reason="{reason}"'
    return {f"vcpu_autoscaler_decisions_total{{{labels}}}": counts}


def test_guests_kept_from_growing_are_counted_and_not_their_decisions(tmp_path: Path) -> None:
    story = {
        **runs("web-1", 2, 3) | decides("web-1", "at-max", "0+12x20"),
        **runs("web-2", 2, 4) | decides("web-2", "at-max", "0+12x20"),
        **runs("web-3", 2, 2) | decides("web-3", "at-max", "0+12x20"),
        **runs("web-4", 2, 3) | decides("web-4", "demand-high", "0+12x20", "grow"),
    }
    all_of_them, by_reason = panel("fleet", "Guests kept from growing")["targets"]
    assert values(tmp_path, all_of_them["expr"], story, {"10m": 2}, labels="") == ""
    assert values(tmp_path, by_reason["expr"], story, {"10m": 2}, labels='reason="at-max"') == ""
    (now,) = panel("fleet", "Kept from growing")["targets"]
    assert values(tmp_path, now["expr"], story, {"10m": 2}, labels="") == ""


NEWEST = {
    "what most of its newest decisions had": (
        decides("web-1", "hold", "0+2x20") | decides("web-1", "steady", "0+10x20"),
        'action="hold",reason="steady"',
    ),
    "what came a moment ago, however long something else was so": (
        decides("web-1", "steady", "0+12x9 108x20") | decides("web-1", "host-full", "_x9 0+12x20"),
        'action="hold",reason="host-full"',
    ),
    "what most of the last minutes had, where no tick was between two scrapes": (
        decides("web-1", "at-max", "0x10 1x9"),
        'action="hold",reason="at-max"',
    ),
    "the pause, though its load needs what there is": (
        decides("web-1", "steady", "0+12x20")
        | {f'vcpu_autoscaler_domain_condition{{{WEB},condition="paused"}}': "1x20"},
        'condition="paused",reason="paused"',
    ),
}


@pytest.mark.parametrize("about", NEWEST)
def test_why_a_domain_has_its_size_is(about: str, tmp_path: Path) -> None:
    story, labels = NEWEST[about]
    (target,) = panel("domain", "Why this size")["targets"]
    there = f"({target['expr']}) > bool 0"
    assert values(tmp_path, there, story, {"12m": 1}, labels=f"{WEB},{labels}") == ""


def test_a_guest_is_unread_for_as_long_as_its_last_sample_is_old(tmp_path: Path) -> None:
    story = {
        f"vcpu_autoscaler_domain_info{{{WEB}}}": "1x20",
        f"vcpu_autoscaler_domain_last_sample_timestamp_seconds{{{WEB}}}": "0+60x5 300x20",
        f'vcpu_autoscaler_domain_condition{{{WEB},condition="no-sample"}}': "_x6 1x20",
    }
    (target,) = panel("domain", "Unread for")["targets"]
    assert values(tmp_path, target["expr"], story, {"3m": 0, "10m": 300}, labels="") == ""


def test_a_guest_without_a_sample_is_counted_where_all_are_seen(tmp_path: Path) -> None:
    story = {f'vcpu_autoscaler_domain_condition{{{WEB},condition="no-sample"}}': "_x5 1x20"}
    for name in ("host", "autoscaler"):
        (target,) = panel(name, "Guests without a sample")["targets"]
        assert values(tmp_path, target["expr"], story, {"3m": 0, "8m": 1}, labels="") == ""
