"""Reads a guest's load and changes its online vCPUs, over any way to its agent.

Invariant: host-side counters stand in only where there is no channel to an agent, or one that allows nothing.
An agent that is stopped, slow, lies or is frozen gives an error instead: it may be back at the next sample,
and two sources must not alternate. Nor does an agent that fails cost more than its own guest: it has one call
out, and after a few failures in a row it is left alone for a while (`breaker`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from autoscaler.backends.agent.breaker import LONGEST_REST_S, Breaker
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.agent.files import GuestFiles
from autoscaler.backends.agent.probe_ladder import ProbeLadder
from autoscaler.backends.agent.session import AgentSession
from autoscaler.backends.agent.vcpus import OnlineLadder
from autoscaler.core.model import CpuSource, DomainEventKind, Sample
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentLeftAlone,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    DomainBusy,
    NoChannel,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.core.model import DomainEvent, DomainId, DomainView, GuestVcpus
    from autoscaler.errors import AgentError
    from autoscaler.ports import AgentChannel, Clock

_CLOSE_S = 2.0
_CLOSE_ONE_S = 0.2

_NEW_AGENT = frozenset({DomainEventKind.AGENT_CONNECTED, DomainEventKind.REBOOTED, DomainEventKind.STARTED})
"""After these, another agent may be there than the one that failed."""


class _Guest:
    """What is kept for one guest; `turn` is held by the one call that uses it."""

    def __init__(self, channel: AgentChannel, domain: DomainId) -> None:
        self.turn = threading.Lock()
        self.session = AgentSession(channel, domain)
        self.breaker = Breaker(domain.uuid)
        self.left_alone = ""
        """Why it is, once it is; a sentence."""
        self._meetings = self.breaker.meetings
        files = GuestFiles(self.session)
        self.probe = ProbeLadder(self.session, files)
        self.online = OnlineLadder(self.session, files)

    def recognize(self) -> None:
        """Ask an agent that opened its channel since the last call what it allows: it may be another one."""
        meetings = self.breaker.meetings
        if meetings != self._meetings:
            self._meetings = meetings
            self.session.forget_info()


class GuestAgent:
    """A `GuestProbe` and `GuestCpus`. Any thread may call; one call a domain at a time."""

    def __init__(self, channel: AgentChannel, clock: Clock, *, timeout_s: float) -> None:
        """Remember the way to the agents; none is asked yet.

        Args:
            channel: carries the requests.
            clock: stamps samples.
            timeout_s: longest that one call may take over one guest, however many requests it is made of.
        """
        self._channel = channel
        self._clock = clock
        self._timeout_s = timeout_s
        self._guests: dict[DomainId, _Guest] = {}
        self._finding = threading.Lock()

    def sample(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        """Read the counters by the best source this guest allows; see `GuestProbe`.

        Raises:
            NoChannel, AgentBlocked: and the host cannot see the vCPUs' own time either.
            AgentError, DomainGone, DomainBusy, BackendUnavailable: see `sample_of_guest`.
        """
        try:
            return self.sample_of_guest(domain, pressure=pressure)
        except (NoChannel, AgentBlocked) as error:
            return sample_of_host(domain, error)

    def sample_of_guest(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        """Read the guest's own counters.

        PSI is read after them and never costs them; what is wrong with it is not told.

        Raises:
            AgentLeftAlone: it failed too often; most of the time it was not even asked.
            AgentError, DomainGone, DomainBusy, BackendUnavailable: see `GuestProbe`.
        """
        with self._call(domain.id, domain.name) as guest:
            source, counters = guest.probe.read(self._clock.monotonic_s())
            _check_possible(len(counters.online), domain)
            at_s = self._clock.monotonic_s()
            pressure_s = guest.probe.pressure_s(source) if pressure else None
        return Sample(
            at_s=at_s,
            source=source,
            busy_s=counters.busy_s,
            steal_s=counters.steal_s,
            online=counters.online,
            runnable=counters.runnable,
            boot_s=counters.boot_s,
            pressure_s=pressure_s,
        )

    def vcpus(self, domain: DomainId) -> GuestVcpus:
        """List the vCPUs as the guest's kernel sees them; see `GuestCpus`."""
        with self._call(domain) as guest:
            return guest.online.vcpus()

    def set_online(self, domain: DomainId, *, target: int) -> GuestVcpus:
        """Bring the online vCPUs to `target`, and return what the guest has then; see `GuestCpus`.

        Raises:
            AgentRefused: the guest's kernel refused, and nothing was changed.
            AgentError, DomainGone, DomainBusy, BackendUnavailable: some vCPUs may have been changed.
        """
        with self._call(domain) as guest:
            return guest.online.set_online(target)

    def agent_version(self, domain: DomainId) -> str | None:
        """Version of the guest's agent; None where it was not heard yet, or not since it last went away."""
        with self._finding:
            guest = self._guests.get(domain)
        return guest.session.version if guest else None

    def heard(self, event: DomainEvent) -> None:
        """Try an agent at once that was left alone and may be another now; from any thread, at once.

        What it allows is asked anew by the next call.
        """
        if event.kind in _NEW_AGENT:
            with self._finding:
                guest = self._guests.get(event.domain)
            if guest is not None:
                guest.breaker.met()

    def forget(self, domain: DomainId) -> None:
        """Drop what is known of a domain's agent: the guest went away or was booted anew."""
        with self._finding:
            self._guests.pop(domain, None)

    def close(self) -> None:
        """Close what is open in the guests, as far as they answer within 2 s in all."""
        deadline = Deadline.after(_CLOSE_S)
        with self._finding:
            guests, self._guests = list(self._guests.values()), {}
        for guest in guests:
            if guest.turn.acquire(blocking=False):
                with suppress(AutoscalerError):
                    guest.session.begin(timeout_s=min(_CLOSE_ONE_S, deadline.left_s()))
                    guest.probe.release()
                guest.turn.release()

    @contextmanager
    def _call(self, domain: DomainId, name: str | None = None) -> Iterator[_Guest]:
        deadline = Deadline.after(self._timeout_s)
        with self._finding:
            guest = self._guests.get(domain)
            if guest is None:
                guest = self._guests[domain] = _Guest(self._channel, domain)
        # Nobody waits for how another's try of a failing agent ends.
        if not guest.turn.acquire(timeout=0 if guest.breaker.tripped else self._timeout_s):
            raise DomainBusy(f"an earlier call to the agent of domain {guest.session.name} is still out")
        try:
            if guest.breaker.rests(self._clock.monotonic_s()):
                raise AgentLeftAlone(guest.left_alone)
            guest.session.begin(timeout_s=deadline.left_s(), name=name)
            guest.recognize()
            with self._judged(guest):
                yield guest
        finally:
            guest.turn.release()

    @contextmanager
    def _judged(self, guest: _Guest) -> Iterator[None]:
        """Take in how a call ends: whether it is the agent that failed, and what is to be asked anew."""
        breaker, meetings = guest.breaker, guest.breaker.meetings
        try:
            yield
        except (AgentBlocked, AgentRefused):
            breaker.answered()
            raise
        except (AgentUnresponsive, AgentNonsense) as error:
            # Whoever answers next may be another agent, or the same with other rules.
            guest.session.forget_info()
            breaker.failed(self._clock.monotonic_s(), meetings=meetings)
            if not breaker.tripped:
                raise
            guest.left_alone = (
                f"{error}; that was not the first time, so it is left alone for up to {LONGEST_REST_S:.0f} s "
                f"between two tries"
            )
            raise AgentLeftAlone(guest.left_alone) from error
        except AutoscalerError as error:
            guest.session.forget_info()
            if isinstance(error, AgentAbsent):
                breaker.answered()
            raise
        else:
            breaker.answered()


def _check_possible(online: int, domain: DomainView) -> None:
    if online > domain.maximum:
        raise AgentNonsense(
            f"the agent of domain {domain.name} lists {online} vCPUs online where the domain can have "
            f"{domain.maximum}: it is not believed"
        )


def sample_of_host(domain: DomainView, error: AgentError) -> Sample:
    """The vCPU threads' own time, for a guest that cannot be asked; `error` says why.

    Raises:
        AgentError: the same; the host does not see their time.
    """
    if domain.vcpu_time_s is None:
        raise error
    return Sample(
        at_s=domain.at_s,
        source=CpuSource.HOST,
        busy_s=domain.vcpu_time_s,
        steal_s=domain.vcpu_delay_s or 0.0,
        online=frozenset(range(domain.plugged)),
        detail=str(error),
    )
