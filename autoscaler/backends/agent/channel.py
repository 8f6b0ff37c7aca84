"""Asks guest agents over their sockets, for guests whose QEMU is spoken to without libvirt.

Invariant: a reply that is returned answers the very request it is returned for. A connection on which
anything went wrong is closed, and the next one begins by getting into step (`connection`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.backends.agent.channel_errors import call_failed, connect_failed
from autoscaler.backends.agent.connection import AgentConnection, FloodedError
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.agent.wire import decode_reply, encode_request
from autoscaler.core.named import Named
from autoscaler.errors import AgentNonsense, BackendUnavailable, DomainBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from autoscaler.backends.address import Address
    from autoscaler.core.model import DomainId


class _Seat:
    """The one place from which a domain's agent is spoken to; `lock` is whose turn it is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: AgentConnection | None = None
        self.retired = False

    def connected(self, address: Address, deadline: Deadline) -> AgentConnection:
        """The kept connection where it is still good, else a new one."""
        kept = self.connection
        if kept is not None and kept.address == address and kept.in_step():
            return kept
        self.hang_up()
        self.connection = AgentConnection.open(address, deadline)
        return self.connection

    def hang_up(self) -> None:
        kept, self.connection = self.connection, None
        if kept is not None:
            kept.close()


class SocketAgentChannel:
    """An `AgentChannel` over unix and TCP sockets. Any thread may call; a domain has one call out."""

    def __init__(
        self,
        address_of: Callable[[DomainId], Address],
        *,
        name_of: Callable[[DomainId], str] = lambda domain: domain.uuid,
    ) -> None:
        """Remember how to find agents; nothing is connected yet.

        Args:
            address_of: where a domain's agent is reached; may raise AgentAbsent or DomainGone. Asked at each
                call, so that an agent that moved is followed.
            name_of: what messages call a domain.
        """
        self._address_of = address_of
        self._name_of = name_of
        self._seats: dict[DomainId, _Seat] = {}
        self._seating = threading.Lock()
        self._closed = False

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        """Send one command and return the decoded value of its ``return``; see `AgentChannel`.

        `timeout_s` bounds all of it: the wait for a turn, connecting, getting into step, the whole answer.

        Raises:
            AgentAbsent: nothing is behind the socket, or `address_of` knows that nobody listens.
            AgentUnresponsive: no whole answer by the deadline, or the agent hung up. It may have acted.
            AgentBlocked, AgentRefused, AgentNonsense, DomainGone: see `AgentChannel`.
            DomainBusy: an earlier call to this agent is out, or the guest's filesystems are frozen.
            BackendUnavailable: the socket may not be used, or this channel is closed.
        """
        deadline = Deadline.after(timeout_s)
        with self._turn(domain, deadline) as seat:
            name, address = self._name_of(domain), self._address_of(domain)
            try:
                connection = seat.connected(address, deadline)
            except (OSError, FloodedError) as error:
                raise connect_failed(error, address, name) from error
            try:
                reply = connection.exchange(encode_request(command, arguments), deadline)
            except (OSError, FloodedError) as error:
                seat.hang_up()
                raise call_failed(error, name, command, timeout_s) from error
            try:
                return decode_reply(reply, domain=Named(*domain, name), command=command)
            except AgentNonsense:
                seat.hang_up()
                raise

    def forget(self, domain: DomainId) -> None:
        """Hang up on a domain's agent; a call that waits for an answer ends with AgentUnresponsive."""
        with self._seating:
            seat = self._seats.pop(domain, None)
        if seat is not None:
            self._retire(seat)

    def close(self) -> None:
        """Hang up everywhere and take no more calls. Again is harmless."""
        with self._seating:
            self._closed = True
            seats, self._seats = self._seats, {}
        for seat in seats.values():
            self._retire(seat)

    @contextmanager
    def _turn(self, domain: DomainId, deadline: Deadline) -> Iterator[_Seat]:
        with self._seating:
            if self._closed:
                raise BackendUnavailable("the channel to the guest agents is closed: the service is stopping")
            seat = self._seats.setdefault(domain, _Seat())
        if not seat.lock.acquire(timeout=deadline.left_s()):
            raise DomainBusy(f"an earlier call to the agent of domain {self._name_of(domain)} is still out")
        try:
            yield seat
        finally:
            seat.lock.release()
            _clear(seat)

    def _retire(self, seat: _Seat) -> None:
        seat.retired = True
        connection = seat.connection
        if connection is not None:
            connection.interrupt()
        _clear(seat)


def _clear(seat: _Seat) -> None:
    """Close a retired seat's connection, unless a call is out: that call clears it when it is over."""
    if seat.retired and seat.lock.acquire(blocking=False):
        try:
            seat.hang_up()
        finally:
            seat.lock.release()
