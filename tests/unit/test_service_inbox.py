"""The controller's thread: calls run on it one at a time, work runs beside it, and a wake is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from autoscaler.errors import AutoscalerError, DomainGone
from autoscaler.service.clock import SystemClock
from autoscaler.service.inbox import Inbox
from autoscaler.service.lanes import Lane, outcome_of


class Heart:
    """Stands where the controller does: counts its calls and asks to be called again."""

    def __init__(self, wakes: Callable[[int], float | None] = lambda _: None) -> None:
        self.settled = 0
        self._wakes = wakes

    def settle(self) -> float | None:
        self.settled += 1
        return self._wakes(self.settled)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1))
    yield inbox
    inbox.close()


def test_calls_run_in_order_on_the_thread_that_runs_and_each_is_settled(inbox: Inbox) -> None:
    heart, seen = Heart(), list[tuple[int, int]]()
    for number in range(3):
        inbox.post(lambda number=number: seen.append((number, threading.get_ident())))  # type: ignore[misc]
    inbox.stop()
    inbox.run(heart)
    assert seen == [(number, threading.get_ident()) for number in range(3)]
    assert heart.settled == 4


def test_work_runs_elsewhere_and_its_result_comes_back_here(inbox: Inbox) -> None:
    results: list[tuple[object, int]] = []

    def take(result: int | AutoscalerError) -> None:
        results.append((result, threading.get_ident()))
        inbox.stop()

    inbox.submit(Lane.PROBE, threading.get_ident, take)
    inbox.run(Heart())
    ((worker, here),) = results
    assert here == threading.get_ident()
    assert worker != here


def test_a_named_error_of_work_comes_back_as_a_value(inbox: Inbox) -> None:
    gone, results = DomainGone("it is gone"), list[object]()

    def work() -> int:
        raise gone

    def take(result: int | AutoscalerError) -> None:
        results.append(result)
        inbox.stop()

    inbox.submit(Lane.ACT, work, take)
    inbox.run(Heart())
    assert results == [gone]


def test_an_error_without_a_name_gets_one_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    result = outcome_of(lambda: int("many"))
    assert isinstance(result, AutoscalerError)
    assert "internal error: ValueError" in str(result)
    assert "Traceback" in caplog.text


def test_a_wake_comes_though_nothing_is_posted(inbox: Inbox) -> None:
    clock = SystemClock()

    def wakes(times: int) -> float | None:
        if times == 3:
            inbox.stop()
        return clock.monotonic_s() + 0.01

    inbox.post(lambda: None)
    heart = Heart(wakes)
    inbox.run(heart)
    assert heart.settled >= 3


def test_a_hung_worker_of_one_lane_holds_up_no_other(inbox: Inbox) -> None:
    hung, reached = threading.Event(), list[str]()

    def take(_: object) -> None:
        reached.append("act")
        inbox.stop()

    inbox.submit(Lane.PROBE, hung.wait, lambda _: None)
    inbox.submit(Lane.ACT, lambda: None, take)
    inbox.run(Heart())
    hung.set()
    assert reached == ["act"]


def test_a_host_whose_calls_all_hang_holds_up_no_other() -> None:
    inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1), hosts=["dead", "well"])
    hung, reached = threading.Event(), list[str]()

    def take(_: object) -> None:
        reached.append("well")
        inbox.stop()

    for _ in range(3):
        inbox.submit(Lane.PROBE, lambda: hung.wait(10), lambda _: None, host="dead")
    inbox.submit(Lane.PROBE, lambda: None, take, host="well")
    inbox.run(Heart())
    hung.set()
    inbox.close()
    assert reached == ["well"]


def test_hung_workers_are_stood_in_for_though_nothing_else_happens() -> None:
    inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1), spare={Lane.PROBE: 1})
    hung, reached = threading.Event(), list[str]()

    def take(_: object) -> None:
        reached.append("probe")
        inbox.stop()

    inbox.submit(Lane.PROBE, lambda: hung.wait(10), lambda _: None)
    inbox.submit(Lane.PROBE, lambda: None, take)
    inbox.run(Heart())
    hung.set()
    inbox.close()
    assert reached == ["probe"]


def test_a_fault_in_the_service_itself_ends_the_run_for_all_to_see(inbox: Inbox) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    inbox.post(broken)
    with pytest.raises(ZeroDivisionError):
        inbox.run(Heart())


def test_after_the_close_nothing_is_taken_and_nothing_breaks(inbox: Inbox) -> None:
    inbox.close()
    inbox.submit(Lane.PROBE, lambda: None, lambda _: None)
    inbox.post(lambda: None)
    inbox.close()
