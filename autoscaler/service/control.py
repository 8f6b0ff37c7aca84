"""The control socket: whatever changes something is asked for here, on this host, by those who may.

Each connection carries one request; `wire` says how. A verb runs on a thread of this socket, so what
it does to the controller goes through `on_controller`.

Who is let in, and that nobody holds up anybody else, is `LineServer`'s.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.local.peer import admits
from autoscaler.backends.local.server import LineServer
from autoscaler.errors import AutoscalerError, OutcomeUnknown
from autoscaler.policyfile.problem import shown
from autoscaler.service.lanes import outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from autoscaler.backends.local.peer import Peer
    from autoscaler.service.inbox import Inbox

    Verb = Callable[[Mapping[str, object], Peer], Mapping[str, object]]
    """Carries out a request, all but its name, for its peer; returns the answer, all but that it is one."""

T = TypeVar("T")

_log = logging.getLogger("autoscaler")

_MOST_REQUEST_BYTES = 4 * 1024 * 1024
_MOST_AT_ONCE = 8


class NoSuchVerb(AutoscalerError):
    """What is asked for does not exist."""


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


class ControlSocket(LineServer):
    """Listens at a path and carries out verbs."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        """Make the socket.

        Only one service may do so at a time: its state directory is locked.

        Raises:
            SocketUnavailable: with what to do.
        """
        self._verbs = verbs
        super().__init__(
            path,
            self._carry_out,
            name="control",
            set_by="the key 'state'",
            admits=lambda peer: admits(path.stat(), peer),
            refusal="root, the service's user and its group may give orders, nobody else",
            most_request_bytes=_MOST_REQUEST_BYTES,
            most_at_once=_MOST_AT_ONCE,
        )

    def _carry_out(self, request: Mapping[str, object], peer: Peer) -> Mapping[str, object]:
        """Do what is asked.

        Raises:
            AutoscalerError: the answer is its sentence.
        """
        arguments = dict(request)
        name = arguments.pop("verb", None)
        verb = self._verbs.get(name) if isinstance(name, str) else None
        if verb is None:
            raise NoSuchVerb(f"there is no verb {shown(str(name))}; there are {', '.join(self._verbs)}")
        _log.info("control: %s asks for %s", peer, name)
        return {**verb(arguments, peer), "ok": True}
