"""What the service needs from the world, as protocols; what they raise is in `autoscaler.errors`.

Every call may block for at most its deadline and is made from a worker thread; one call per domain at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainEvent, DomainId, DomainView, GuestVcpus, HostView, Sample
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order


@dataclass(frozen=True, slots=True)
class Kept:
    """What was learned of a domain, and when that was kept."""

    wall_s: float
    learned: Mapping[str, object]


class Clock(Protocol):
    """Time, read only in the service and by probes that stamp what they read."""

    def monotonic_s(self) -> float:
        """Seconds that never run backwards; the clock of every ``at_s`` and ``now_s``."""
        ...

    def wall_s(self) -> float:
        """Seconds since the epoch, for people and records only."""
        ...


class Hypervisor(Protocol):
    """The host side of one connection."""

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        ...

    def domains(self) -> Sequence[DomainView]:
        """Every active domain, in one call.

        Raises:
            BackendUnavailable: the connection is down; it is tried anew at the next call.
        """
        ...

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Hot-add vCPUs to the running guest until `target` are plugged; returns when QEMU has accepted.

        Raises:
            Conflict: not `expect` vCPUs were plugged.
            Denied, DomainBusy, DomainGone, OutcomeUnknown, BackendUnavailable: see the module's tree.
        """
        ...

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask the running guest to give back the vCPU of the highest slot that can go, so that `target` stay.

        Returns when the request was accepted: the vCPU may be gone later, or never; a later look tells.
        To ask a second time does no harm.

        Returns:
            The number of the slot that was asked for; None: no more than `target` are plugged as it is.

        Raises:
            Conflict: not `expect` vCPUs were plugged.
            Denied: no slot can go so that `target` vCPUs remain, or the hypervisor refuses.
            DomainBusy: not now: another job holds the domain, or the guest's ACPI is not up yet.
            DomainGone, OutcomeUnknown, BackendUnavailable: see the module's tree.
        """
        ...

    def hear_firmware(self) -> None:
        """See that what guests' firmware reports of its slots is heard, where that is not so anyway.

        Over libvirt this takes the right to change domains, so it is for connections whose guests are going
        to be asked for vCPUs.

        Raises:
            BackendUnavailable: it is not heard; to be tried again.
        """
        ...

    def troubles(self) -> Mapping[str, str]:
        """Domains that are there but not shown: name to a sentence why; empty where none are."""
        ...

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener`, from any thread, when something happens; it must return at once."""
        ...

    def close(self) -> None:
        """Let go of the connection; every guest stays as it is."""
        ...


class AgentChannel(Protocol):
    """A way to ask the guest agents of one host connection: the transport below both ladders."""

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        """Send one command and return the decoded value of its ``return``.

        The reply's size, depth, numbers and time are bounded; guests are not trusted.

        Raises:
            AgentError: one of its leaves.
            DomainGone, DomainBusy, BackendUnavailable: see the module's tree.
        """
        ...


class GuestProbe(Protocol):
    """Reads a guest's load."""

    def sample(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        """Read the counters by the best source this guest allows.

        With `pressure`, PSI is read too, where it can be had; that it cannot costs no sample and is no error.

        Raises:
            AgentError, DomainGone, DomainBusy, BackendUnavailable: there is no sample, and why.
        """
        ...


class HostProbe(Protocol):
    """Reads what a host itself has and bears."""

    def view(self) -> HostView:
        """Read it now.

        Raises:
            BackendUnavailable: the connection is down.
        """
        ...


class GuestCpus(Protocol):
    """Reads and changes which vCPUs a guest's kernel runs."""

    def vcpus(self, domain: DomainId) -> GuestVcpus:
        """List the vCPUs as the guest's kernel sees them.

        Raises:
            AgentError, DomainGone, DomainBusy, BackendUnavailable: see the module's tree.
        """
        ...

    def set_online(self, domain: DomainId, *, target: int) -> GuestVcpus:
        """Bring the online vCPUs to `target` as far as the guest allows, and return what it has then.

        Onlines the lowest offline vCPUs, offlines the highest that can go; changes nothing where `target`
        are online already. A result with another count is an answer, not an error.

        Raises:
            AgentError, DomainGone, DomainBusy, BackendUnavailable: see the module's tree.
        """
        ...


class Journal(Protocol):
    """The lasting record of what was decided and done."""

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        """Record a decision and return its id; one that repeats the last and moves nothing is folded in.

        One that acts is recorded together with the operation that it is about to begin: both, or neither.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...

    def ended(self, operation: Operation) -> None:
        """Record how an operation ended and when it passed each stage.

        Raises:
            JournalUnavailable: it could not be written yet; it will be as soon as that is possible.
        """
        ...

    def ordered(self, order: Order) -> None:
        """Record an administrator's order, in place of an earlier one for the same domain.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...

    def order_ended(self, domain: DomainId) -> None:
        """Record that the order for this domain stands no more.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...

    def orders(self) -> Sequence[Order]:
        """Every order on record, also those whose time is over.

        Raises:
            JournalUnavailable: they could not be read, all of them.
        """
        ...

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        """Remember what was learned of a domain, as plain JSON values, in place of what was kept before.

        `learned` is asked at once, and not at all by a journal that keeps nothing: to put it into words costs
        as much as some steps of the domain. `at_once`: write it now, not with the domain's next entry or the
        next `flush`.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...

    def kept(self, domain: DomainId) -> Kept | None:
        """What was last kept of a domain.

        Raises:
            JournalUnavailable: it could not be read.
        """
        ...

    def growths_s(self, host: str, most: int) -> Sequence[float]:
        """How long the newest growths of one host took, from the request to vCPUs online, oldest first.

        Raises:
            JournalUnavailable: it could not be read.
        """
        ...

    def changes(
        self, domain: DomainId, *, now_s: float, wall_s: float, within_s: float
    ) -> Sequence[Operation]:
        """The changes of a domain that were begun within so many seconds, oldest first.

        Their times are on `Clock.monotonic_s`, where `now_s` and `wall_s` are the same moment; those of an
        earlier run may be negative.

        Raises:
            JournalUnavailable: it could not be read.
        """
        ...

    def flush(self) -> None:
        """Put on disk what has only been counted, and forget some of what is older than is to be kept.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...
