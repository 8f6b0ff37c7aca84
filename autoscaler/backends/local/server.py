"""Answers requests at a unix socket, one a connection; `wire` says what goes over it.

Invariants: the socket's file is never open to more than its group; a peer that is slow, silent or endless
costs one thread for a bounded time, and nothing else; there are never more than `most_at_once` of them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import threading
from typing import TYPE_CHECKING

from autoscaler.backends.address import UNIX_PATH_BYTES
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.local.peer import peer_of
from autoscaler.backends.local.wire import encoded, receive, send
from autoscaler.ports import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from autoscaler.backends.local.peer import Peer

    Answering = Callable[[Mapping[str, object], Peer], Mapping[str, object]]
    """What is answered to a request of a peer."""

_log = logging.getLogger("autoscaler")

_MODE_MASK = 0o117
"""What the socket's file may not have: it becomes 0660."""
_BACKLOG = 128
_REQUEST_S = 5.0
"""From the connection until the request is whole."""
_ANSWER_S = 5.0
"""Until the peer has taken the answer in."""
_REST_S = 1.0
"""Before the next try where no connection could be taken: the descriptors have run out, say."""


class SocketUnavailable(AutoscalerError):
    """The socket cannot be made."""


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
            path: where; only one process may do so at a time.
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
        self._most_request_bytes = most_request_bytes
        self._listener = _bound(path, name, set_by)
        self._free = threading.Semaphore(most_at_once)
        self._connections: set[socket.socket] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._listener.listen(_BACKLOG)
        self._thread.start()

    def close(self) -> None:
        """Stop answering, hang up on everybody, remove the socket; what is being done is not waited for."""
        self._closed.set()
        if self._thread.is_alive():
            # These wake the thread, which closing the listener under it would not do.
            self._free.release()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(timeout=5)
        self._listener.close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        """Take connections in while there is room; the kernel lets the others wait."""
        while True:
            self._free.acquire()
            if self._closed.is_set():
                return
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                self._free.release()
                if not self._closed.is_set():
                    _log.warning("%s: no connection can be taken: %s", self._name, error.strerror)
                    self._closed.wait(_REST_S)
            else:
                self._connections.add(connection)
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        thread = threading.Thread(
            target=self._converse, args=(connection,), name=f"{self._name}-peer", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more threads. Whoever asked sees that nobody answered.
            self._forget(connection)
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        """Answer one request."""
        try:
            with connection:
                line = self._line_for(connection)
                # Where the peer does not take it any more, there is nobody to be told.
                with contextlib.suppress(OSError):
                    send(connection, line, until=Deadline.after(_ANSWER_S))
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        self._connections.discard(connection)
        self._free.release()

    def _line_for(self, connection: socket.socket) -> bytes:
        """The line that answers a request, or none where nobody waits for it."""
        try:
            peer = peer_of(connection)
            if not self._admits(peer):
                _log.warning("%s: %s may not ask and was refused", self._name, peer)
                return _error(self._refusal)
            request = receive(
                connection, most_bytes=self._most_request_bytes, until=Deadline.after(_REQUEST_S)
            )
        except TimeoutError:
            return _error(f"no whole request came within {_REQUEST_S:g} s")
        except ValueError as error:
            return _error(f"a request is one line, a JSON object with the key 'verb'; this was {error}")
        except (EOFError, OSError):
            return b""
        return self._answer_to(request, peer)

    def _answer_to(self, request: Mapping[str, object], peer: Peer) -> bytes:
        try:
            return encoded(self._answering(request, peer))
        except AutoscalerError as error:
            return _error(str(error))
        except Exception as error:  # noqa: BLE001 - one bad call must not end the process for every other
            _log.exception("a call failed in a way that it should not")
            return _error(f"internal error: {error!r}; please report it with the log")


def _error(sentence: str) -> bytes:
    return encoded({"error": sentence})


def _bound(path: Path, name: str, set_by: str) -> socket.socket:
    """A socket at this path that does not listen yet, so that what may go wrong does before anything runs."""
    length = len(os.fsencode(path))
    if length > UNIX_PATH_BYTES:
        raise SocketUnavailable(
            f"the folder {path.parent} is too long for the {name} socket in it, whose path would have "
            f"{length} bytes and may have {UNIX_PATH_BYTES}: set a shorter one with {set_by}"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_MODE_MASK)
    try:
        _remove_stale(path)
        listener.bind(os.fsencode(path))
    except OSError as error:
        listener.close()
        raise SocketUnavailable(
            f"the {name} socket {path} cannot be made ({error.strerror}): give its folder to the user that "
            "runs this, and move away what lies at that path"
        ) from error
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that was killed; what is no socket is not ours to remove."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
