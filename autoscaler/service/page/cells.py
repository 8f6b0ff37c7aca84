"""What the page shows of a domain and of a host, as texts and attributes by the name of their place.

A key is the place's name in the row, with `@` and an attribute where not the text is meant. The first page is
made from these, and what changes is sent as the entries that differ; so both always say the same.

Invariant: every value is plain text, whatever a domain is called. The page escapes it, its script sets it as
text, and the attributes are this module's own words and numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING

from autoscaler.core.binding import sentence_of
from autoscaler.core.condition import LAST_SLICE_BAD, NO_TROUBLE, PASSING, Urgency
from autoscaler.core.percent import percent
from autoscaler.core.policy import Indicator
from autoscaler.core.printable import printable
from autoscaler.core.reason import HOST_SHORT
from autoscaler.core.spans import left_span, span
from autoscaler.service.metrics import vcpu_counts
from autoscaler.service.page.drawing import SPARK_HEIGHT, spark_line, spark_ticks
from autoscaler.service.page.recent import Judged

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision
    from autoscaler.core.operation import Operation
    from autoscaler.core.policy import Sla
    from autoscaler.core.slo import SloReport
    from autoscaler.service.page.recent import Recent
    from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot

Cells = dict[str, str]
BAR = 120
"""Width of a bar."""
_OUT_OF_SIGHT = -9.0
"""Where a mark goes of what is not known."""
_LONGEST_NAME = 200
_LOW_BUDGET_RATIO = 0.25
_MOST_TOLD = 600
"""Characters of what is wrong, in a row: the domain's own page has all of it."""


def sparks_of(domain: DomainSnapshot, recent: Recent) -> Cells:
    """The small pictures of a domain, which change when a step is over."""
    judged = recent.figures(domain.view.id, "judged")
    return {
        "used-line@d": spark_line(recent.figures(domain.view.id, "utilization")),
        "good@d": spark_ticks(judged, Judged.GOOD),
        "bad@d": spark_ticks(judged, Judged.BAD),
    }


def row_of(domain: DomainSnapshot, wall_s: float) -> Cells:
    """A domain's row, without its small pictures."""
    slo = domain.slo
    return {
        "name": named(domain.label),
        "policy": printable(domain.policy.name),
        "mode": str(domain.policy.mode if domain.decision is None else domain.decision.mode),
        "limit@y": _limit_y(domain.policy.sla),
        "used": "-" if domain.load is None else f"{domain.load.utilization_ratio:.0%}",
        "attained": "-" if slo.attained_ratio is None else percent(slo.attained_ratio),
        "attained@class": "low" if _broken(slo) else "",
        "seen": "" if slo.attained_ratio is None else f"of {span(slo.measured_s)} seen",
        **_budget(domain),
        **_vcpus(domain),
        **_state(domain),
        **_why(domain, wall_s),
    }


def host_of(host: HostSnapshot) -> Cells:
    """A host's row: its capacity bar, in words and as widths."""
    cells = {"name": named(host.label), "full@width": "0", "full@class": "", "state": "", "state@class": ""}
    shares = host.shares
    if host.trouble is not None:
        cells |= {"state": printable(host.trouble), "state@class": "trouble"}
    elif shares is not None and shares.pressed:
        cells |= {"state": f"no guest grows: {printable(shares.pressed)}", "state@class": "trouble"}
    elif not host.connected:
        cells["state"] = "connecting"
    if shares is None or not shares.capacity_vcpus or shares.cpus is None:
        return cells | {"text": "its capacity is not known yet"}
    given, total = shares.committed_vcpus, shares.capacity_vcpus
    cells["full@width"] = f"{1000 * min(given / total, 1):.0f}"
    cells["full@class"] = "full" if given >= total else ""
    cells["text"] = (
        f"{given} of {total} vCPUs given to domains ({given / total:.0%}), "
        f"{given / shares.cpus:.2f} a CPU of its {shares.cpus}"
    )
    return cells


def named(label: str) -> str:
    """A label fit to be shown: nothing in it steers text around it, and it has an end."""
    text = printable(label)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def as_of(wall_s: float) -> str:
    """A moment with the time zone that all times of the page are in."""
    return clock_time(wall_s, "%H:%M:%S %Z")


def clock_time(wall_s: float, form: str = "%H:%M:%S") -> str:
    """A moment in the service's own time zone."""
    return f"{datetime.fromtimestamp(wall_s, UTC).astimezone():{form}}"


@lru_cache(maxsize=4096)
def _clock_minute(minute: int) -> str:
    """The same of a minute since the epoch: a row has that of its last move, snapshot after snapshot."""
    return clock_time(60 * minute, "%H:%M")


