"""How the load benchmark judges when guests were read."""

from __future__ import annotations

import pytest

from tests.load.watching import punctuality


def test_guests_that_are_read_at_each_tick_are_all_in_time() -> None:
    guests = [[5.0 * tick + 2.0 + 0.01 * guest for tick in range(20)] for guest in range(50)]
    in_time_ratio, lateness_s, within_s = punctuality(guests, interval_s=5.0, span_s=(0.0, 100.0))
    assert in_time_ratio == 1.0
    assert lateness_s == pytest.approx(0.0)
    assert within_s == pytest.approx(0.49)


def test_a_tick_that_is_late_and_a_sample_that_lacks_are_seen() -> None:
    guests = [[5.0 * tick + 2.0 + 0.01 * guest for tick in range(20)] for guest in range(50)]
    for moments in guests:
        moments[7] += 0.3
    del guests[3][9]
    in_time_ratio, lateness_s, _ = punctuality(guests, interval_s=5.0, span_s=(0.0, 100.0))
    assert in_time_ratio == pytest.approx(1 - 1 / (50 * 19))
    assert lateness_s == pytest.approx(0.3)


def test_a_sample_after_nine_tenths_of_the_interval_is_not_in_time() -> None:
    guests = [[1.0 * tick + 0.2 for tick in range(10)] for _ in range(30)]
    guests[4][5] += 0.93
    in_time_ratio, _, _ = punctuality(guests, interval_s=1.0, span_s=(0.0, 10.0))
    assert in_time_ratio == pytest.approx(1 - 1 / (30 * 9))


def test_a_tick_that_is_earlier_than_most_is_no_sample_that_lacks() -> None:
    guests = [[1.0 * tick + 0.2 + 0.001 * guest for tick in range(60)] for guest in range(200)]
    for moments in guests:
        moments[50] -= 0.04
    in_time_ratio, _, _ = punctuality(guests, interval_s=1.0, span_s=(0.0, 60.0))
    assert in_time_ratio == 1.0
