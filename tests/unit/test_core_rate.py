"""The rate of changes: no minute holds more than the limit, wherever it begins."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.rate import ChangeRate


def test_the_whole_limit_is_there_at_first() -> None:
    assert ChangeRate(60).left(0.0) == 60


def begin(rate: ChangeRate, count: int, now_s: float) -> None:
    for _ in range(count):
        rate.used(now_s)


def test_what_was_begun_counts_for_a_minute() -> None:
    rate = ChangeRate(60)
    begin(rate, 50, 100.0)
    begin(rate, 4, 130.0)
    assert rate.left(159.9) == 6
    assert rate.left(160.0) == 56
    assert rate.left(190.0) == 60


def test_more_than_was_left_leaves_none() -> None:
    rate = ChangeRate(2)
    begin(rate, 5, 100.0)
    assert rate.left(100.0) == 0


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(1, 20), st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(0, 30)), max_size=30))
def test_no_minute_holds_more_than_the_limit(limit: int, steps: list[tuple[float, int]]) -> None:
    rate, now_s, begun = ChangeRate(limit), 0.0, list[tuple[float, int]]()
    for wait_s, wanted in steps:
        now_s += wait_s
        count = min(wanted, rate.left(now_s))
        begin(rate, count, now_s)
        begun.append((now_s, count))
        assert sum(count for at_s, count in begun if now_s - at_s < 60.0) <= limit
        assert rate.left(now_s) == 0 or count == wanted
