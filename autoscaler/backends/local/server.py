"""Answers requests at a unix socket, one a connection; `wire` says what goes over it.

Invariants: a peer that is slow, silent or endless costs one thread for a bounded time, and nothing else;
there are never more than `most_at_once` of them, and where others wait for a place they have it for a moment
only; those who are refused do not fill the log; where the socket's file was removed or replaced, another is
made as soon as that takes it from nobody.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.local.bound_socket import BoundSocket, SocketUnavailable
from autoscaler.backends.local.conversation import Conversation
from autoscaler.backends.local.peer import peer_of
from autoscaler.backends.local.thinned import Thinned
from autoscaler.backends.local.wire import encoded, receive, send
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from autoscaler.backends.local.peer import Peer

    Answering = Callable[[Mapping[str, object], Peer], Mapping[str, object]]
    """What is answered to a request of a peer."""

_log = logging.getLogger("autoscaler")

_BACKLOG = 128
_REQUEST_S = 5.0
"""From the connection until the request is whole."""
_ANSWER_S = 5.0
"""Until the peer has taken the answer in."""
_WAITED_FOR_S = 0.01
"""So long a peer is waited for, for either, where all places are taken and others wait for one."""
_LOOK_S = 1.0
"""How long it takes at most until it is noticed that the socket's file is not in its place."""
_REST_S = 1.0
"""Before the next try where no connection could be taken: the descriptors have run out, say."""


