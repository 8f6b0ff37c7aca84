"""What the service tells systemd, over a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from autoscaler.service.notify import Notifier
from tests.fakes.guest_channel import SteppedClock
from tests.fakes.notify_socket import NotifySocket, notify_socket


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with notify_socket(tmp_path) as manager:
        yield manager


def notifier(address: object, *, silence_s: float = 25.0, status: str = "well", **more: str) -> Notifier:
    return Notifier(
        {"NOTIFY_SOCKET": str(address), **more},
        clock=SteppedClock(),
        status=status,
        longest_silence_s=silence_s,
    )


def test_the_first_finished_tick_makes_the_service_ready(manager: NotifySocket) -> None:
    told = notifier(manager.path)
    told.ticked(0)
    assert manager.silent()
    told.ticked(1)
    assert manager.message() == {"READY": "1", "STATUS": "well"}
    told.ticked(2)
    assert manager.silent()


def test_the_watchdog_is_fed_by_each_tick_that_is_finished_and_not_by_what_is_shown_between(
    manager: NotifySocket,
) -> None:
    told = notifier(manager.path, WATCHDOG_USEC="60000000")
    for ticks in (1, 1, 1, 2, 2):
        told.ticked(ticks)
    assert manager.message() == {"READY": "1", "STATUS": "well", "WATCHDOG": "1"}
    assert manager.message() == {"WATCHDOG": "1"}
    assert manager.silent()


def test_a_watchdog_shorter_than_ticks_need_is_lengthened_before_it_bites(manager: NotifySocket) -> None:
    notifier(manager.path, silence_s=1500, WATCHDOG_USEC="60000000").ticked(1)
    assert manager.message()["WATCHDOG_USEC"] == "1500000000"


@pytest.mark.parametrize(
    "watchdog",
    [
        pytest.param({}, id="none"),
        pytest.param({"WATCHDOG_USEC": "0"}, id="off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, id="no number"),
        pytest.param({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, id="another process's"),
    ],
)
def test_a_watchdog_that_does_not_watch_this_process_is_not_fed(
    manager: NotifySocket, watchdog: dict[str, str]
) -> None:
    told = Notifier(
        {"NOTIFY_SOCKET": str(manager.path), **watchdog},
        clock=SteppedClock(),
        status="well",
        longest_silence_s=25,
    )
    told.ticked(1)
    assert manager.message() == {"READY": "1", "STATUS": "well"}


def test_the_watchdog_of_this_process_is_fed(manager: NotifySocket) -> None:
    notifier(manager.path, WATCHDOG_USEC="60000000", WATCHDOG_PID=str(os.getpid())).ticked(1)
    assert manager.message()["WATCHDOG"] == "1"


def test_a_reload_is_told_with_its_time_and_its_end(manager: NotifySocket) -> None:
    told = notifier(manager.path)
    told.ticked(1)
    manager.message()
    told.reloading()
    assert manager.message() == {
        "RELOADING": "1",
        "MONOTONIC_USEC": f"{SteppedClock().monotonic_s() * 1e6:.0f}",
    }
    told.reloaded()
    assert manager.message() == {"READY": "1"}


def test_a_reload_before_the_first_tick_does_not_make_the_service_ready(manager: NotifySocket) -> None:
    told = notifier(manager.path)
    told.reloading()
    told.reloaded()
    assert manager.silent()


def test_the_end_is_told(manager: NotifySocket) -> None:
    notifier(manager.path).stopping()
    assert manager.message() == {"STOPPING": "1"}


def test_a_status_stays_on_its_line(manager: NotifySocket) -> None:
    notifier(manager.path, status="qemu:///a\nMAINPID=1").ticked(1)
    assert set(manager.message()) == {"READY", "STATUS"}


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        name = f"vcpu-autoscaler-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.settimeout(20)
        notifier(f"@{name}").stopping()
        assert abstract.recv(100) == b"STOPPING=1"


def said_everything(told: Notifier) -> None:
    told.ticked(1)
    told.reloading()
    told.reloaded()
    told.stopping()


def test_without_systemd_nothing_is_told_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    said_everything(notifier(""))
    assert caplog.messages == []


def read_by_nobody(manager: NotifySocket) -> ExitStack:
    """Whose end lets the messages in again that its senders left no room for."""
    # One sender alone may not have so much on the way that the reader's queue is full.
    full = ExitStack()
    while True:
        sender = full.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sender.settimeout(0)
        try:
            sender.sendto(b"x=", str(manager.path))
        except BlockingIOError:
            return full


@contextmanager
def nobody_there(folder: Path) -> Iterator[Path]:
    yield folder / "gone.sock"


@contextmanager
def nobody_reads(folder: Path) -> Iterator[Path]:
    with notify_socket(folder) as manager, read_by_nobody(manager):
        yield manager.path


@pytest.mark.parametrize("arranged", [nobody_there, nobody_reads])
def test_a_systemd_that_does_not_listen_holds_nothing_up_and_is_told_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    arranged: Callable[[Path], AbstractContextManager[Path]],
) -> None:
    with arranged(tmp_path) as address:
        said_everything(notifier(address))
    assert [words for words in caplog.messages if "systemd could not be told" not in words] == []
    assert [words.split()[5] for words in caplog.messages] == ["READY=1:", "STOPPING=1:"], "each once"


def read(manager: NotifySocket) -> list[dict[str, str]]:
    """All that came, but for what filled the socket."""
    found = []
    while not manager.silent():
        found.append(manager.message())
    return [message for message in found if message != {"x": ""}]


def test_what_systemd_had_no_room_to_hear_is_told_at_the_next_tick(manager: NotifySocket) -> None:
    told = notifier(manager.path, silence_s=1500, WATCHDOG_USEC="60000000")
    with read_by_nobody(manager):
        told.ticked(1)
    assert read(manager) == []
    told.ticked(2)
    (message,) = read(manager)
    assert message == {"READY": "1", "STATUS": "well", "WATCHDOG_USEC": "1500000000", "WATCHDOG": "1"}
    told.ticked(3)
    assert read(manager) == [{"WATCHDOG": "1"}]


def test_a_reload_whose_end_was_not_heard_is_ended_at_the_next_tick(manager: NotifySocket) -> None:
    told = notifier(manager.path)
    told.ticked(1)
    told.reloading()
    read(manager)
    with read_by_nobody(manager):
        told.reloaded()
    assert read(manager) == []
    told.ticked(2)
    assert read(manager) == [{"READY": "1"}]


def test_a_reload_that_goes_on_is_told_of_at_the_next_tick_and_one_that_is_over_not_at_all(
    manager: NotifySocket,
) -> None:
    told = notifier(manager.path)
    told.ticked(1)
    read(manager)
    with read_by_nobody(manager):
        told.reloading()
    assert read(manager) == []
    told.ticked(2)
    assert [set(message) for message in read(manager)] == [{"RELOADING", "MONOTONIC_USEC"}]
    told.reloaded()
    assert read(manager) == [{"READY": "1"}]
    with read_by_nobody(manager):
        told.reloading()
        told.reloaded()
    read(manager)
    told.ticked(3)
    assert manager.silent()
