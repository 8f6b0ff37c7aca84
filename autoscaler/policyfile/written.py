"""Writes adaptive policies as a file that reads back as the same: for what proposes policies.

Invariant: every name stands for itself alone, as a shell pattern and in YAML.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autoscaler.core.policy import AdaptiveStrategy, Indicator
from autoscaler.core.printable import printable
from autoscaler.policyfile.values import MOST_TEXT, write_duration, write_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from autoscaler.core.policy import Policy, Prices, Sla

_NOT_ITSELF = {"*": "[*]", "?": "[?]", "[": "[[]"}
"""What means something in a shell pattern, and how it is meant as it stands."""


def pattern_of(name: str) -> str | None:
    """The shell pattern that fits this name and no other; None: no policy can name it."""
    pattern = "".join(_NOT_ITSELF.get(letter, letter) for letter in name)
    return pattern if pattern and pattern.isprintable() and len(pattern) <= MOST_TEXT else None


def written(policies: Iterable[Policy], comments: Sequence[str]) -> str:
    """A policy file of policies that match by name and have the adaptive strategy.

    Written are mode, bounds, service level and prices; what else they have is taken to be at its default.
    """
    lines = [f"# {printable(comment)}".rstrip() for comment in comments]
    lines += ["version: 1", "policies:"]
    for policy in policies:
        lines += _policy(policy)
    return "\n".join(lines) + "\n"


def _policy(policy: Policy) -> Iterator[str]:
    assert isinstance(policy.strategy, AdaptiveStrategy)
    yield f"  - name: {policy.name}"
    names = ", ".join(json.dumps(name, ensure_ascii=False) for name in policy.match.name)
    yield f"    match: {{name: [{names}]}}"
    yield f"    mode: {policy.mode}"
    highest = "" if policy.max_vcpus is None else f", max: {policy.max_vcpus}"
    yield f"    vcpus: {{min: {policy.min_vcpus}{highest}}}"
    yield f"    sla: {{{_sla(policy.sla)}}}"
    yield f"    strategy: {{adaptive: {{prices: {{{_prices(policy.strategy.prices)}}}}}}}"


def _sla(sla: Sla) -> str:
    limit = f"{sla.below:g}" if sla.indicator is Indicator.RUN_QUEUE else write_ratio(sla.below)
    return (
        f"indicator: {{{sla.indicator}: {limit}}}, slice: {write_duration(sla.slice_s)}, "
        f"objective: {write_ratio(sla.objective_ratio)}, window: {write_duration(sla.window_s)}"
    )


def _prices(prices: Prices) -> str:
    return f"vcpu_minute: {prices.vcpu_minute:g}, add: {prices.add:g}, remove: {prices.remove:g}"
