"""The control socket: whatever changes something is asked for here, on this host, by those who may.

Each connection carries one request; `control_wire` says how. A verb runs on a thread of this socket, so what
it does to the controller goes through `on_controller`.

Invariants: a peer that is slow, silent or endless costs one of these threads for a bounded time, and nothing
else; where the socket's file was removed or replaced, another is made as soon as that takes it from nobody.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.agent.deadline import Deadline
from autoscaler.policyfile.problem import shown
from autoscaler.ports import AutoscalerError, OutcomeUnknown
from autoscaler.service.bound_socket import BoundSocket, ControlUnavailable
from autoscaler.service.clock import SystemClock
from autoscaler.service.control_wire import encoded, receive, send
from autoscaler.service.lanes import outcome_of
from autoscaler.service.peer import admits, peer_of
from autoscaler.service.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from autoscaler.service.inbox import Inbox
    from autoscaler.service.peer import Peer

    Verb = Callable[[Mapping[str, object], Peer], Mapping[str, object]]
    """Carries out a request, all but its name, for its peer; returns the answer, all but that it is one."""

T = TypeVar("T")

_log = logging.getLogger("autoscaler")

_MOST_REQUEST_BYTES = 4 * 1024 * 1024
_MOST_AT_ONCE = 8
_BACKLOG = 128
_REQUEST_S = 5.0
"""From the connection until the request is whole."""
_ANSWER_S = 5.0
"""Until the peer has taken the answer in."""
_LOOK_S = 1.0
"""How long it takes at most until it is noticed that the socket's file is not in its place."""
_REST_S = 1.0
"""Before the next try where no connection could be taken: the descriptors have run out, say."""


class ControllerBusy(AutoscalerError):
    """The controller did not get to it, and will not: nothing was done."""


def on_controller(inbox: Inbox, call: Callable[[], T], timeout_s: float) -> T:
    """Run `call` on the controller's thread, wait, and return what it returned or raise what it raised.

    Raises:
        ControllerBusy: it was not begun in time and is not going to be.
        OutcomeUnknown: it was begun in time, and had not ended after as long again.
    """
    outcome: Future[T | AutoscalerError] = Future()

    def run() -> None:
        if outcome.set_running_or_notify_cancel():
            outcome.set_result(outcome_of(call))

    inbox.post(run)
    try:
        result = outcome.result(timeout_s)
    except TimeoutError:
        if outcome.cancel():
            raise ControllerBusy(
                f"the service was too busy for {timeout_s:g} s and has done nothing: ask again"
            ) from None
        result = _late(outcome, timeout_s)
    if isinstance(result, AutoscalerError):
        raise result
    return result


def _late(outcome: Future[T], timeout_s: float) -> T:
    try:
        return outcome.result(timeout_s)
    except TimeoutError:
        raise OutcomeUnknown(
            "the service has begun and not ended it yet: look with `autoscaler status` what came of it"
        ) from None


class ControlSocket:
    """Listens at a path and carries out verbs."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        """Make the socket; what lies there of a service that was killed is replaced.

        Raises:
            ControlUnavailable: with what to do.
        """
        self._path = path
        self._verbs = verbs
        self._bound = BoundSocket(path)
        self._trouble: str | None = None
        self._free = threading.Semaphore(_MOST_AT_ONCE)
        self._workers = Workers("control", _MOST_AT_ONCE, SystemClock())
        self._connections: set[socket.socket] = set()
        self._closed = threading.Event()
        self._wake = os.eventfd(0)
        """Becomes readable when the thread is to look whether it is over."""
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    @property
    def troubles(self) -> dict[str, str]:
        """Why no order can reach the service."""
        return {} if self._trouble is None else {"control": self._trouble}

    def start(self) -> None:
        """Begin to answer."""
        self._listen()
        self._thread.start()

    def close(self) -> None:
        """Stop answering, hang up on everybody and remove the socket; a verb that runs is not waited for."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._thread.is_alive():
            self._free.release()
            os.eventfd_write(self._wake, 1)
            self._thread.join(timeout=5)
        self._bound.close()
        os.close(self._wake)
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._workers.close()

    def _serve(self) -> None:
        """Take connections in while a worker is free; the kernel lets the others wait."""
        while True:
            self._free.acquire()
            if self._closed.is_set():
                return
            self._see_to_the_file()
            try:
                connection = self._next_connection()
            except OSError as error:
                self._free.release()
                _log.warning("control: no connection can be taken: %s", error.strerror)
                self._closed.wait(_REST_S)
                continue
            if connection is None:
                self._free.release()
            else:
                self._connections.add(connection)
                self._workers.submit(partial(self._converse, connection))

    def _listen(self) -> None:
        self._bound.listener.listen(_BACKLOG)
        self._bound.listener.setblocking(False)  # noqa: FBT003 - its name

    def _next_connection(self) -> socket.socket | None:
        """Wait for the next one, but not longer than the file may go unlooked at."""
        waiting = select.poll()
        for file in (self._bound.listener, self._wake):
            waiting.register(file, select.POLLIN)
        waiting.poll(1000 * _LOOK_S)
        with contextlib.suppress(BlockingIOError):
            return self._bound.listener.accept()[0]
        return None

    def _see_to_the_file(self) -> None:
        """Listen at the path again where it does not lead here any more, and say so; or say why not."""
        trouble = None
        if not self._bound.in_place:
            try:
                before, self._bound = self._bound, BoundSocket(self._path)
            except ControlUnavailable as error:
                trouble = str(error)
            else:
                self._listen()
                before.close()
                _log.warning("control: %s was removed or replaced: orders are taken there again", self._path)
        if trouble is not None and trouble != self._trouble:
            _log.warning("control: %s", trouble)
        self._trouble = trouble

    def _converse(self, connection: socket.socket) -> None:
        """Answer one request, on a worker."""
        try:
            with connection:
                answer = outcome_of(partial(self._answer_to, connection))
                _answer(connection, _error(str(answer)) if isinstance(answer, AutoscalerError) else answer)
        finally:
            self._connections.discard(connection)
            self._free.release()

    def _answer_to(self, connection: socket.socket) -> bytes:
        """The line that answers a request, or none where nobody waits for it.

        Raises:
            AutoscalerError: the answer is its sentence.
        """
        try:
            peer = peer_of(connection)
            if not admits(self._path.stat(), peer):
                _log.warning("control: %s may not give orders and was refused", peer)
                return _error("root, the service's user and its group may give orders, nobody else")
            request = receive(connection, most_bytes=_MOST_REQUEST_BYTES, until=Deadline.after(_REQUEST_S))
        except TimeoutError:
            return _error(f"no whole request came within {_REQUEST_S:g} s")
        except ValueError as error:
            return _error(f"a request is one line, a JSON object with the key 'verb'; this was {error}")
        except (EOFError, OSError):
            return b""
        name = request.pop("verb", None)
        verb = self._verbs.get(name) if isinstance(name, str) else None
        if verb is None:
            return _error(f"there is no verb {shown(str(name))}; there are {', '.join(self._verbs)}")
        _log.info("control: %s asks for %s", peer, name)
        return encoded({**verb(request, peer), "ok": True})


def _error(sentence: str) -> bytes:
    return encoded({"error": sentence})


def _answer(connection: socket.socket, line: bytes) -> None:
    """Send the line; where the peer does not take it any more, there is nobody to be told."""
    with contextlib.suppress(OSError):
        send(connection, line, until=Deadline.after(_ANSWER_S))
