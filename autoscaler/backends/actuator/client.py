"""Asks the actuator, one connection a request.

Invariant: a change whose answer is lost is `OutcomeUnknown`, and one that the actuator never read is not.
The kernel tells which: it resets a connection whose other end is closed over a request that nobody has read.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from autoscaler.backends.actuator.protocol import ERRORS, MOST_ANSWER_BYTES, VALUES, Refusal, Verb
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.local.wire import connect, encoded, receive, send
from autoscaler.errors import AutoscalerError, BackendUnavailable, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autoscaler.backends.actuator.protocol import Reading
    from autoscaler.core.model import DomainId

PATIENCE_S = 60.0
"""Longest that an answer is waited for: more than the actuator itself waits for a guest or for libvirt."""


class ActuatorClient:
    """The way to one actuator; any thread may use it."""

    def __init__(
        self, path: Path, *, asked: Callable[[str, float], None], refused: Callable[[Refusal], None]
    ) -> None:
        """Remember where it listens; it is not asked yet.

        Args:
            path: its socket.
            asked: told of each command that the actuator asked an agent, with the seconds that it took.
            refused: told of each request that the actuator refused, and why.
        """
        self._path = path
        self._asked = asked
        self._refused = refused
        self._closed = False
        self._out: set[socket.socket] = set()

    def change(self, verb: Verb, domain: DomainId, **arguments: int) -> object:
        """Have a domain changed, and return what came of it.

        Raises:
            OutcomeUnknown: no answer came, though it was asked.
            BackendUnavailable: it did not hear of it, so that nothing was done.
            AutoscalerError: what the actuator says, as the ports have it.
        """
        request = {"verb": verb, "host": domain.host, "uuid": domain.uuid, **arguments}
        return self._ask(request, PATIENCE_S, lost=OutcomeUnknown)

    def read(self, what: Reading, *, patience_s: float = PATIENCE_S, **arguments: str | bool) -> object:
        """Have something read.

        Raises:
            BackendUnavailable: no answer came.
            AutoscalerError: what the actuator says, as the ports have it.
        """
        return self._ask({"verb": Verb.READ, "what": what, **arguments}, patience_s, lost=BackendUnavailable)

    def close(self) -> None:
        """Ask no more; whoever waits for an answer gets none. Again is harmless."""
        self._closed = True
        for connection in tuple(self._out):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _ask(
        self, request: dict[str, object], patience_s: float, *, lost: Callable[[str], AutoscalerError]
    ) -> object:
        if self._closed:
            raise BackendUnavailable("the way to the actuator is closed: the service is stopping")
        until = Deadline.after(patience_s)
        with self._connection() as connection:
            try:
                connect(connection, self._path, patience_s=patience_s)
            except OSError as error:
                raise BackendUnavailable(self._unreachable(error)) from error
            try:
                try:
                    send(connection, encoded(request), until=until)
                except (BrokenPipeError, ConnectionResetError):
                    # One that refuses whoever connects answers and hangs up, though there is more to say.
                    lost = BackendUnavailable
                answer = receive(connection, most_bytes=MOST_ANSWER_BYTES, until=until)
                return self._taken(answer, lost)
            except (OSError, EOFError, ValueError) as error:
                if isinstance(error, ConnectionResetError):
                    lost = BackendUnavailable
                what = (
                    f"did not answer within {patience_s:g} s"
                    if isinstance(error, TimeoutError)
                    else "gave no answer"
                )
                raise lost(
                    f"the actuator at {self._path} {what} ({_why(error)}): see "
                    "`journalctl -u vcpu-autoscaler-actuator`"
                ) from error

    @contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            self._out.add(connection)
            try:
                yield connection
            finally:
                self._out.discard(connection)

    def _taken(self, answer: dict[str, object], lost: Callable[[str], AutoscalerError]) -> object:
        """What an answer says.

        Raises:
            AutoscalerError: the error that it says; `lost` makes one of a kind that is not known here. One
                of no kind is said by who takes requests in, before they are looked at.
            ValueError: it is none.
        """
        asked = answer.get("asked", ())
        if isinstance(asked, list):
            for command, seconds in asked:
                self._asked(str(command), float(seconds))
        if "error" in answer:
            cause, kind = str(answer.get("refused")), answer.get("kind")
            if cause in set(Refusal):
                self._refused(Refusal(cause))
            failure = BackendUnavailable if kind is None else ERRORS.get(str(kind), lost)
            raise failure(str(answer["error"]))
        if "ok" not in answer:
            raise ValueError("an answer of another kind")
        return VALUES.from_plain(answer["ok"])

    def _unreachable(self, error: OSError) -> str:
        if isinstance(error, PermissionError):
            return (
                f"this user may not use the actuator's socket {self._path}: run the service as the user that "
                "the actuator was started for"
            )
        return (
            f"no actuator answers at {self._path} ({error.strerror}): "
            "`systemctl status vcpu-autoscaler-actuator`, or take the key 'actuator' out of the configuration"
        )


def _why(error: Exception) -> str:
    return error.strerror or "it hung up" if isinstance(error, OSError) else str(error) or "it hung up"
