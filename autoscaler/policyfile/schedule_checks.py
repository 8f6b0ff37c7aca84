"""What can be wrong with the schedules of one policy although each of their values is right.

Two schedules that hold at one time have to agree, for nobody could tell from the file which one does. Hours
are compared as minutes of a week in UTC, once as of January and once as of July: that covers summer time on
either half of the Earth, and hours that cross midnight or the end of the week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import combinations, product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.times import DAY_MINUTES, Weekday, clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.policyfile.placed import PlacedPolicy
    from autoscaler.policyfile.problem import Problem
    from autoscaler.policyfile.schedule_keys import ScheduleKeys

_WEEK_MINUTES = 7 * DAY_MINUTES
_SEASONS = (datetime(2027, 1, 15, 12), datetime(2027, 7, 15, 12))  # noqa: DTZ001 - on any zone's clock


@dataclass(frozen=True, slots=True)
class _Placed:
    """One schedule and its index in the list."""

    index: int
    keys: ScheduleKeys


def check_schedules(placed: PlacedPolicy) -> Iterator[Problem]:
    """Everything that is wrong with a policy's schedules, each alone and all together."""
    if not placed.read("schedules"):
        return
    schedules = [_Placed(index, keys) for index, keys in enumerate(placed.keys.schedules)]
    for schedule in schedules:
        yield from _alone(placed, schedule)
        yield from _bounds(placed, schedule)
    for earlier, later in combinations(schedules, 2):
        yield from _names(placed, earlier, later)
        yield from _disagreements(placed, earlier, later)


def _alone(placed: PlacedPolicy, schedule: _Placed) -> Iterator[Problem]:
    keys = schedule.keys
    at = ("schedules", schedule.index)
    if keys.from_ == keys.to:
        message = (
            f"'to' cannot be {clock(keys.to)}, where 'from' is too; "
            "whole days are written from: 00:00 and to: 24:00"
        )
        yield placed.problem(message, *at, "to")
    if not _settings(keys):
        message = f"the schedule {shown(keys.name)} changes nothing; give it 'vcpus' or a 'mode'"
        yield placed.problem(message, *at)


def _bounds(placed: PlacedPolicy, schedule: _Placed) -> Iterator[Problem]:
    """A bound that contradicts the other one of the schedule, or of the policy where that holds."""
    own, policy = schedule.keys.vcpus, placed.keys.vcpus
    at = ("schedules", schedule.index, "vcpus")
    if own.max is not None:
        low = own.min
        whose = ""
        if low is None and placed.read("vcpus", "min"):
            low, whose = policy.min, "the policy's "
        if low is not None and own.max < low:
            message = f"'max' cannot be {own.max}; it must not be below {whose}'min', which is {low}"
            yield placed.problem(message, *at, "max")
    elif (
        own.min is not None
        and policy.max is not None
        and placed.read("vcpus", "max")
        and own.min > policy.max
    ):
        message = f"'min' cannot be {own.min}; it must not be above the policy's 'max', which is {policy.max}"
        yield placed.problem(message, *at, "min")


def _names(placed: PlacedPolicy, earlier: _Placed, later: _Placed) -> Iterator[Problem]:
    if earlier.keys.name == later.keys.name:
        line = placed.line("schedules", earlier.index)
        message = f"the schedule name {shown(later.keys.name)} is taken in line {line}; give it another"
        yield placed.problem(message, "schedules", later.index, "name")


def _disagreements(placed: PlacedPolicy, earlier: _Placed, later: _Placed) -> Iterator[Problem]:
    """What two schedules set differently although they hold at one time."""
    ours, theirs = _settings(earlier.keys), _settings(later.keys)
    differing = [(key, key) for key in theirs if key in ours and ours[key] != theirs[key]]
    if not differing:
        crossing = (("min", "max"), ("max", "min"))
        differing = [
            (one, other) for one, other in crossing if _crosses(ours.get(one), theirs.get(other), one)
        ]
    when = both_hold(earlier.keys, later.keys) if differing else None
    if when is None:
        return
    line = placed.line("schedules", earlier.index)
    for one, other in differing:
        it = "it" if one == other else f"'{one}'"
        message = (
            f"'{other}' cannot be {theirs[other]}; {shown(earlier.keys.name)} in line {line} sets {it} to "
            f"{ours[one]}, and both hold {when}"
        )
        keys = ("vcpus", other) if other in ("min", "max") else (other,)
        yield placed.problem(message, "schedules", later.index, *keys)


def _settings(keys: ScheduleKeys) -> dict[str, int | str]:
    """What a schedule sets, by key."""
    every = {"min": keys.vcpus.min, "max": keys.vcpus.max, "mode": keys.mode}
    return {key: value for key, value in every.items() if value is not None}


def _crosses(ours: int | str | None, theirs: int | str | None, one: str) -> bool:
    if not isinstance(ours, int) or not isinstance(theirs, int):
        return False
    return ours > theirs if one == "min" else ours < theirs


def both_hold(earlier: ScheduleKeys, later: ScheduleKeys) -> str | None:
    """Some time at which both schedules hold, in words and on the later one's clock; None: there is none."""
    shared = [_shared_minute(earlier, later, season) for season in _SEASONS]
    minute = next((minute for minute in shared if minute is not None), None)
    if minute is None:
        return None
    day, time = divmod(minute, DAY_MINUTES)
    season = "" if None not in shared else " in January" if shared[1] is None else " in July"
    return f"on {list(Weekday)[day]} at {clock(time)} {later.timezone}{season}"


def _shared_minute(earlier: ScheduleKeys, later: ScheduleKeys, season: datetime) -> int | None:
    """The minute of the week, on the later one's clock, at which both begin to hold."""
    ahead = _offset(later.timezone, season) - _offset(earlier.timezone, season)
    for (start, length), (other, other_length) in product(_hours(earlier), _hours(later)):
        begins = (start + ahead) % _WEEK_MINUTES
        if (other - begins) % _WEEK_MINUTES < length:
            return other
        if (begins - other) % _WEEK_MINUTES < other_length:
            return begins
    return None


def _hours(keys: ScheduleKeys) -> list[tuple[int, int]]:
    """Start and length of each day's hours, in minutes of the week on the schedule's own clock."""
    if keys.from_ == keys.to:
        return []
    length = (keys.to - keys.from_) % DAY_MINUTES or DAY_MINUTES
    return [(day.number * DAY_MINUTES + keys.from_, length) for day in keys.days]


@lru_cache
def _offset(zone: str, season: datetime) -> int:
    """How many minutes the zone's clock is ahead of UTC."""
    ahead = ZoneInfo(zone).utcoffset(season)
    assert ahead is not None
    return int(ahead.total_seconds()) // 60
