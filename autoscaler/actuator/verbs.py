"""The five verbs, each held to the bounds and to its domain's turn before a guest or its QEMU hears of it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from autoscaler.actuator.bounds import OutOfBounds, Unnamed
from autoscaler.actuator.held import HeldHost, TooManyOfHost
from autoscaler.actuator.requests import NotUnderstood, understood
from autoscaler.actuator.turns import TooMany, TooOften, Turns
from autoscaler.backends.actuator.protocol import ERRORS, VALUES, Reading, Refusal, Verb
from autoscaler.backends.local.thinned import Thinned
from autoscaler.errors import AutoscalerError, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.actuator.bounds import Charter
    from autoscaler.actuator.requests import Request
    from autoscaler.backends.local.peer import Peer
    from autoscaler.backends.reached import Reached
    from autoscaler.core.model import DomainId, DomainView, GuestVcpus
    from autoscaler.ports import Clock

_log = logging.getLogger("autoscaler")

_FOLLOW_STEP_S = 0.1
_CAUSES: dict[type[AutoscalerError], Refusal] = {
    NotUnderstood: Refusal.FORM,
    Unnamed: Refusal.UNNAMED,
    OutOfBounds: Refusal.BOUNDS,
    TooOften: Refusal.RATE,
    TooMany: Refusal.TURNS,
    TooManyOfHost: Refusal.TURNS,
}
"""The errors that are refusals; all others are what a guest or its host said."""


class Asked:
    """The commands that agents were asked for the request of this thread."""

    def __init__(self) -> None:
        self._here = threading.local()

    def note(self, command: str, seconds: float) -> None:
        """One more was asked."""
        if hasattr(self._here, "commands"):
            self._here.commands.append((command, seconds))

    def begin(self) -> list[tuple[str, float]]:
        """A list for the request that begins."""
        self._here.commands = []
        commands: list[tuple[str, float]] = self._here.commands
        return commands


class Verbs:
    """Carries out requests; any thread may ask."""

    def __init__(
        self,
        hosts: Iterable[Reached],
        *,
        charter: Callable[[], Charter],
        clock: Clock,
        asked: Asked,
        follow_s: float,
    ) -> None:
        """Take the connections.

        Args:
            hosts: those that may be asked for.
            charter: what is in force.
            clock: ages what is known, and counts requests.
            asked: what agents are asked.
            follow_s: how long a change that the bounds forbid waits for other bounds: where a policy was just
                edited, whoever asks may have read it sooner than the bounds were made.
        """
        self._turns = Turns(clock)
        self._hosts = {
            host.hypervisor.label: HeldHost(host, clock, swept=self._turns.keep_only) for host in hosts
        }
        self._charter = charter
        self._clock = clock
        self._asked = asked
        self._follow_s = follow_s
        self._refused = Thinned()

    def answer(self, request: Mapping[str, object], peer: Peer) -> Mapping[str, object]:
        """What is answered to a request; see `autoscaler.backends.actuator.protocol`."""
        commands = self._asked.begin()
        try:
            found = VALUES.to_plain(self._carried_out(understood(request)))
        except AutoscalerError as error:
            told = {"error": str(error), "kind": _kind_of(error), "asked": commands}
            cause = _CAUSES.get(type(error))
            if cause is None:
                return told
            self._tell(cause, error, peer)
            return {**told, "refused": cause}
        return {"ok": found, "asked": commands}

    def _tell(self, cause: Refusal, error: AutoscalerError, peer: Peer) -> None:
        so_far = self._refused.count(cause)
        if so_far is not None:
            _log.warning("refused (%s, %d so far), asked by %s: %s", cause, so_far, peer, error)

    def _carried_out(self, request: Request) -> object:
        host = self._hosts.get(request.host)
        if host is None:
            raise BackendUnavailable(
                f"the actuator holds no connection {request.host}: restart it once its bounds are made anew"
            )
        with host.place():
            return self._done_at(host, request)

    def _done_at(self, host: HeldHost, request: Request) -> object:
        if request.domain is None:
            return _read_host(host, request)
        view = host.view(request.domain)
        self._hold_to_bounds(view, request)
        if request.target is None:
            with self._turns.reading(view):
                return _read_guest(host.reached, view, request)
        with self._turns.change(view):
            return _change(host.reached, request.domain, request.verb, request.expect, request.target)

    def _hold_to_bounds(self, view: DomainView, request: Request) -> None:
        """Let a request pass that the bounds allow, or will in a moment.

        Raises:
            Unnamed, OutOfBounds: they do not.
        """
        end_s = self._clock.monotonic_s() + (self._follow_s if request.target is not None else 0.0)
        pause = threading.Event()
        while True:
            try:
                self._charter().check(view, request.verb, request.target)
            except (Unnamed, OutOfBounds):
                if self._clock.monotonic_s() >= end_s:
                    raise
                pause.wait(_FOLLOW_STEP_S)
            else:
                return


def _kind_of(error: AutoscalerError) -> str | None:
    """The name of the error, or of what it is one of, that the other side knows."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS), None)


def _read_host(host: HeldHost, request: Request) -> object:
    if request.what is Reading.DOMAINS:
        return tuple(host.domains()), dict(host.reached.hypervisor.troubles())
    host.reached.hypervisor.hear_firmware()
    return host.reached.reports()


def _read_guest(reached: Reached, view: DomainView, request: Request) -> object:
    if request.what is Reading.SAMPLE:
        return reached.agent.sample_of_guest(view, pressure=request.pressure)
    return reached.agent.vcpus(view.id)


def _change(reached: Reached, domain: DomainId, verb: Verb, expect: int, target: int) -> object:
    if verb is Verb.PLUG:
        reached.hypervisor.plug(domain, expect=expect, target=target)
        return None
    if verb is Verb.UNPLUG:
        return reached.hypervisor.unplug(domain, expect=expect, target=target)
    return _bring(reached, domain, verb, target)


def _bring(reached: Reached, domain: DomainId, verb: Verb, target: int) -> GuestVcpus:
    """Bring the online vCPUs to a count, in one direction only."""
    found = reached.agent.vcpus(domain)
    there = found.online >= target if verb is Verb.ONLINE else found.online <= target
    return found if there else reached.agent.set_online(domain, target=target)
