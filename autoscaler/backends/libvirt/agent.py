"""Asks guest agents through libvirt, so that no guest can starve another of its turn or of libvirtd.

A libvirtd has 20 workers, and an agent call holds one until the guest answers. So no more than `PLACES` calls
are out, each on a connection of its own, a domain has one call out, and the guests that did not answer last
time share half of the places: however many hang, the others find one free.

What a call can cost, with a guest that does not answer: libvirt first puts the channel back in step, up to
5 s twice, then waits `timeout_s` in whole seconds, and before both up to 30 s when someone else is asking
that agent. agentSetResponseTimeout would shorten the first, but it is a property of the domain, not of this
connection: every other user's fsfreeze would inherit it, and a backup that needs 20 s to freeze would fail.
So it is not touched; whoever calls has a deadline of its own.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from autoscaler.backends.agent.wire import decode_reply, encode_request
from autoscaler.backends.libvirt.agent_errors import ask_failed
from autoscaler.backends.libvirt.binding import libvirt, libvirt_qemu
from autoscaler.backends.libvirt.link import agent_listens, is_active, is_alive
from autoscaler.backends.libvirt.link_pool import LinkPool
from autoscaler.core.named import Named
from autoscaler.errors import (
    AgentNonsense,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.backends.libvirt.link import LibvirtLink
    from autoscaler.core.model import DomainId
    from autoscaler.ports import Clock

PLACES = 12
PLACES_OF_SILENT = PLACES // 2
"""Of these, how many the guests may hold that did not answer last time."""


class LibvirtAgentChannel:
    """An `AgentChannel` over libvirt's qemuAgentCommand. libvirt marks the domain as tainted, no more."""

    def __init__(self, uri: str, *, clock: Clock) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            uri: any that libvirt takes; the user needs the right domain:write on it.
            clock: times the deadlines.
        """
        self._clock = clock
        self._uri = uri
        self._links = LinkPool(uri, clock=clock, places=PLACES)
        self._silent: set[DomainId] = set()
        """Domains whose agent did not answer the last call."""
        self._places_of_silent = threading.BoundedSemaphore(PLACES_OF_SILENT)
        self._turns: WeakValueDictionary[DomainId, threading.Lock] = WeakValueDictionary()
        self._taking_turns = threading.Lock()

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        """Send one command and return the decoded value of its ``return``; see `AgentChannel`.

        `timeout_s` bounds the waiting for a turn and, rounded up to whole seconds, the guest's answer.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        request = encode_request(command, arguments).decode()
        with self._turn(domain, timeout_s), self._place(domain, deadline_s) as link, self._noted(domain):
            connection = link.connection()
            left_s = max(1, math.ceil(self._left_s(deadline_s)))
            named, handle = Named(self._uri, domain.uuid, domain.uuid), None
            try:
                handle = connection.lookupByUUIDString(domain.uuid)
                named = Named(self._uri, domain.uuid, handle.name())
                reply = libvirt_qemu.qemuAgentCommand(handle, request, left_s, 0)
            except libvirt.libvirtError as error:
                alive = is_alive(connection)
                active = handle is not None and is_active(handle)
                listens = handle is None or agent_listens(handle)
                raise ask_failed(
                    error, named, command, alive=alive, active=active, listens=listens
                ) from error
            except UnicodeDecodeError as error:
                raise AgentNonsense(
                    f"the agent of domain {named} answered {command} in bytes that are no UTF-8"
                ) from error
        return decode_reply(reply, domain=named, command=command)

    def forget(self, domain: DomainId) -> None:
        """Drop what is known of a domain that is gone."""
        self._silent.discard(domain)

    def close(self) -> None:
        """Let go of the connections; calls still out end by themselves."""
        self._links.close()

    @contextmanager
    def _turn(self, domain: DomainId, patience_s: float) -> Iterator[None]:
        with self._taking_turns:
            turn = self._turns.setdefault(domain, threading.Lock())
        if not turn.acquire(timeout=max(0.0, patience_s)):
            raise DomainBusy(f"an earlier call to the agent of domain {domain.uuid} is still out")
        try:
            yield
        finally:
            turn.release()

    @contextmanager
    def _place(self, domain: DomainId, deadline_s: float) -> Iterator[LibvirtLink]:
        with (
            self._among_silent(deadline_s) if domain in self._silent else nullcontext(),
            self._links.lease(self._left_s(deadline_s)) as link,
        ):
            yield link

    @contextmanager
    def _among_silent(self, deadline_s: float) -> Iterator[None]:
        if not self._places_of_silent.acquire(timeout=max(0.0, self._left_s(deadline_s))):
            raise BackendUnavailable(
                f"this agent did not answer last time, and {PLACES_OF_SILENT} others that did not are being "
                f"tried at {self._uri} now"
            )
        try:
            yield
        finally:
            self._places_of_silent.release()

    @contextmanager
    def _noted(self, domain: DomainId) -> Iterator[None]:
        """Remember whether the agent answers."""
        try:
            yield
        except AgentUnresponsive:
            self._silent.add(domain)
            raise
        except AutoscalerError:
            self._silent.discard(domain)
            raise
        else:
            self._silent.discard(domain)

    def _left_s(self, deadline_s: float) -> float:
        return deadline_s - self._clock.monotonic_s()
