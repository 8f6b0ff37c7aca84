"""Back-off: longer after each failure, bounded, and the same for the same waiter."""

from __future__ import annotations

import pytest

from autoscaler.core.backoff import LONGEST_S, AskingAgain, BackOff


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


def test_what_gave_no_answer_is_asked_after_pauses_that_double_up_to_the_longest() -> None:
    again, asked_s = AskingAgain(1.0, 5.0), [100.0]
    again.begin(100.0)
    for _ in range(5):
        assert again.not_before_s == asked_s[-1]
        again.put_off(asked_s[-1])
        asked_s.append(again.not_before_s)
    assert asked_s == [100.0, 101.0, 103.0, 107.0, 112.0, 117.0]


def test_something_new_is_asked_at_once_however_often_the_last_was_put_off() -> None:
    again = AskingAgain(1.0, 5.0)
    for began_s in (100.0, 200.0):
        again.begin(began_s)
        assert again.not_before_s == began_s
        again.put_off(began_s)
        assert again.not_before_s == began_s + 1.0
        again.put_off(began_s + 1.0)