class LineServer:
    """Listens at a path; each connection has a thread of its own, which ends with it."""

    def __init__(
        self,
        path: Path,
        answer: Answering,
        *,
        name: str,
        set_by: str,
        admits: Callable[[Peer], bool],
        refusal: str,
        most_request_bytes: int,
        most_at_once: int,
    ) -> None:
        """Make the socket; what lies there of a process that was killed is replaced.

        Args:
            path: where.
            answer: makes the answer to a request of one who is let in; its errors are answered, too.
            name: what the socket is, in a word, for the log and for sentences.
            set_by: what says where it is, for sentences.
            admits: who is let in.
            refusal: what everybody else is told.
            most_request_bytes: a longer line is refused.
            most_at_once: connections that are served at a time; the kernel lets the others wait.

        Raises:
            SocketUnavailable: with what to do.
        """
        self._path = path
        self._answering = answer
        self._name = name
        self._admits = admits
        self._refusal = refusal
        self._refused = Thinned()
        self._most_request_bytes = most_request_bytes
        self._bind = partial(BoundSocket, path, name=name, set_by=set_by)
        self._bound = self._bind()
        self._trouble: str | None = None
        self._free = threading.Semaphore(most_at_once)
        self._connections: dict[Conversation, None] = {}
        """Those that have a place, the oldest first."""
        self._closed = threading.Event()
        self._wake = os.eventfd(0)
        """Becomes readable when the thread is to look whether it is over."""
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def troubles(self) -> dict[str, str]:
        """Why no request can reach it, by its name."""
        return {} if self._trouble is None else {self._name: self._trouble}

    def start(self) -> None:
        """Begin to answer."""
        self._listen()
        self._thread.start()

    def close(self) -> None:
        """Stop answering, hang up on everybody, remove the socket; what is being done is not waited for."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._thread.is_alive():
            self._free.release()
            os.eventfd_write(self._wake, 1)
            self._thread.join(timeout=5)
        self._bound.close()
        os.close(self._wake)
        for conversation in tuple(self._connections):
            conversation.hang_up()

    def _serve(self) -> None:
        """Take connections in, each when there is a place for it; the kernel lets the others wait."""
        while not self._closed.is_set():
            self._see_to_the_file()
            if not self._is_called():
                continue
            self._wait_for_a_place()
            if self._closed.is_set():
                return
            try:
                connection = self._next_connection()
            except OSError as error:
                self._free.release()
                _log.warning("%s: no connection can be taken: %s", self._name, error.strerror)
                self._closed.wait(_REST_S)
                continue
            if connection is None:
                self._free.release()
            else:
                self._begin(Conversation(connection))

    def _wait_for_a_place(self) -> None:
        """Take one of the places; who was waited for longest gives his up for it."""
        if self._free.acquire(blocking=False):
            return
        farewell = _error("others waited, and no request had come: ask again")
        while True:
            for conversation in tuple(self._connections):
                if conversation.give_way(_WAITED_FOR_S, farewell):
                    break
            if self._free.acquire(timeout=_WAITED_FOR_S):
                return

    def _listen(self) -> None:
        self._bound.listener.listen(_BACKLOG)
        self._bound.listener.setblocking(False)  # noqa: FBT003 - its name

    def _is_called(self) -> bool:
        """Wait until somebody connects, but not longer than the file may go unlooked at."""
        waiting = select.poll()
        for file in (self._bound.listener.fileno(), self._wake):
            waiting.register(file, select.POLLIN)
        return bool(waiting.poll(1000 * _LOOK_S))

    def _next_connection(self) -> socket.socket | None:
        with contextlib.suppress(BlockingIOError):
            return self._bound.listener.accept()[0]
        return None

    def _see_to_the_file(self) -> None:
        """Listen at the path again where it does not lead here any more, and say so; or say why not."""
        trouble = None
        if not self._bound.in_place:
            try:
                before, self._bound = self._bound, self._bind()
            except SocketUnavailable as error:
                trouble = str(error)
            else:
                self._listen()
                before.close()
                _log.warning("%s: %s was removed or replaced, and was made anew", self._name, self._path)
        if trouble is not None and trouble != self._trouble:
            _log.warning("%s: %s", self._name, trouble)
        self._trouble = trouble

    def _begin(self, conversation: Conversation) -> None:
        self._connections[conversation] = None
        thread = threading.Thread(
            target=self._converse, args=(conversation,), name=f"{self._name}-peer", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more threads. Whoever asked sees that nobody answered.
            self._end(conversation)

    def _converse(self, conversation: Conversation) -> None:
        """Answer one request."""
        try:
            line = self._line_for(conversation)
            conversation.await_reader()
            # Where the peer does not take it any more, there is nobody to be told.
            with contextlib.suppress(OSError):
                send(conversation.connection, line, until=Deadline.after(_ANSWER_S))
        finally:
            self._end(conversation)

    def _end(self, conversation: Conversation) -> None:
        conversation.close()
        del self._connections[conversation]
        self._free.release()

    def _line_for(self, conversation: Conversation) -> bytes:
        """The line that answers a request, or none where nobody waits for it."""
        connection = conversation.connection
        try:
            peer = peer_of(connection)
            if not self._admits(peer):
                return self._turned_away(peer)
            request = receive(
                connection, most_bytes=self._most_request_bytes, until=Deadline.after(_REQUEST_S)
            )
            conversation.take_turn()
        except TimeoutError:
            return _error(f"no whole request came within {_REQUEST_S:g} s")
        except ValueError as error:
            return _error(f"a request is one line, a JSON object with the key 'verb'; this was {error}")
        except (EOFError, OSError):
            return b""
        return self._answer_to(request, peer)

    def _turned_away(self, peer: Peer) -> bytes:
        """The line for one who is not let in, whatever he asks."""
        so_far = self._refused.count(peer.uid)
        if so_far is not None:
            _log.warning("%s: %s may not ask and was refused (%d so far)", self._name, peer, so_far)
        return _error(self._refusal)

    def _answer_to(self, request: Mapping[str, object], peer: Peer) -> bytes:
        try:
            return encoded(self._answering(request, peer))
        except AutoscalerError as error:
            return _error(str(error))
        except Exception as error:  # noqa: BLE001 - one bad call must not end the process for every other
            _log.exception("a call failed in a way that it should not")
            sentence = f"internal error: {error!r}; please report it with the log"
            return encoded({"error": sentence, "kind": type(error).__name__})


def _error(sentence: str) -> bytes:
    return encoded({"error": sentence})
