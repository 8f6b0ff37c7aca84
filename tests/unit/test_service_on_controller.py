"""A call that another thread has the controller's make: waited for, but not without end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from autoscaler.errors import AutoscalerError, Conflict, OutcomeUnknown
from autoscaler.service.clock import SystemClock
from autoscaler.service.control import ControllerBusy, on_controller
from autoscaler.service.inbox import Inbox
from autoscaler.service.lanes import Lane


class Still:
    """Stands where the controller does, and wants nothing."""

    def settle(self) -> float | None:
        return None


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A controller's thread that runs."""
    inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1))
    thread = threading.Thread(target=inbox.run, args=(Still(),), name="controller")
    thread.start()
    yield inbox
    inbox.stop()
    thread.join()
    inbox.close()


def test_a_call_runs_on_the_controllers_thread_and_its_result_comes_back(inbox: Inbox) -> None:
    assert on_controller(inbox, lambda: threading.current_thread().name, 20) == "controller"


def test_an_error_of_the_call_comes_back_and_the_controller_goes_on(inbox: Inbox) -> None:
    def fail() -> None:
        raise Conflict("not as expected")

    with pytest.raises(Conflict, match="not as expected"):
        on_controller(inbox, fail, 20)
    with pytest.raises(AutoscalerError, match="internal error: ZeroDivisionError"):
        on_controller(inbox, lambda: 1 // 0, 20)
    assert on_controller(inbox, lambda: 5, 20) == 5


def test_a_call_that_the_controller_did_not_get_to_is_never_made(inbox: Inbox) -> None:
    over, calls = threading.Event(), list[int]()

    def hang() -> None:
        over.wait(20)

    inbox.post(hang)
    with pytest.raises(ControllerBusy, match="has done nothing: ask again"):
        on_controller(inbox, lambda: calls.append(1), 0.1)
    over.set()
    assert on_controller(inbox, lambda: 5, 20) == 5
    assert calls == []


def test_a_call_that_was_begun_is_waited_for_and_then_its_outcome_is_unknown(inbox: Inbox) -> None:
    over = threading.Event()
    with pytest.raises(OutcomeUnknown, match="begun and not ended"):
        on_controller(inbox, lambda: over.wait(20), 0.1)
    over.set()
