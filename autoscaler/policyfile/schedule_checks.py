"""What can be wrong with the schedules of one policy although each of their values is right.

Two schedules that hold at one time have to agree, for nobody could tell from the file which one does. Hours
are compared as minutes of a week in UTC, once for each pair of offsets that the two zones have on some day of
two years: that covers summer time on either half of the Earth, the weeks in which only one of the two zones
has it, and hours that cross midnight or the end of the week.
"""

from __future__ import annotations

from calendar import month_name
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import combinations, groupby, product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.schedule_keys import ScheduleKeys
from autoscaler.policyfile.times import DAY_MINUTES, Weekday, clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.policyfile.placed import PlacedPolicy
    from autoscaler.policyfile.problem import Problem

_WEEK_MINUTES = 7 * DAY_MINUTES
_FIRST_DAY, _DAYS = datetime(2027, 1, 1, 12, tzinfo=UTC), 730


@dataclass(frozen=True, slots=True)
class _Placed:
    """One schedule and its index in the list."""

    index: int
    keys: ScheduleKeys


def check_schedules(placed: PlacedPolicy) -> Iterator[Problem]:
    """Everything that is wrong with a policy's schedules, each alone and all together."""
    schedules = [_Placed(index, keys) for index, keys in placed.each("schedules", ScheduleKeys)]
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
    seasons = _seasons(earlier.timezone, later.timezone)
    shared = [(_shared_minute(earlier, later, season.ahead), season.month) for season in seasons]
    found = next(((minute, month) for minute, month in shared if minute is not None), None)
    if found is None:
        return None
    minute, month = found
    day, time = divmod(minute, DAY_MINUTES)
    always = all(minute is not None for minute, _ in shared)
    when = "" if always else f" in {month}"
    return f"on {list(Weekday)[day]} at {clock(time)} {later.timezone}{when}"


def _shared_minute(earlier: ScheduleKeys, later: ScheduleKeys, ahead: int) -> int | None:
    """The minute of the week, on the later one's clock, at which both begin to hold.

    `ahead`: how many minutes that clock is ahead of the earlier one's.
    """
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


@dataclass(frozen=True, slots=True)
class _Season:
    """Days on which two clocks differ by as much."""

    ahead: int
    """How many minutes the later schedule's clock is ahead of the earlier one's."""
    month: str
    """The name of a month that such days lie in."""


@lru_cache
def _seasons(earlier: str, later: str) -> tuple[_Season, ...]:
    """How two zones differ over two years, the most common way first."""
    days: dict[int, list[int]] = {}
    for number, (one, other) in enumerate(zip(_offsets(earlier), _offsets(later), strict=True)):
        days.setdefault(other - one, []).append(number)
    common_first = sorted(days.items(), key=lambda entry: -len(entry[1]))
    return tuple(_Season(ahead, month_name[_middle(numbers).month]) for ahead, numbers in common_first)


def _middle(numbers: list[int]) -> datetime:
    """The day in the middle of the longest run of days."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda at: at[1] - at[0])]
    longest = max(runs, key=len)
    return _FIRST_DAY + timedelta(longest[len(longest) // 2])


@lru_cache
def _offsets(zone: str) -> tuple[int, ...]:
    """How many minutes the zone's clock is ahead of UTC, at noon of each day."""
    clock_there = ZoneInfo(zone)
    ahead = ((_FIRST_DAY + timedelta(number)).astimezone(clock_there).utcoffset() for number in range(_DAYS))
    return tuple(int(offset.total_seconds()) // 60 for offset in ahead if offset is not None)
