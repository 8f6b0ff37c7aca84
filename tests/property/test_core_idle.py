"""Idle time is what all that was ever seen says, reckoned the long way."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.idle import IdleTime

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=300)

MOST_VCPUS = 6
Look = tuple[float, int, int]
LOOKS = st.lists(
    st.tuples(st.floats(0.1, 50.0), st.integers(1, MOST_VCPUS), st.integers(1, MOST_VCPUS)),
    min_size=1,
    max_size=40,
).map(
    lambda drawn: [
        (at_s, plugged, used)
        for at_s, (_, plugged, used) in zip(accumulate(step_s for step_s, _, _ in drawn), drawn, strict=True)
    ]
)


def used_most(looks: list[Look], from_s: float) -> int:
    """The most vCPUs used from this time to the last look; what is used stays used until the next look."""
    before = [used for (at_s, _, used), (until_s, _, _) in pairwise(looks) if until_s > from_s >= at_s]
    after = [used for at_s, _, used in looks if at_s >= from_s]
    rises = [
        plugged
        for (_, plugged_before, _), (at_s, plugged, _) in pairwise([(0.0, 0, 0), *looks])
        if plugged > plugged_before and at_s > from_s
    ]
    return max(before + after + rises)


@UNIT
@given(looks=LOOKS)
def test_so_many_vcpus_were_enough_for_exactly_the_time_in_which_no_more_were_used(looks: list[Look]) -> None:
    idle = IdleTime()
    for number, (at_s, plugged, used) in enumerate(looks, 1):
        idle.look(plugged, used, at_s)
        times_s = [seen_s for seen_s, _, _ in looks[:number]]
        for count in range(MOST_VCPUS + 1):
            long_enough = [time_s for time_s in times_s if used_most(looks[:number], time_s) <= count]
            assert idle.since_s(count) == min(long_enough, default=None)
        assert len(idle._steps) <= MOST_VCPUS


@UNIT
@given(looks=LOOKS, ends=st.integers(1, 40), away_s=st.floats(0.0, 80_000.0))
def test_a_restart_makes_nothing_idle_for_longer_and_forgets_nothing_that_still_holds(
    looks: list[Look], ends: int, away_s: float
) -> None:
    through, before = IdleTime(), IdleTime()
    for at_s, plugged, used in looks[:ends]:
        through.look(plugged, used, at_s)
        before.look(plugged, used, at_s)
    kept_s, plugged, _ = looks[:ends][-1]
    dumped = json.loads(json.dumps(before.dump(kept_s)))
    after = IdleTime.restore(dumped, plugged, 1e6, away_s=away_s, past=())
    on_its_clock_s = 1e6 - away_s - kept_s
    for at_s, there, used in looks[ends:]:
        through.look(there, used, at_s + away_s)
        after.look(there, used, at_s + away_s + on_its_clock_s)
    for count in range(MOST_VCPUS + 1):
        since_s = through.since_s(count)
        expected_s = None if since_s is None else since_s + on_its_clock_s
        assert after.since_s(count) == pytest.approx(expected_s, abs=0.002)


@UNIT
@given(
    kept=st.recursive(
        st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["plugged", "steps", "vcpus", "ago_s"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_whatever_is_read_back_can_be_gone_on_with(kept: object) -> None:
    idle = IdleTime.restore({"idle": kept}, 3, 1000.0, away_s=1.0, past=())
    idle.look(3, 1, 1000.0)
    since_s = idle.since_s(1)
    assert since_s is not None
    assert since_s <= 1000.0
