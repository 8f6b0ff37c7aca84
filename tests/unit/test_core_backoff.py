"""Back-off: longer after each failure, bounded, and the same for the same waiter."""

from __future__ import annotations

import pytest

from autoscaler.core.backoff import LONGEST_S, BackOff


def waits_s(who: str, failures: int) -> list[float]:
    back_off, waits = BackOff(), []
    for _ in range(failures):
        back_off = back_off.failed(who, 100.0)
        waits.append(back_off.until_s - 100.0)
    return waits


def test_who_never_failed_does_not_wait() -> None:
    assert not BackOff().waiting(0.0)


def test_it_waits_until_its_time_and_not_at_it() -> None:
    back_off = BackOff().failed("a", 100.0)
    assert back_off.waiting(back_off.until_s - 0.001)
    assert not back_off.waiting(back_off.until_s)


def test_each_wait_is_about_twice_the_last_up_to_five_minutes() -> None:
    expected = [5, 10, 20, 40, 80, 160, 300, 300]
    for wait_s, about_s in zip(waits_s("a", 8), expected, strict=True):
        assert wait_s == pytest.approx(about_s, rel=0.2)


def test_many_failures_neither_overflow_nor_wait_longer() -> None:
    assert waits_s("a", 5000)[-1] <= LONGEST_S * 1.2


def test_the_jitter_is_fixed_by_who_waits_and_differs_between_them() -> None:
    assert waits_s("a", 3) == waits_s("a", 3)
    firsts = {waits_s(f"domain-{number}", 1)[0] for number in range(50)}
    assert len(firsts) == 50
    assert max(firsts) - min(firsts) > 1.0
