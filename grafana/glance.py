"""All guests in eight figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition
from grafana.frame import link
from grafana.panels import figure
from grafana.parts import (
    NONE_IS_GOOD,
    PERCENT,
    SOME_ARE_GOOD,
    SPENT_IS_BAD,
    SPENT_IS_BROKEN,
    ZERO_IS_GOOD,
    While,
)
from grafana.queries import (
    behind,
    burn_rate,
    domains_with,
    in_force,
    kept_back,
    of_domains,
    of_service,
    or_zero,
    troubles,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.frame import AnyPanel

_HOST = link("The hosts", "host")
_SERVICE = link("The autoscaler itself", "autoscaler")
_DOMAIN = link("One domain: why is it this size?", "domain")
_GOVERNED = ', governed="true"'
_ORDERED = f', condition=~"{Condition.PAUSED}|{Condition.ORDERED}"'
_SLICES = of_domains("slo_slices_total", ', outcome="good"')
_KNOWN = of_domains("slo_slices_total", ', outcome=~"good|bad"')
_BREAKING = in_force(Condition.BREAKING)


def glance() -> Sequence[AnyPanel]:
    """The panels of them."""
    return (
        figure(
            "Guests governed",
            "Running domains that a policy governs.",
            f"sum({of_service('domains', _GOVERNED)})",
            see=_SERVICE,
            width=3,
            steps=SOME_ARE_GOOD,
        ),
        figure(
            "Break their promise",
            "Guests whose users go without now: the promise is being broken. The table below has them first; "
            "a row leads to what keeps the guest from more vCPUs.",
            domains_with(Condition.BREAKING),
            see=_DOMAIN,
            width=3,
            steps=ZERO_IS_GOOD,
        ),
        figure(
            "In trouble",
            "Guests with something wrong that nobody ordered, those that break their promise included: an "
            "agent that is gone, a change that failed. The table below says what. Red while a promise is "
            "being broken.",
            or_zero(f"count({troubles('instance, domain')})"),
            see=_DOMAIN,
            width=3,
            steps=((None, "green"), (1, "orange")),
            otherwise=(While(_BREAKING, ZERO_IS_GOOD),),
        ),
        figure(
            "Kept from growing",
            "Guests that want more vCPUs than they run, and are kept from them: by a full or busy host, "
            "their max, a change that failed, an order. The table below says which, and by what.",
            or_zero(f"count({kept_back('instance, domain')})"),
            see=_HOST,
            width=3,
            steps=((None, "green"), (1, "orange")),
        ),
        figure(
            "Paused or ordered",
            "Guests for which an administrator paused the autoscaler, or ordered a count. The guests run on. "
            "`autoscaler status` on their host says by whom and until when.",
            or_zero(f"count(max without (condition) ({of_domains('domain_condition', _ORDERED)}))"),
            see=_DOMAIN,
            width=3,
            steps=NONE_IS_GOOD,
        ),
        figure(
            "Behind their promise",
            "Guests that kept less of what was measured of their SLO window than was promised. Those whose "
            "newest slices are good catch up as time goes on.",
            or_zero(f"count({behind()})"),
            see=_DOMAIN,
            width=3,
            steps=NONE_IS_GOOD,
            otherwise=(While(_BREAKING, ZERO_IS_GOOD),),
        ),
        figure(
            "Good slices",
            "Slices in which the indicator was below its limit, of all that were measured in the time "
            "shown: all guests together. Yellow while a guest is behind its promise, red while one breaks "
            "it.",
            f"sum(increase({_SLICES}[$__range])) / sum(increase({_KNOWN}[$__range]))",
            see=_DOMAIN,
            width=3,
            unit=PERCENT,
            steps=((None, "green"),),
            otherwise=(While(_BREAKING, ((None, "red"),)), While(behind(), ((None, "yellow"),))),
        ),
        figure(
            "Least budget left",
            "Error budget of the guest that has least left, of its whole SLO window. Below 0: overspent. "
            "Yellow, too, while any guest spends its own faster than it lasts.",
            f"min({of_domains('slo_error_budget_remaining_ratio')})",
            see=_DOMAIN,
            width=3,
            unit=PERCENT,
            steps=SPENT_IS_BAD,
            otherwise=(
                While(_BREAKING, SPENT_IS_BROKEN),
                While(f"max({burn_rate('instance, domain', '1h')}) > 1", ((None, "yellow"),)),
            ),
        ),
    )
