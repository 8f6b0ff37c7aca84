"""The rule file as text: groups to YAML, in the order in which people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from autoscaler.rules.rule import Recording, span
from autoscaler.rules.service_rules import service_groups
from autoscaler.rules.slo_rules import slo_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.core.policy import Policy
    from autoscaler.rules.rule import Group, Rule

_WIDTH = 110
_INSTALLED = "/usr/share/doc/vcpu-autoscaler/deploy/prometheus/README.md"
"""Where the package has the page with a section for each alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a site has otherwise."""

    job: str = "vcpu-autoscaler"
    """The name of the scrape job."""
    runbooks: str = ""
    """The URL of the page with a section for each alert; empty: the file is named that the package has."""


def document(policies: Sequence[Policy] | None, options: Options) -> str:
    """The whole rule file, with the alerts on what these policies promise; None: on what any may promise."""
    groups = (*service_groups(options.job), *slo_groups(policies))
    plain = {"groups": [_group(group, options) for group in groups]}
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)


def _group(group: Group, options: Options) -> dict[str, object]:
    return {"name": group.name, "rules": [_rule(rule, options) for rule in group.rules]}


def _rule(rule: Rule, options: Options) -> dict[str, object]:
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": span(rule.for_s),
        "labels": {"severity": str(rule.severity), **({"policy": rule.policy} if rule.policy else {})},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            **_runbook(rule.name, options.runbooks),
        },
    }


def _runbook(alert: str, page: str) -> dict[str, str]:
    """Whatever shows alerts makes a link of `runbook_url`, so a file is named under another name."""
    if page:
        return {"runbook_url": f"{page}#{alert.lower()}"}
    return {"runbook": f"section {alert} of {_INSTALLED}"}


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stay as they are written."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
