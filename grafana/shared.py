"""Panels that stand in more than one dashboard, the same in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition
from grafana.panels import figure, lines
from grafana.parts import ZERO_IS_GOOD, Ask
from grafana.queries import (
    CHANGES,
    domains_with,
    each_even_the_first,
    of_domains,
    of_service,
    or_zero,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat, timeseries
    from grafana_foundation_sdk.builders.dashboard import DashboardLink

    from grafana.queries import Selected


def changes_begun(see: DashboardLink, of: Selected = of_domains) -> timeseries.Panel:
    """What was changed of the chosen domains, and what of it went wrong."""
    begun, failed = of("scaling_operations_total", ""), of("scaling_failures_total", "")
    return lines(
        "Changes",
        "Changes begun, by direction: up brings vCPUs online, down takes them offline, unplug gives them "
        "back to the host. In red those that did not end well; `autoscaler events` says how each ended.",
        [
            Ask(f"sum by (direction) ({each_even_the_first(begun)})", "{{direction}}"),
            Ask(or_zero(f"sum({each_even_the_first(failed)})"), "went wrong"),
        ],
        see=see,
        width=8,
        counts=True,
        colors=CHANGES,
    )


def unread(see: DashboardLink, *, width: int) -> stat.Panel:
    """How many guests cannot be read."""
    return figure(
        "Guests without a sample",
        "Guests whose load cannot be read: each stays as it is, and does not grow. The fleet's table says "
        "which. On its host `autoscaler doctor DOMAIN` says why; mostly `systemctl restart "
        "qemu-guest-agent` in the guest mends it.",
        domains_with(Condition.NO_SAMPLE),
        see=see,
        width=width,
        steps=ZERO_IS_GOOD,
    )


def unseen(see: DashboardLink, *, width: int) -> stat.Panel:
    """How many configured domains no connection finds."""
    return figure(
        "Guests not reached",
        "Domains that are configured and whose QEMU does not answer, so that nothing is known of them: "
        "`autoscaler status` says why. One that is reached and whose load cannot be read is without a "
        "sample.",
        f"sum({of_service('host_unseen_domains')})",
        see=see,
        width=width,
        steps=ZERO_IS_GOOD,
    )
