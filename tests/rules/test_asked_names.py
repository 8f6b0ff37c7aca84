"""What the shipped rules, the dashboards and the manuals ask for is what the service serves, by its names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.full_metrics import FULL, metrics_of
from tests.rules.asked import RULES

ROOT = Path(__file__).parents[2]
MANUALS = (RULES.parent / "README.md", ROOT / "grafana" / "README.md")
DASHBOARDS = tuple(sorted((ROOT / "grafana" / "dashboards").glob("*.json")))
SCRAPED = frozenset({"job", "instance", "le"})
"""Labels that are of Prometheus, or of one of a histogram's series only."""
OPEN = frozenset({"domain", "host", "uuid", "policy", "promise", "version", "error", "command"})
"""Labels whose values are not from a set that is closed."""


def served() -> dict[str, dict[str, set[str]]]:
    """The values of each label of each series that the service can have; a histogram's name is one, too."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(metrics_of(FULL)):
        for sample in family.samples:
            for name in (sample.name, family.name) if family.type == "histogram" else (sample.name,):
                labels = found.setdefault(name, {})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return found


def texts(plain: object) -> Iterator[str]:
    """Every text in what a file holds."""
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict | list):
        for value in plain.values() if isinstance(plain, dict) else plain:
            yield from texts(value)


def unknown(text: str) -> set[str]:
    """What a text asks for that is never served: series, their labels and values of these."""
    known, found = served(), set()
    for name, matchers in re.findall(r"(?<![:\w])(vcpu_autoscaler_\w+)(?:\{(.*?)\})?", text):
        if name not in known:
            found.add(name)
            continue
        for label, operator, told in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
            values = re.split(r"\\?\|", told) if operator.endswith("~") else [told]
            if label in SCRAPED | OPEN:
                continue
            if label not in known[name]:
                found.add(f"{name}{{{label}}}")
            else:
                found |= {f"{name}{{{label}={value}}}" for value in values if value not in known[name][label]}
    return found


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_a_dashboard_asks_for_nothing_that_is_never_served(file: Path) -> None:
    asked = "\n".join(texts(json.loads(file.read_text())))
    assert "vcpu_autoscaler_" in asked
    assert unknown(asked) == set()


def test_the_shipped_rules_ask_for_nothing_that_is_never_served() -> None:
    asked = "\n".join(texts(yaml.safe_load(RULES.read_text())))
    assert "vcpu_autoscaler_domain_condition{" in asked
    assert unknown(asked) == set()


@pytest.mark.parametrize("file", MANUALS, ids=lambda file: file.parent.name)
def test_a_manual_names_nothing_that_is_never_served(file: Path) -> None:
    assert unknown(file.read_text()) == set()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("vcpu_autoscaler_domain_cpus", {"vcpu_autoscaler_domain_cpus"}),
        (
            'vcpu_autoscaler_domain_condition{job="v", condition=~"stuck|lost"}',
            {"vcpu_autoscaler_domain_condition{condition=lost}"},
        ),
        (
            'vcpu_autoscaler_decisions_total{reason!="no-room"} > 0',
            {"vcpu_autoscaler_decisions_total{reason=no-room}"},
        ),
        ('vcpu_autoscaler_domain_vcpus{kind="online"}', {"vcpu_autoscaler_domain_vcpus{kind}"}),
    ],
)
def test_a_name_that_is_never_served_is_found(asked: str, told: set[str]) -> None:
    assert unknown(asked) == told
