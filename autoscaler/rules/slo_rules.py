"""Alerts on the promises: each policy's domains by that policy's own objective, window and slice.

A domain that has all the vCPUs it may have is told of by other alerts than one that could get more, for what
is to be done about it is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.burning import FAST, SLOW, Pair, pairs_of
from autoscaler.core.policy import Mode, Policy, Sla
from autoscaler.rules.burning import burning, recordings
from autoscaler.rules.rule import (
    ONE_DOMAIN,
    PREFIX,
    WITH_HOST,
    Alert,
    Group,
    Recording,
    Severity,
    command,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT_MAX = f"domain:{PREFIX}_at_max:bool"
_AT_MAX_EXPR = (
    f'{PREFIX}_domain_vcpus{{state="online"}} >= bool ignoring (state) {PREFIX}_domain_vcpus{{state="max"}}'
)
_MOSTLY_AT_MAX = f"(avg_over_time({_AT_MAX}[15m]) > 0.5)"
_FOR_S = 120.0
_KEPT = '{{ printf "1 - %v" $value | query | first | value | humanizePercentage }}'
"""The good share of the slices of the long window, of whose bad share the value is."""
_OBJECTIVE = (
    f'{{{{ printf "{PREFIX}_slo_objective_ratio{{job=%q,instance=%q,domain=%q}}" '
    "$labels.job $labels.instance $labels.domain | query | first | value | humanizePercentage }}"
)
"""What is promised of a domain, where no policy is known."""


def slo_groups(policies: Sequence[Policy] | None) -> tuple[Group, ...]:
    """The recordings, then the alerts of each policy that governs anything.

    `policies`: None: no policy is known; then one set of alerts goes by what each domain's objective says,
    with windows for slices as long as they are unless a policy says otherwise.
    """
    if policies is None:
        fast, slow = pairs_of(Sla(), FAST), pairs_of(Sla(), SLOW)
        pairs = (*fast, *slow)
        alerts = _alerts(fast, slow, allowed_ratio=None, policy="", who="", recommends=False)
        return (_recording_group(pairs), Group(f"{_dashed()}-slo", alerts))
    governing = [policy for policy in policies if policy.mode is not Mode.OFF]
    used = [pair for policy in governing for pair in pairs_of(policy.sla, (*FAST, *SLOW))]
    groups = tuple(Group(f"{_dashed()}-slo-{policy.name}", _alerts_of(policy)) for policy in governing)
    return (_recording_group(used), *groups)


def _dashed() -> str:
    return PREFIX.replace("_", "-")


def _recording_group(pairs: Sequence[Pair]) -> Group:
    at_max = Recording(record=_AT_MAX, expr=_AT_MAX_EXPR)
    return Group(f"{_dashed()}-slo-recordings", (at_max, *recordings(pairs)))


def _alerts_of(policy: Policy) -> tuple[Alert, ...]:
    sla: Sla = policy.sla
    return _alerts(
        pairs_of(sla, FAST),
        pairs_of(sla, SLOW),
        allowed_ratio=1 - sla.objective_ratio,
        policy=policy.name,
        who=f"{{policy={quoted(policy.name)}}}",
        recommends=policy.mode is Mode.RECOMMEND,
    )


def _alerts(
    fast: Sequence[Pair],
    slow: Sequence[Pair],
    *,
    allowed_ratio: float | None,
    policy: str,
    who: str,
    recommends: bool,
) -> tuple[Alert, ...]:
    urgent = Severity.WARNING if recommends else Severity.CRITICAL
    found: list[Alert] = []
    promised = _OBJECTIVE if allowed_ratio is None else f"{100 * (1 - allowed_ratio):.4g}%"
    keeps = f"It keeps {_KEPT} of slices where {promised} are promised"
    for speed, pairs, severity in (("Fast", fast, urgent), ("Slow", slow, Severity.WARNING)):
        if not pairs:
            continue
        burns = f"(\n{burning(pairs, allowed_ratio)}\n)\n{WITH_HOST}{who}"
        found += [
            Alert(
                name=f"VcpuAutoscalerAtMaxWhileSlaBurns{speed}",
                expr=f"{burns}\nand {ONE_DOMAIN}\n{_MOSTLY_AT_MAX}",
                for_s=_FOR_S,
                severity=severity,
                policy=policy,
                summary=f"{{{{ $labels.domain }}}} is at its maximum and its SLA burns {speed.lower()}",
                description=(
                    f"{keeps}, and runs as many vCPUs as its policy, schedule and domain allow: only a "
                    f"higher maximum, or less load, helps; {command('explain')} says which maximum binds."
                ),
            ),
            Alert(
                name=f"VcpuAutoscalerSlaBurns{speed}",
                expr=f"{burns}\nunless {ONE_DOMAIN}\n{_MOSTLY_AT_MAX}",
                for_s=_FOR_S,
                severity=severity,
                policy=policy,
                summary=f"the SLA of {{{{ $labels.domain }}}} burns {speed.lower()}, below its maximum",
                description=(
                    f"{keeps}, though it may have more vCPUs: {command('explain')} says what binds."
                ),
            ),
        ]
    return tuple(found)
