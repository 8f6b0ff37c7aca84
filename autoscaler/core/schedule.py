"""Which bounds a policy's schedules give at a moment: a level that is looked at, never an edge to be missed.

The hours of a day are one stretch, whatever the local clock does: from the first time that it shows `from`
to the first time that it shows `to`, so that hours which follow one another neither overlap nor leave a gap.
A time that it leaps over counts as reached by the leap; hours that it leaps over whole do not happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from autoscaler.core.policy import Mode

if TYPE_CHECKING:
    from autoscaler.core.policy import Policy, Schedule

_DAY = 1440
"""Minutes that a clock shows in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a policy says at one moment."""

    min_vcpus: int
    max_vcpus: int | None
    """None: the domain's maximum."""
    mode: Mode
    active: tuple[str, ...] = ()
    """Names of the schedules in force."""


def bounds_at(policy: Policy, wall_s: float) -> Bounds:
    """The policy's own bounds, each replaced by the last schedule in force that sets it."""
    minimum, maximum, mode = policy.min_vcpus, policy.max_vcpus, policy.mode
    active = tuple(schedule for schedule in policy.schedules if is_active(schedule, wall_s))
    for schedule in active:
        minimum = minimum if schedule.min_vcpus is None else schedule.min_vcpus
        maximum = maximum if schedule.max_vcpus is None else schedule.max_vcpus
        mode = mode if schedule.mode is None else schedule.mode
    names = tuple(schedule.name for schedule in active)
    return Bounds(min_vcpus=minimum, max_vcpus=maximum, mode=mode, active=names)


def is_active(schedule: Schedule, wall_s: float) -> bool:
    """Whether the schedule is in force at this moment, in seconds since the epoch."""
    local = datetime.fromtimestamp(wall_s, schedule.timezone)
    shown = local.hour * 60 + local.minute
    # Only while the clock shows a time that it shows twice may what it shows mislead.
    twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    length = schedule.to_minute - schedule.from_minute
    # A clock set back across midnight shows yesterday's date after today has begun: tomorrow counts as well.
    for day in (-1, 0, 1):
        if (local.weekday() + day) % 7 in schedule.days:
            begin = schedule.from_minute + day * _DAY
            end = begin + (length if length > 0 else length + _DAY)
            begun, over = (
                shown >= minute or (twice and wall_s >= _first_moment(local, minute))
                for minute in (begin, end)
            )
            if begun and not over:
                return True
    return False


def _first_moment(local: datetime, minute: int) -> float:
    """When the clock shows this minute of the same day for the first time."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(minutes=minute)).replace(fold=0).timestamp()
