"""What is said of two policies, or of two schedules, is true of some domain at some time."""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import OPT_OUT, Match
from autoscaler.policyfile.glob import common, wider
from autoscaler.policyfile.overlaps import overlaps
from autoscaler.policyfile.schedule_checks import both_hold
from autoscaler.policyfile.schedule_keys import ScheduleKeys
from autoscaler.policyfile.shadows import shadowed
from autoscaler.policyfile.strict_yaml import Scalar
from autoscaler.policyfile.times import DAY_MINUTES, Weekday, clock

CHECK = settings(derandomize=True, deadline=None, database=None, max_examples=300)

PATTERNS = st.text("ab*?[]!-", min_size=1, max_size=5)
TEXTS = ["".join(letters) for length in range(1, 5) for letters in product("ab-!][", repeat=length)]
"""Every name that a short pattern over these letters is likely to be about."""
UUIDS = ["4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "00000000-0000-0000-0000-000000000001"]


@CHECK
@given(PATTERNS, PATTERNS)
def test_patterns_have_a_text_in_common_exactly_when_one_is_found(first: str, second: str) -> None:
    found = list(common(first, second))
    for text in found:
        assert fnmatchcase(text, first)
        assert fnmatchcase(text, second)
    if not found:
        assert not any(fnmatchcase(text, first) and fnmatchcase(text, second) for text in TEXTS)


@CHECK
@given(PATTERNS, PATTERNS)
def test_a_wider_pattern_fits_every_text_that_the_other_fits(pattern: str, other: str) -> None:
    if wider(pattern, other):
        assert all(fnmatchcase(text, pattern) for text in TEXTS if fnmatchcase(text, other))


def matches(*, not_names: st.SearchStrategy[list[str]]) -> st.SearchStrategy[Match]:
    labels = st.dictionaries(
        st.sampled_from(["tier", OPT_OUT[0]]), st.sampled_from(["gold", "g*", "off", "o?f"]), max_size=2
    )
    return st.builds(
        Match,
        name=st.lists(PATTERNS, max_size=2).map(tuple),
        not_name=not_names.map(tuple),
        uuid=st.lists(st.sampled_from(UUIDS), max_size=1).map(tuple),
        metadata=labels.map(lambda found: tuple(found.items())),
        not_metadata=labels.map(lambda found: tuple(found.items())),
    )


@CHECK
@given(st.lists(matches(not_names=st.lists(PATTERNS, max_size=2)), min_size=2, max_size=5))
def test_every_overlap_comes_with_a_domain_that_both_policies_fit(found: list[Match]) -> None:
    for index, earlier in overlaps(found):
        for overlap in earlier:
            shared = overlap.shared
            assert overlap.earlier < index
            assert OPT_OUT not in shared.labels.items()
            for match in (found[overlap.earlier], found[index]):
                names = [shared.name] if shared.name else TEXTS
                assert any(match.fits(name, shared.uuid, shared.labels) for name in names)


@CHECK
@given(st.lists(matches(not_names=st.just([])), min_size=2, max_size=4), st.sampled_from(TEXTS))
def test_no_overlap_by_name_is_overlooked_where_nothing_is_left_out(found: list[Match], name: str) -> None:
    labels = {"tier": "gold", OPT_OUT[0]: "odf"}
    fitting = [index for index, match in enumerate(found) if match.fits(name, "", labels)]
    reported = {(index, overlap.earlier) for index, earlier in overlaps(found) for overlap in earlier}
    assert {(later, earlier) for earlier, later in pairwise(fitting)} <= reported


@CHECK
@given(
    st.lists(matches(not_names=st.lists(PATTERNS, max_size=1)), min_size=2, max_size=5),
    st.sampled_from(TEXTS),
    st.sampled_from(["", *UUIDS]),
    st.sampled_from([{}, {"tier": "gold"}, {"tier": "g", OPT_OUT[0]: "oof"}]),
)
def test_a_shadowed_policy_never_governs(
    found: list[Match], name: str, uuid: str, labels: dict[str, str]
) -> None:
    for index, earlier in shadowed(found):
        if found[index].fits(name, uuid, labels):
            assert found[earlier].fits(name, uuid, labels)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Pacific/Apia"]


@st.composite
def schedules(draw: st.DrawFn, name: str) -> ScheduleKeys:
    start = draw(st.integers(0, DAY_MINUTES - 1))
    end = draw(st.integers(0, DAY_MINUTES))
    assume(start != end)
    days = draw(st.lists(st.sampled_from(list(Weekday)), min_size=1, max_size=3, unique=True))
    written = {"name": name, "from": clock(start), "to": clock(end), "timezone": draw(st.sampled_from(ZONES))}
    return ScheduleKeys.model_validate(
        {key: Scalar(text, plain=True) for key, text in written.items()}
        | {"days": [Scalar(day, plain=True) for day in days]}
    )


def holds(keys: ScheduleKeys, moment: datetime) -> bool:
    """By the calendar: whether these hours hold at an instant."""
    local = moment.astimezone(ZoneInfo(keys.timezone))
    minute = local.hour * 60 + local.minute
    today, yesterday = local.weekday(), (local - timedelta(days=1)).weekday()
    days = {day.number for day in keys.days}
    if keys.from_ < keys.to:
        return today in days and keys.from_ <= minute < keys.to
    return (today in days and minute >= keys.from_) or (yesterday in days and minute < keys.to)


@pytest.mark.parametrize("month", [1, 7])
@settings(CHECK, max_examples=100)
@given(schedules("one"), schedules("other"))
def test_two_schedules_hold_at_one_time_exactly_when_the_calendar_says_so(
    month: int, one: ScheduleKeys, other: ScheduleKeys
) -> None:
    monday = datetime(2027, month, 11 if month == 1 else 12, tzinfo=ZoneInfo("UTC"))
    # Where anything holds, it begins to on a quarter of an hour or at one of the times that were drawn.
    minutes = {minute for keys in (one, other) for minute in (keys.from_, keys.to)}
    moments = [
        monday + timedelta(days=day, minutes=minute + quarter * 15)
        for day, minute, quarter in product(range(7), minutes, range(96))
    ]
    when = both_hold(one, other)
    if any(holds(one, moment) and holds(other, moment) for moment in moments):
        assert when is not None
    elif when is not None:
        assert when.endswith("in July" if month == 1 else "in January")
