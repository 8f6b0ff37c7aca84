"""Schedules: which bounds hold at a moment, on the local clock of any time zone and across its changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.policy import Match, Mode, Policy, Schedule
from autoscaler.core.schedule import Bounds, bounds_at, is_active

EVERY_DAY = frozenset(range(7))
MONDAY, TUESDAY, FRIDAY, SATURDAY, SUNDAY = range(1), range(1, 2), range(4, 5), range(5, 6), range(6, 7)

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
"""Its clock changes by half an hour only."""
HAVANA = ZoneInfo("America/Havana")
"""Its clock leaps at midnight."""
UTC = ZoneInfo("UTC")


def minute(clock: str) -> int:
    hour, _, rest = clock.partition(":")
    return int(hour) * 60 + int(rest)


def schedule(
    hours: str, timezone: ZoneInfo, days: range | frozenset[int] = EVERY_DAY, name: str = "hours"
) -> Schedule:
    begin, _, end = hours.partition("-")
    return Schedule(
        name=name,
        days=frozenset(days),
        from_minute=minute(begin),
        to_minute=minute(end),
        timezone=timezone,
        min_vcpus=4,
    )


def utc(moment: str) -> float:
    return datetime.fromisoformat(moment + "+00:00").timestamp()


def stretches(of: Schedule, day: str) -> list[tuple[str, str]]:
    """When the schedule is in force from this UTC date's begin on, for two days, to the minute in UTC."""
    start_s = utc(day)
    found: list[tuple[str, str]] = []
    since: str | None = "before" if is_active(of, start_s - 60) else None
    for number in range(2 * 1440):
        at_s = start_s + number * 60
        shown = f"{datetime.fromtimestamp(at_s, UTC):%d %H:%M}"
        if is_active(of, at_s) and since is None:
            since = shown
        elif not is_active(of, at_s) and since is not None:
            found.append((since, shown))
            since = None
    return found


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        pytest.param("2026-06-01 05:59:59.999", False, id="a moment before it begins"),
        pytest.param("2026-06-01 06:00", True, id="the begin is included"),
        pytest.param("2026-06-01 15:59:59.999", True, id="a moment before it ends"),
        pytest.param("2026-06-01 16:00", False, id="the end is not"),
        pytest.param("2026-06-02 08:00", False, id="another day"),
        pytest.param("2026-01-05 06:30", False, id="in winter it begins an hour later in UTC"),
        pytest.param("2026-01-05 16:30", True, id="in winter it ends an hour later in UTC"),
    ],
)
def test_a_schedule_is_in_force_in_its_hours_on_its_days_on_its_own_clock(
    moment: str, *, active: bool
) -> None:
    assert is_active(schedule("08:00-18:00", BERLIN, MONDAY), utc(moment)) is active


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        pytest.param("2026-06-05 21:59", False, id="Friday before"),
        pytest.param("2026-06-05 22:00", True, id="Friday night"),
        pytest.param("2026-06-06 00:00", True, id="midnight"),
        pytest.param("2026-06-06 05:59", True, id="Saturday morning is Friday's night"),
        pytest.param("2026-06-06 06:00", False, id="Saturday after"),
        pytest.param("2026-06-06 22:00", False, id="Saturday night"),
        pytest.param("2026-06-05 03:00", False, id="Friday morning is Thursday's night"),
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(moment: str, *, active: bool) -> None:
    assert is_active(schedule("22:00-06:00", UTC, FRIDAY), utc(moment)) is active


def test_hours_may_last_to_the_end_of_the_day_and_no_further() -> None:
    evening = schedule("20:00-24:00", UTC, MONDAY)
    assert stretches(evening, "2026-06-01") == [("01 20:00", "02 00:00")]


@pytest.mark.parametrize("hours", ["00:00-24:00", "00:00-00:00"])
def test_a_whole_day_ends_where_the_next_begins(hours: str) -> None:
    assert stretches(schedule(hours, UTC, MONDAY), "2026-06-01") == [("01 00:00", "02 00:00")]
    both = schedule(hours, UTC, range(2))
    assert stretches(both, "2026-06-02") == [("before", "03 00:00")]


