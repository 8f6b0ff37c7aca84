"""What the dashboards' queries say of stories that the service of their other test does not live through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.core.condition import Condition
from grafana.queries import STATES
from tests.fakes.dashboard_answers import Span, filled, panels
from tests.fakes.promtool import promtool

SERVICE = 'job="vcpu-autoscaler",instance="127.0.0.1"'
HOST = f'{SERVICE},host="qemu:///system"'
WEB = f'{SERVICE},domain="web-1"'


def values(tmp_path: Path, expr: str, series: dict[str, str], at: dict[str, float]) -> str:
    """What promtool finds wrong with the one value that a query is to have at each time; empty: nothing."""
    label = "{" + (HOST if "host_" in expr else 'domain="web-1"') + "}"
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
    [("Pressure over time", "host_pressure_ratio"), ("Steal over time", "host_steal_ratio")],
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
    at = {"1m": "ok", "4m": "paused", "7m": "stuck", "10m": "breaks its promise"}
    assert values(tmp_path, target["expr"], story, {time: ranks[text] for time, text in at.items()}) == ""
