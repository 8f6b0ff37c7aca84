"""The host's side of the load port and the monitor, against scripted servers on real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.lab import monitor
from autoscaler.lab.errors import BadSpec, LabError
from autoscaler.lab.guest import Guest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LoadOnly(Guest):
    """A guest of which only the load port exists."""

    def vcpus(self) -> tuple[int, int]:
        raise NotImplementedError

    def reboot(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def destroy(self) -> None:
        raise NotImplementedError

    def _agent_answers(self, timeout_s: float) -> bool:
        del timeout_s
        return False


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Starts a server that greets, and gives each line that it is sent to `answer` for what to send back."""
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def start(answer: Callable[[bytes], bytes], greeting: bytes = b"") -> Path:
        path = tmp_path / "socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def run() -> None:
            with listener:
                while not stopped.is_set():
                    try:
                        client, _ = listener.accept()
                    except TimeoutError:
                        continue
                    # A client that had enough leaves in the middle.
                    with contextlib.suppress(ConnectionError), client, client.makefile("rb") as lines:
                        client.sendall(greeting)
                        for line in lines:
                            client.sendall(answer(line))

        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)
        return path

    yield start
    stopped.set()
    for thread in threads:
        thread.join()


def guest(path: Path) -> LoadOnly:
    return LoadOnly(name="g", uuid="", load_socket=path)


def test_a_load_is_sent_in_plain_decimals_and_confirmed(serve: Callable[..., Path]) -> None:
    lines: list[bytes] = []

    def answer(line: bytes) -> bytes:
        lines.append(line)
        return b"ok " + line

    guest(serve(answer)).load(1.8)
    assert lines[0].split()[0] == b"1.800"


def test_an_answer_to_an_earlier_line_is_passed_over(serve: Callable[..., Path]) -> None:
    guest(serve(lambda line: b"ok 1.800 #0000\nok agent stop #1\nok " + line)).load(1.8)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(lambda line: b"error " + line, "refused 'dance'", id="a refusal"),
        pytest.param(lambda _: b"ok something else\n", "did not answer", id="only other answers"),
        pytest.param(lambda _: b"", "did not answer", id="silence"),
        pytest.param(lambda _: b"\xff" * 9000, "did not answer", id="more than an answer can be"),
    ],
)
def test_anything_but_the_confirmation_is_an_error_in_bounded_time(
    serve: Callable[..., Path], answer: Callable[[bytes], bytes], message: str
) -> None:
    with pytest.raises(LabError, match=message):
        guest(serve(answer)).command("dance", timeout_s=0.3)


def test_a_guest_that_is_gone_is_named_with_its_socket(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"Guest g did not answer 'ping' on .*/gone"):
        guest(tmp_path / "gone").command("ping", timeout_s=0.3)


@pytest.mark.parametrize("vcpus", [-0.1, 257.0, float("nan"), float("inf")])
def test_a_load_that_no_guest_can_have_is_not_sent(vcpus: float) -> None:
    with pytest.raises(BadSpec, match="cannot be loaded"):
        guest(Path("/nowhere")).load(vcpus)


def test_waiting_for_an_agent_that_never_comes_ends() -> None:
    with pytest.raises(LabError, match="agent of g did not answer within"):
        guest(Path("/nowhere")).wait_agent(timeout_s=0.2)


def qmp(replies: dict[str, object]) -> Callable[[bytes], bytes]:
    event = json.dumps({"event": "RTC_CHANGE"}).encode() + b"\n"

    def answer(line: bytes) -> bytes:
        reply = replies.get(json.loads(line)["execute"], {"return": {}})
        return event + json.dumps(reply).encode() + b"\n"

    return answer


def test_a_monitor_command_returns_its_value_past_events(serve: Callable[..., Path]) -> None:
    path = serve(qmp({"query-name": {"return": {"name": "g"}}}), greeting=b'{"QMP": {}}\n')
    assert monitor.execute(path, "query-name") == {"name": "g"}


@pytest.mark.parametrize(
    ("answer", "greeting"),
    [
        pytest.param(qmp({"stop": {"error": {"class": "GenericError"}}}), b'{"QMP": {}}\n', id="a refusal"),
        pytest.param(qmp({}), b"", id="no greeting"),
        pytest.param(lambda _: b"not json\n", b'{"QMP": {}}\n', id="no JSON"),
        pytest.param(lambda _: b"[]\n", b'{"QMP": {}}\n', id="no object"),
    ],
)
def test_a_monitor_that_does_not_do_it_is_an_os_error(
    serve: Callable[..., Path], answer: Callable[[bytes], bytes], greeting: bytes
) -> None:
    with pytest.raises(OSError, match=r"refused|timed out|nonsense"):
        monitor.execute(serve(answer, greeting), "stop", timeout_s=0.3)
