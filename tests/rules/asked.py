"""Asks promtool what an alert of a rule file says of a story."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.fakes.promtool import promtool
from tests.rules.rule_cases import Case

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = SHIPPED / "vcpu-autoscaler.rules.yaml"


def said(rules: Path, folder: Path, case: Case) -> list[str]:
    """What promtool has the alert say at the time; nothing: it does not fire."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    test = {
        "rule_files": [str(rules)],
        # In any other order, as promtool 3 takes them unasked, alerts see recordings of a step before.
        "group_eval_order": [group["name"] for group in groups],
        "evaluation_interval": case.step,
        "tests": [
            {
                "interval": case.step,
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": []}],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    found = promtool("test", "rules", str(file))
    if found.returncode == 0:
        return []
    text = found.stdout + found.stderr
    assert "got:" in text, text
    return re.findall(r"Labels:\{.*?\}\s+Annotations:\{.*?\}(?=\s|\])", text.partition("got:")[2], re.DOTALL)


def check(rules: Path, folder: Path, case: Case) -> None:
    alerts = said(rules, folder, case)
    assert len(alerts) == case.fires, alerts
    for alert in alerts:
        assert "<no value>" not in alert
        assert "error executing" not in alert
        assert "error calling" not in alert
        assert {
            key: value for key, value in re.findall(r'(\w+)="(.*?)"', alert) if key in case.labels
        } == dict(case.labels)
        assert f"section {case.alert} of " in alert