@pytest.mark.parametrize(
    ("hours", "timezone", "day", "in_utc"),
    [
        # Berlin leaps from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
        pytest.param("02:30-04:00", BERLIN, "2026-03-29", ("29 01:00", "29 02:00"), id="begin leapt over"),
        pytest.param("01:00-02:30", BERLIN, "2026-03-29", ("29 00:00", "29 01:00"), id="end leapt over"),
        pytest.param("01:00-04:00", BERLIN, "2026-03-29", ("29 00:00", "29 02:00"), id="an hour lost"),
        pytest.param("23:00-06:00", BERLIN, "2026-03-28", ("28 22:00", "29 04:00"), id="a night with a leap"),
        # Berlin repeats 02:00 to 03:00 on 25 October 2026; it is 03:00 for the second time at 01:00 UTC.
        pytest.param("02:30-04:00", BERLIN, "2026-10-25", ("25 00:30", "25 03:00"), id="begin shown twice"),
        pytest.param("01:00-02:30", BERLIN, "2026-10-25", ("24 23:00", "25 00:30"), id="end shown twice"),
        pytest.param("02:00-02:30", BERLIN, "2026-10-25", ("25 00:00", "25 00:30"), id="both shown twice"),
        pytest.param(
            "02:30-03:00", BERLIN, "2026-10-25", ("25 00:30", "25 02:00"), id="up to where it goes on"
        ),
        pytest.param(
            "01:00-02:00", BERLIN, "2026-10-25", ("24 23:00", "25 00:00"), id="up to where it returns"
        ),
        pytest.param(
            "23:00-06:00", BERLIN, "2026-10-24", ("24 21:00", "25 05:00"), id="a night with a return"
        ),
        # New York: 8 March, 07:00 UTC; 1 November, 06:00 UTC.
        pytest.param("02:30-09:00", NEW_YORK, "2026-03-08", ("08 07:00", "08 13:00"), id="a leap overseas"),
        pytest.param("01:30-09:00", NEW_YORK, "2026-11-01", ("01 05:30", "01 14:00"), id="a return overseas"),
        # Lord Howe: half an hour, 02:00 to 02:30 on 4 October (15:30 UTC before); 02:00 to 01:30 on 5 April.
        pytest.param("02:10-03:00", LORD_HOWE, "2026-10-04", ("03 15:30", "03 16:00"), id="a leap of a half"),
        pytest.param(
            "01:40-03:00", LORD_HOWE, "2026-04-05", ("04 14:40", "04 16:30"), id="a return of a half"
        ),
        # Havana had no 00:00 on 10 March 2024; on 3 November it showed 00:00 to 01:00 twice.
        pytest.param(
            "00:00-06:00", HAVANA, "2024-03-10", ("10 05:00", "10 10:00"), id="a day without its begin"
        ),
        pytest.param(
            "00:00-06:00", HAVANA, "2024-11-03", ("03 04:00", "03 11:00"), id="a day that begins twice"
        ),
        pytest.param(
            "18:00-00:30", HAVANA, "2024-11-02", ("02 22:00", "03 04:30"), id="an evening that does"
        ),
    ],
)
def test_hours_are_one_stretch_across_a_change_of_the_clock(
    hours: str, timezone: ZoneInfo, day: str, in_utc: tuple[str, str]
) -> None:
    date = datetime.fromisoformat(day)
    hours_of_the_day = schedule(hours, timezone, range(date.weekday(), date.weekday() + 1))
    assert stretches(hours_of_the_day, str(date - timedelta(hours=12))) == [in_utc]


def test_hours_that_the_clock_leaps_over_whole_do_not_happen() -> None:
    assert stretches(schedule("02:10-02:50", BERLIN, SUNDAY), "2026-03-28") == []
    assert stretches(schedule("02:10-02:50", BERLIN, SUNDAY), "2026-04-04") == [("05 00:10", "05 00:50")]


def test_a_clock_set_back_across_midnight_does_not_end_the_new_day() -> None:
    """St. John's went from 00:01 back to 23:01: the day's first minute came an hour before the rest."""
    st_johns = ZoneInfo("America/St_Johns")
    sunday = schedule("00:00-12:00", st_johns, SUNDAY)
    assert stretches(sunday, "2010-11-07") == [("07 02:30", "07 15:30")]


NIGHT = replace(schedule("22:00-06:00", UTC, name="night"), min_vcpus=1, max_vcpus=2)
BACKUP = replace(schedule("23:00-01:00", UTC, name="backup"), min_vcpus=6, max_vcpus=8)
FREEZE = replace(schedule("00:00-02:00", UTC, name="freeze"), min_vcpus=None, mode=Mode.RECOMMEND)


@pytest.mark.parametrize(
    ("clock", "bounds"),
    [
        pytest.param("12:00", Bounds(min_vcpus=2, max_vcpus=None, mode=Mode.AUTO), id="none in force"),
        pytest.param(
            "22:30", Bounds(min_vcpus=1, max_vcpus=2, mode=Mode.AUTO, active=("night",)), id="one in force"
        ),
        pytest.param(
            "23:30",
            Bounds(min_vcpus=6, max_vcpus=8, mode=Mode.AUTO, active=("night", "backup")),
            id="the later of two wins",
        ),
        pytest.param(
            "00:30",
            Bounds(min_vcpus=6, max_vcpus=8, mode=Mode.RECOMMEND, active=("night", "backup", "freeze")),
            id="key by key",
        ),
        pytest.param(
            "01:30",
            Bounds(min_vcpus=1, max_vcpus=2, mode=Mode.RECOMMEND, active=("night", "freeze")),
            id="what a schedule does not set stays",
        ),
    ],
)
def test_the_last_schedule_in_force_that_sets_a_key_decides_it(clock: str, bounds: Bounds) -> None:
    policy = Policy(name="web", match=Match(), min_vcpus=2, schedules=(NIGHT, BACKUP, FREEZE))
    assert bounds_at(policy, utc(f"2026-06-02 {clock}")) == bounds