def verdict_of(decision: Decision) -> str:
    """What is done, or, where the policy only recommends, would be."""
    if decision.in_the_dark:
        return "stay"
    if decision.next_vcpus == decision.online:
        if decision.unplug_to is not None:
            return f"give back {decision.plugged - decision.unplug_to}"
        return f"stay at {decision.online}"
    verb = str(decision.verdict) if decision.act else f"would {decision.verdict}"
    return f"{verb} {decision.online if decision.seen else '?'} → {decision.next_vcpus}"


def _vcpus(domain: DomainSnapshot) -> Cells:
    counts = vcpu_counts(domain)
    unit = BAR / max(counts["maximum"], counts["plugged"], 1)
    online = counts.get("online")
    target = counts.get("target", online)
    told = f"{counts['plugged']} plugged, target {_known(target)}, max {counts['max']}"
    return {
        "online": _known(online),
        "vcpus": told + ("" if counts["max"] == counts["maximum"] else f" of {counts['maximum']}"),
        "bar-allowed@width": f"{unit * counts['max']:.1f}",
        "bar-plugged@width": f"{unit * counts['plugged']:.1f}",
        "bar-online@width": f"{unit * (online or 0):.1f}",
        "bar-target@x": f"{_OUT_OF_SIGHT if target is None else max(unit * target - 1.5, 0):.1f}",
    }


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def _budget(domain: DomainSnapshot) -> Cells:
    """What is left of the error budget, in words and as a bar that is calm only where it lasts."""
    slo = domain.slo
    left_s, low = slo.budget_s * slo.budget_remaining_ratio, slo.budget_remaining_ratio < _LOW_BUDGET_RATIO
    of = f"of {span(slo.budget_s)} in {span(domain.policy.sla.window_s)}"
    told = f"{left_span(left_s)} of bad time left ({of})"
    if left_s < 0:
        told = f"no bad time left ({of}), {span(-left_s)} beyond it"
    elif slo.exhausted_in_s:
        told += f"; at this pace gone in {left_span(slo.exhausted_in_s)}"
    kind = "low" if low else "online" if slo.exhausted_in_s is None else "burning"
    return {
        "budget": percent(_bounded(slo.budget_remaining_ratio), 0),
        "budget@class": "low" if low else "",
        "allowed": told,
        "budget-bar@class": kind,
        "budget-bar@width": f"{floor(BAR / 2 * min(max(slo.budget_remaining_ratio, 0.0), 1.0))}",
    }


def _state(domain: DomainSnapshot) -> Cells:
    """Its conditions, their sentences, and how soon somebody has to look at them."""
    reason = domain.decision.reason if domain.decision else None
    almost = LAST_SLICE_BAD if domain.slo.last_slice_bad else reason if reason in HOST_SHORT else None
    if not domain.conditions and almost:
        return {"state": f"ok: {almost}", "state@class": "ordered", "told": ""}
    if not domain.conditions:
        return {"state": "ok", "state@class": "ok", "told": ""}
    told = "; ".join(printable(sentence) for sentence in domain.conditions.values())
    return {
        "state": " ".join(domain.conditions),
        "state@class": _kind(domain),
        "told": told if len(told) <= _MOST_TOLD else f"{told[: _MOST_TOLD - 1]}…",
    }


def _kind(domain: DomainSnapshot) -> str:
    """What its worst condition is; the page's colours for that are those of the boards."""
    match domain.urgency:
        case Urgency.BREAKING:
            return "breaking"
        case Urgency.TROUBLE:
            return "passing" if domain.conditions.keys() <= NO_TROUBLE | PASSING else "wrong"
        case Urgency.AT_RISK:
            return "risk"
    return "ordered"


def _why(domain: DomainSnapshot, wall_s: float) -> Cells:
    decision = domain.decision
    if decision is None:
        return {"verdict": "not decided yet", "why": "", "move": ""}
    return {
        "verdict": verdict_of(decision),
        "why": printable(sentence_of(decision)),
        "move": _last_move(domain, wall_s),
    }


def _last_move(domain: DomainSnapshot, wall_s: float) -> str:
    def begun(operation: Operation) -> str:
        at_wall_s = wall_s - (domain.view.at_s - operation.requested_s)
        return f"{operation.from_vcpus} → {operation.to_vcpus} at {_clock_minute(int(at_wall_s // 60))}"

    if domain.operation is not None:
        return f"moving {begun(domain.operation)}"
    if domain.last_operation is not None:
        return f"last move {begun(domain.last_operation)}: {domain.last_operation.outcome}"
    return ""


def _limit_y(sla: Sla) -> str:
    """Where the promise lies in the picture of utilisation; out of it where something else is promised."""
    if sla.indicator is not Indicator.UTILIZATION:
        return "-9"
    return f"{SPARK_HEIGHT * (1 - sla.below):.1f}"


def _broken(slo: SloReport) -> bool:
    """Whether fewer slices were good than is promised; the budget may still have room for that."""
    return slo.attained_ratio is not None and slo.attained_ratio < slo.objective_ratio


def _bounded(ratio: float) -> float:
    return max(ratio, -9.99)
