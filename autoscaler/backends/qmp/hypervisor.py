"""The QMP backend: guests whose QEMU is spoken to directly, without libvirt.

qemu.qmp speaks asyncio and the service uses worker threads; between them stands one thread with an event
loop, which owns every socket. Callers wait for that loop and never longer than their deadline.

Invariant: a guest is changed by `plug` and `unplug` alone; this backend's coming and going leave every one
as it is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.agent.wire import nobody_listens
from autoscaler.backends.qmp.events import EventDelivery
from autoscaler.backends.qmp.links import QmpLinks
from autoscaler.errors import BackendUnavailable, DomainGone, NoChannel, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from autoscaler.backends.address import Address
    from autoscaler.backends.qmp.guests import GuestSource
    from autoscaler.backends.qmp.inspection import QemuInspection
    from autoscaler.backends.qmp.link import QmpLink
    from autoscaler.core.model import DomainEvent, DomainId, DomainView
    from autoscaler.errors import AutoscalerError
    from autoscaler.ports import Clock

_T = TypeVar("_T")

_GRACE_S = 2.0
"""How much longer than its own deadlines the loop may take before a caller gives it up."""


class QmpHypervisor:
    """A `Hypervisor` over the QMP sockets of many QEMU processes."""

    def __init__(
        self, *, label: str, guests: GuestSource, clock: Clock, sweep_s: float = 0.5, timeout_s: float = 5.0
    ) -> None:
        """Start the loop; each guest is connected when a sweep first meets it.

        Args:
            label: name of this connection; the `host` of every `DomainId`.
            guests: asked at each sweep which guests there are.
            clock: stamps what is read.
            sweep_s: longest that `domains` waits for slow guests.
            timeout_s: longest that one guest's QEMU may take over one look, or over one `plug`.
        """
        self._label = label
        self._source = guests
        self._sweep_s = sweep_s
        self._timeout_s = timeout_s
        self._closed = False
        self._delivery = EventDelivery()
        self._links = QmpLinks(host=label, clock=clock, timeout_s=timeout_s, notify=self._delivery.put)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="qmp-loop", daemon=True)
        self._thread.start()

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        return self._label

    def domains(self) -> Sequence[DomainView]:
        """Look at every guest at once; one whose link is down is left out and told of by `troubles`.

        Of one that hangs, the last view stands until its link is given up: its `at_s` is older then.

        Raises:
            BackendUnavailable: the guests cannot be listed, or this connection is closed.
        """
        sweep = self._links.sweep(self._source.guests(), patience_s=self._sweep_s)
        return self._call(sweep, within_s=self._sweep_s)

    def hear_firmware(self) -> None:
        """Do nothing: every link hears it from its first moment on."""

    def troubles(self) -> Mapping[str, str]:
        """Guest name -> why the last sweep did not see it, one sentence each; a snapshot for any thread."""
        return {**self._links.troubles, **self._source.refused}

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Hot-add vCPUs until `target` are plugged, lowest free slot first; see `Hypervisor.plug`.

        A paused guest is given them too: QEMU accepts that, and the guest meets them when it goes on.
        """
        link = self._link(domain)
        self._call(
            link.plug(expect=expect, target=target),
            within_s=self._timeout_s,
            given_up=lambda why: OutcomeUnknown(
                f"whether domain {link.guest.name} got its vCPUs is not known: {why}"
            ),
        )

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask for one vCPU back, highest slot first; see `Hypervisor.unplug`.

        A paused guest is asked too: it meets the request when it goes on.
        """
        link = self._link(domain)
        return self._call(
            link.unplug(expect=expect, target=target),
            within_s=self._timeout_s,
            given_up=lambda why: OutcomeUnknown(
                f"whether domain {link.guest.name} was asked for a vCPU is not known: {why}"
            ),
        )

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener` from a thread of its own when something happens; of a flood it hears once."""
        self._delivery.subscribe(listener)

    def agent_address(self, domain: DomainId) -> Address:
        """Where the guest agent of a domain that was seen is reached.

        Raises:
            NoChannel: the guest has no agent socket.
            AgentAbsent: nothing in the guest has its agent channel open.
            DomainGone: no sweep has seen the domain, its guest was taken away, or its QEMU has ended.
        """
        link = self._link(domain)
        guest = link.guest
        if link.ended:
            raise DomainGone(f"domain {guest.name} does not run (any more): its QEMU hung up at {guest.qmp}")
        if guest.agent is None:
            raise NoChannel(
                f"domain {guest.name} has no agent socket: give its QEMU a virtserialport named "
                f"org.qemu.guest_agent.0 on a socket chardev, and name that socket beside {guest.qmp}"
            )
        if link.agent_listens is False:
            raise nobody_listens(guest.name)
        return guest.agent

    def name_of(self, domain: DomainId) -> str:
        """The domain's configured name; its UUID where no sweep has seen it."""
        link = self._links.by_domain.get(domain)
        return link.guest.name if link else domain.uuid

    def inspect(self, domain: DomainId) -> QemuInspection:
        """Ask a domain's QEMU how the guest is built; changes nothing.

        Raises:
            DomainGone: no sweep has seen the domain, or its QEMU does not answer any more.
            BackendUnavailable: this connection is closed, or overloaded.
        """
        return self._call(self._link(domain).inspect(), within_s=self._timeout_s)

    def qemu_version(self, domain: DomainId) -> str | None:
        """Version of the domain's QEMU, as ``7.2.22``; None where no sweep has seen the domain."""
        link = self._links.by_domain.get(domain)
        return link.identity.version if link and link.identity else None

    def close(self) -> None:
        """Hang up everywhere and end the threads; every guest stays as it is. Again is harmless."""
        if not self._closed:
            self._call(self._links.close(), within_s=self._timeout_s)
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._delivery.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _call(
        self,
        work: Coroutine[object, object, _T],
        *,
        within_s: float,
        given_up: Callable[[str], AutoscalerError] = BackendUnavailable,
    ) -> _T:
        """Have the loop do `work`; `given_up` makes the error where it was begun and its end not seen."""
        if self._closed:
            work.close()
            raise BackendUnavailable(f"the QMP connection {self._label} is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s + _GRACE_S)
        except concurrent.futures.CancelledError:
            raise given_up(f"the QMP connection {self._label} was closed meanwhile") from None
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise given_up(f"the QMP connection {self._label} is overloaded: give it more CPU") from None

    def _link(self, domain: DomainId) -> QmpLink:
        link = self._links.by_domain.get(domain)
        if link is None:
            raise DomainGone(f"no guest of {self._label} has the UUID {domain.uuid} now")
        return link
