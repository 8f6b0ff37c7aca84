"""Panels that stand in more than one dashboard, the same in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.panels import lines
from grafana.parts import Ask
from grafana.queries import CHANGES, each, of_domains, or_zero

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import timeseries
    from grafana_foundation_sdk.builders.dashboard import DashboardLink

    from grafana.queries import Selected


def changes_begun(see: DashboardLink, of: Selected = of_domains) -> timeseries.Panel:
    """What was changed of the chosen domains, and what of it went wrong."""
    begun, failed = of("scaling_operations_total", ""), of("scaling_failures_total", "")
    return lines(
        "Changes",
        "Changes begun, by direction, and those that did not end well.",
        [
            Ask(f"sum by (direction) ({each(begun)})", "{{direction}}"),
            Ask(or_zero(f"sum({each(failed)})"), "went wrong"),
        ],
        see=see,
        width=8,
        counts=True,
        colors=CHANGES,
    )
