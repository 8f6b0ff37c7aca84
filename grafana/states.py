"""What is said of a domain's state and of the reasons of decisions, and in which colours.

One rule for every colour: red is what users go without now, or what nothing works without; orange is trouble;
yellow passes by itself, was ordered, or is worth knowing; green is well. So figures of one domain agree with
its state: a budget that is spent is red only while the promise is being broken.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from autoscaler.core.condition import PASSING, Condition, Urgency, urgency
from autoscaler.core.reason import Reason
from grafana.parts import GREY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MILDEST_FIRST: Sequence[Condition] = sorted(
    Condition, key=lambda one: (urgency((one,)), one in PASSING, list(Condition).index(one)), reverse=True
)
NO_TROUBLE = "|".join(sorted(one for one in Condition if urgency((one,)) > Urgency.TROUBLE))
"""A pattern of the conditions that nobody has to look at."""
_SAID = {
    Condition.BREAKING: "breaks its promise",
    Condition.AT_RISK: "promise at risk",
    Condition.NO_SAMPLE: "no-sample: load unread",
    Condition.AGENT_LEFT_ALONE: "agent silent: asked now and then",
    Condition.UNCONFIRMED: "unconfirmed: only measured",
    Condition.NO_HEADROOM: "no-headroom: maximum too low",
    Condition.STUCK: "change stuck",
    Condition.FAILED: "change failed",
    Condition.DENIED: "change denied",
    Condition.UNKNOWN: "change unknown: reply lost",
    Condition.HELD: "held by a job or freeze",
    Condition.BY_HAND: "vCPUs changed by hand",
    Condition.PAUSED: "autoscaler paused by hand",
    Condition.ORDERED: "count ordered by hand",
}
"""Where the name alone says too little to who is woken up; the others are said by their names."""
BEHIND, OVERSPENT = 1, 2
"""Ranks of a domain without a condition that has kept less than is promised, and whose budget is gone.

Neither says how it is now: its newest slices may be bad, and not yet enough of them for a risk.
"""
FIRST_CONDITION = 3


def _color(one: Condition) -> str:
    if urgency((one,)) is Urgency.BREAKING:
        return "red"
    return "orange" if urgency((one,)) is Urgency.TROUBLE and one not in PASSING else "yellow"


STATES: Mapping[str, tuple[str, str]] = {
    "0": ("ok", "green"),
    f"{BEHIND}": ("behind its promise", "yellow"),
    f"{OVERSPENT}": ("budget overspent", "yellow"),
} | {
    str(rank): (_SAID.get(one, str(one)), _color(one))
    for rank, one in enumerate(MILDEST_FIRST, start=FIRST_CONDITION)
}
"""What the figures of `queries.state` mean: the higher, the sooner somebody has to look."""

_FAMILIES = {
    "green": (Reason.STEADY, Reason.TOLERANCE, Reason.AT_MIN),
    "purple": (Reason.DEMAND_HIGH, Reason.DEMAND_LOW, Reason.IN_PROGRESS, Reason.IDLE),
    "blue": (
        *(Reason.HOLD, Reason.COOLDOWN, Reason.STEP, Reason.SATURATED),
        *(Reason.HOST_RATE, Reason.DAILY_LIMIT, Reason.UP_ONLY),
    ),
    "yellow": (
        *(Reason.PAUSED, Reason.ORDERED, Reason.BY_HAND, Reason.HELD),
        *(Reason.FROZEN, Reason.SCHEDULE, Reason.NOT_RUNNING),
    ),
    "orange": (
        *(Reason.AT_MAX, Reason.MISSING, Reason.DENIED, Reason.BACK_OFF),
        *(Reason.UNCONFIRMED, Reason.DOUBTED, Reason.RAISED, Reason.UNRECORDED),
    ),
    "red": (Reason.HOST_FULL, Reason.HOST_PRESSED, Reason.STOLEN, Reason.TAKEN_BACK),
}
"""Reasons by what they are: its load's, a move, a wait, an order, a bound or a failure, the host's."""
KEEPS_BACK: Sequence[Reason] = tuple(
    chain.from_iterable(_FAMILIES[family] for family in ("yellow", "orange", "red"))
)
"""What keeps a domain that wants more from it, and does not pass with the next ticks."""
_SHADES = ("", "dark-", "light-", "semi-dark-", "super-light-")
"""Neighbours are far apart, and the first can be read on white and on black."""
REASONS: Mapping[str, str] = {str(Reason.WARMING_UP): GREY} | dict(
    chain.from_iterable(
        ((str(reason), f"{_SHADES[number % len(_SHADES)]}{family}") for number, reason in enumerate(reasons))
        for family, reasons in _FAMILIES.items()
    )
)
"""The colour of every reason."""
REASONS_SAID: Mapping[str, str] = {
    Reason.STEADY: "its load needs it (steady)",
    Reason.TOLERANCE: "its load hardly differs (tolerance)",
    Reason.AT_MIN: "at its min (vcpus.min)",
    Reason.DEMAND_HIGH: "its load needs more",
    Reason.DEMAND_LOW: "its load needs fewer",
    Reason.IN_PROGRESS: "a change is under way",
    Reason.IDLE: "an idle vCPU goes back",
    Reason.HOLD: "kept a while after a peak (hold)",
    Reason.COOLDOWN: "changed a moment ago (cooldown)",
    Reason.STEP: "goes there in steps (step)",
    Reason.SATURATED: "all are busy: none is taken",
    Reason.HOST_RATE: "its host changes others first",
    Reason.DAILY_LIMIT: "shrunk often enough today",
    Reason.UP_ONLY: "its policy only lets it grow",
    Reason.PAUSED: "paused by hand",
    Reason.ORDERED: "count ordered by hand",
    Reason.BY_HAND: "vCPUs changed by hand",
    Reason.HELD: "held by a job",
    Reason.FROZEN: "its filesystems are frozen",
    Reason.SCHEDULE: "a schedule's bound",
    Reason.NOT_RUNNING: "it does not run",
    Reason.AT_MAX: "at its max (vcpus.max)",
    Reason.MISSING: "no sample",
    Reason.DENIED: "change denied",
    Reason.BACK_OFF: "change failed, tried again",
    Reason.UNCONFIRMED: "only measured",
    Reason.DOUBTED: "its load is not believed",
    Reason.RAISED: "no sample: raised by its policy",
    Reason.UNRECORDED: "nothing can be recorded",
    Reason.HOST_FULL: "host is full",
    Reason.HOST_PRESSED: "host is too busy",
    Reason.STOLEN: "host withholds time",
    Reason.TAKEN_BACK: "a higher priority needs it",
    Reason.WARMING_UP: "waits for a second sample",
}
"""Every reason in a few words, the same wherever it is shown."""
