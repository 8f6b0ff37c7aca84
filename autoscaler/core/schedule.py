"""Which bounds a policy's schedules give at a moment: a level that is looked at, never an edge to be missed.

The hours of a day are one stretch, whatever the local clock does: from the first time that it shows `from`
to the last time that it shows `to`. A time that it leaps over counts as reached by the leap; hours that it
leaps over whole do not happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.core.policy import Mode, Policy, Schedule

_ONE_DAY = timedelta(days=1)


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
    shown = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # A clock set back across midnight shows yesterday's date after today has begun: look at tomorrow as well.
    days = (shown - _ONE_DAY, shown, shown + _ONE_DAY)
    return any(day.weekday() in schedule.days and _covers(schedule, day, local) for day in days)


def _covers(schedule: Schedule, day: datetime, local: datetime) -> bool:
    """Whether the hours that begin on this day have begun and are not over."""
    begin = day + timedelta(minutes=schedule.from_minute)
    length = schedule.to_minute - schedule.from_minute
    end = begin + timedelta(minutes=length if length > 0 else length + 1440)
    # Plain comparisons of one time zone's datetimes compare what the clock shows; timestamps tell moments.
    begun = local >= begin or local.timestamp() >= begin.timestamp()
    over = local >= end and local.timestamp() >= end.replace(fold=1).timestamp()
    return begun and not over
