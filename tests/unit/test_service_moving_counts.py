"""Which counts are told, and as what."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.service.moving_counts import AGAIN_S, TOLD_S, MovingCounts


def counted(*moves: tuple[str, float], rare: bool = False) -> MovingCounts[str]:
    counts: MovingCounts[str] = MovingCounts(rare=rare)
    for key, at_s in moves:
        counts.told(at_s)
        counts.add(key, at_s)
    return counts


def test_a_count_is_told_at_once_and_until_it_has_stood_for_long() -> None:
    counts = counted(("hold", 0.0), ("hold", 5.0), ("grow", 10.0))
    assert counts.told(10.0) == {"hold": 2, "grow": 1}
    assert counts.told(5.0 + TOLD_S) == {"grow": 1}
    assert counts.told(10.0 + TOLD_S) == {}


def test_what_is_rare_is_told_as_nought_before_it_is_told_for_the_first_time() -> None:
    counts = counted(("absent", 0.0), ("absent", 5.0), rare=True)
    assert counts.told(5.0) == {"absent": 0}
    assert counts.told(AGAIN_S) == {"absent": 2}
    assert counts.told(5.0 + TOLD_S) == {}


def test_one_that_moves_again_is_told_as_it_stood_before_it_is_told_as_it_is() -> None:
    again_s = 2 * TOLD_S
    counts = counted(("grow", 0.0), ("grow", 5.0), ("grow", again_s), ("grow", again_s + 5))
    assert counts.told(again_s + 5) == {"grow": 2}
    assert counts.told(again_s + AGAIN_S) == {"grow": 4}
    assert counts.told(again_s + 5 + TOLD_S) == {}


def test_one_that_moved_again_and_stands_is_told_long_enough_to_be_scraped() -> None:
    counts = counted(("grow", 0.0), ("grow", 2 * TOLD_S))
    told = [counts.told(2 * TOLD_S + second).get("grow") for second in range(int(TOLD_S))]
    assert told == [1] * int(AGAIN_S) + [2] * int(TOLD_S - AGAIN_S)


@given(moves=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=60), rare=st.booleans())
def test_a_count_never_goes_back_and_is_told_whole_before_it_is_told_no_more(
    moves: list[tuple[str, int]], *, rare: bool
) -> None:
    counts: MovingCounts[str] = MovingCounts(rare=rare)
    last: dict[str, int] = {}
    now_s = 0.0
    for key, ticks in [*moves, ("d", 60)]:
        for _ in range(ticks):
            now_s += 10.0
            told = counts.told(now_s)
            assert all(count >= last.get(name, 0) for name, count in told.items())
            last |= told
        counts.add(key, now_s)
        assert key in counts.told(now_s)
    assert last == Counter(key for key, _ in moves)
