"""Schedules over whole years: whatever the clocks of the world do, hours come once a day and go once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import Schedule
from autoscaler.core.schedule import is_active

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=40)

ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"),
    *("America/Havana", "Africa/Casablanca", "Asia/Kathmandu"),
)
STEP_MINUTES = 10
"""Hours begin and end on a step, as do all changes of these clocks: looking at each step misses none."""
LONGEST_LEAP = timedelta(hours=1)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Hours longer than a clock leaps over, and short enough to leave time before those of the next day."""
    begin = draw(st.integers(0, 24 * 6 - 1)) * STEP_MINUTES
    end = begin + draw(st.integers(7, 22 * 6)) * STEP_MINUTES
    return Schedule(
        name="hours",
        days=frozenset(draw(st.sets(st.integers(0, 6), min_size=1))),
        from_minute=begin,
        to_minute=end if end <= 1440 else end - 1440,
        timezone=ZoneInfo(draw(st.sampled_from(ZONES))),
    )


def stretches(schedule: Schedule, first: datetime, last: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """When the schedule comes into force between two moments, and for how long."""
    step_s = STEP_MINUTES * 60
    since_s: int | None = None
    was = True
    """What is in force at the first moment began before it."""
    for at_s in range(int(first.timestamp()), int(last.timestamp()), step_s):
        now = is_active(schedule, at_s)
        if now and not was:
            since_s = at_s
        elif was and not now and since_s is not None:
            yield datetime.fromtimestamp(since_s, schedule.timezone), timedelta(seconds=at_s - since_s)
        was = now


@UNIT
@given(schedules(), st.integers(2010, 2035))
def test_over_a_year_a_schedule_comes_into_force_once_on_each_of_its_days_and_ends_once(
    schedule: Schedule, year: int
) -> None:
    first, last = (datetime(number, 1, 1, tzinfo=schedule.timezone) for number in (year, year + 1))
    found = [
        (begin.date(), length)
        for begin, length in stretches(schedule, first - timedelta(days=2), last + timedelta(days=3))
        if begin.year == year
    ]
    days = (date(year, 1, 1) + timedelta(number) for number in range((last.date() - first.date()).days))
    assert [day for day, _ in found] == [day for day in days if day.weekday() in schedule.days]
    written = timedelta(minutes=(schedule.to_minute - schedule.from_minute) % 1440)
    assert all(abs(length - written) <= LONGEST_LEAP for _, length in found)


@UNIT
@given(schedules(), st.integers(1, 131), st.sampled_from(["2027-03", "2027-04", "2027-10", "2027-11"]))
def test_hours_that_follow_one_another_neither_overlap_nor_leave_a_gap(
    whole: Schedule, part: int, month: str
) -> None:
    length = (whole.to_minute - whole.from_minute) % 1440 // STEP_MINUTES
    between = (whole.from_minute + (1 + part % (length - 1)) * STEP_MINUTES) % 1440
    first = replace(whole, to_minute=between)
    # What begins after midnight begins on the next day.
    later = 1 if between < whole.from_minute else 0
    days = frozenset((day + later) % 7 for day in whole.days)
    second = replace(whole, from_minute=between, days=days)
    begin = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    for step in range(0, 31 * 144, 3 if length > 12 else 1):
        at_s = (begin + step * timedelta(minutes=STEP_MINUTES)).timestamp()
        held = [is_active(schedule, at_s) for schedule in (first, second)]
        assert sum(held) == is_active(whole, at_s), (at_s, held)
