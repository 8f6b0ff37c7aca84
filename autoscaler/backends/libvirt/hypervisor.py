"""The libvirt backend: the host side of one connection, whatever its URI.

Reading, changing and listening have connections of their own, so that a change in progress never holds up a
sweep; all but those for changes, and for what guests' firmware reports, are read-only. libvirt gives no call
a deadline. A dead peer is noticed by keepalive (link.py); a QEMU that does not answer its monitor holds up
one sweep for 3 s (late.py), and a `plug` or `unplug` for as long as it is silent: that is bounded by the
caller's own deadline for its worker thread.

Invariant: nothing shrinks a guest but `unplug`, and every write says VIR_DOMAIN_AFFECT_LIVE: left out,
libvirt would ask for the right to edit the stored configuration as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.libvirt.acpi_feed import AcpiFeed
from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import look_failed, plug_failed, sweep_failed, unplug_failed
from autoscaler.backends.libvirt.events import EventFeed
from autoscaler.backends.libvirt.jobs import DomainJobs
from autoscaler.backends.libvirt.labels import DomainLabels
from autoscaler.backends.libvirt.late import LateCalls
from autoscaler.backends.libvirt.link import OPEN_PATIENCE_S, LibvirtLink, is_active, is_alive
from autoscaler.backends.libvirt.link_pool import LinkPool
from autoscaler.backends.libvirt.pid_files import PidFiles
from autoscaler.backends.libvirt.removal import highest_removable, removal_flags
from autoscaler.backends.libvirt.stats import DomainViews
from autoscaler.core.condition import raising
from autoscaler.core.named import Named, virsh
from autoscaler.errors import BackendUnavailable, Conflict, Denied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from autoscaler.core.acpi import SlotReports
    from autoscaler.core.model import DomainEvent, DomainId, DomainView
    from autoscaler.core.owner import Owner
    from autoscaler.ports import Clock

_T = TypeVar("_T")

_GROUPS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU
_FLAGS = (
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
    # Without it a removal in progress on one domain holds up the statistics of all.
    | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
)
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_QEMU = "QEMU"

SWEEP_PATIENCE_S = (3.0, 12.0)
"""How long a sweep's first and second try may take: a QEMU that hangs spoils the first, and thousands of
domains, at about 2 ms each, are waited for by the second."""
_PLACES = 4
"""Sweeps that may be out at once, the late ones included."""
WRITERS = 4
"""Changes that may be under way at once; each has a connection."""
WRITER_PATIENCE_S = 5.0
"""How long a change waits for its turn."""


class LibvirtHypervisor:
    """A `Hypervisor` over libvirt; opens its connections when first used and again whenever they broke."""

    def __init__(
        self, uri: str, *, clock: Clock, label: str | None = None, adopt: Collection[Owner] = ()
    ) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            uri: any that libvirt takes, ``qemu:///embed?root=/absolute/folder`` too.
            clock: stamps what is read and times the back-off.
            label: the connection's name; None: the URI.
            adopt: whose domains may be governed although somebody else runs them.
        """
        self._uri = uri
        self._label = uri if label is None else label
        self._clock = clock
        self._labels = DomainLabels(uri)
        self._jobs = DomainJobs()
        self._events = EventFeed(self._label, metadata_changed=self._labels.changed)
        self._listener = LibvirtLink(uri, clock=clock, read_only=True, events=self._events)
        self._reader = LibvirtLink(uri, clock=clock, read_only=True)
        self._acpi = AcpiFeed(clock=clock, heard=self._events.changed)
        self._firmware = LibvirtLink(uri, clock=clock, events=self._acpi)
        self._writers = LinkPool(uri, clock=clock, places=WRITERS)
        self._asides = LinkPool(uri, clock=clock, places=1, read_only=True)
        self._views = DomainViews(self._label, adopt=adopt)
        self._pid_files = PidFiles(uri)
        self._late = LateCalls(_PLACES)

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        return self._label

    def domains(self) -> Sequence[DomainView]:
        """Every active domain, in two calls to libvirt, and calls for all jobs and for labels that are due.

        Raises:
            BackendUnavailable: the connection is down; it is tried anew at a later call, within 1 s.
        """
        self._listen()
        if self._late.out or self._labels.waits or self._jobs.waits:
            self._reader.leave()
        try:
            # Before the statistics: these wait for a QEMU that hangs, and its description for them.
            labels = self._labels.of(self._soon(self._list), now_s=self._clock.monotonic_s())
            if self._labels.waits:
                self._reader.leave()
            # Before they are counted: what is newer than these views may not be in them.
            at_s = self._clock.monotonic_s()
            records = self._soon(self._ask)
            domains = [domain for domain, _ in records]
            # A domain whose QEMU hangs would be waited for once more, and the connection may be in use.
            waits = self._late.out or self._labels.waits
            views = self._views.sweep(
                records,
                labels,
                self._jobs.known if waits else self._jobs.of(domains),
                described=self._labels.described,
                at_s=at_s,
                reports_of=self._acpi.of,
                descriptors_of=self._pid_files.descriptors,
            )
        except libvirt.libvirtError as error:
            raise sweep_failed(error, self._uri) from error
        self._acpi.keep_only(view.id.uuid for view in views)
        self._pid_files.keep_only(view.name for view in views)
        return views

    def hear_firmware(self) -> None:
        """Open the connection that guests' reports come by, and again where it broke.

        Raises:
            BackendUnavailable: it cannot be opened, as for want of the right to change domains.
        """
        try:
            self._late.run(self._firmware.connection, patience_s=OPEN_PATIENCE_S)
        except TimeoutError:
            raise self._firmware.stuck() from None

    def reports(self) -> Mapping[str, SlotReports]:
        """By UUID, what guests' firmware has reported of its slots since it is heard."""
        return self._acpi.all()

    def troubles(self) -> Mapping[str, str]:
        """Domains of which it was never heard who may govern them; see `DomainLabels`."""
        return self._labels.troubles

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Hot-add vCPUs until `target` are plugged; see `Hypervisor.plug`.

        A paused domain is given them too: QEMU accepts that, and the guest meets them when it goes on.

        Raises:
            ValueError: `target` is below `expect`; this never removes.
        """
        if target < expect:
            raise ValueError(f"plug only adds vCPUs: {target} is below {expect}")
        self._firmware.connection()
        with self._writers.lease(WRITER_PATIENCE_S) as link:
            handle = self._as_expected(link, domain, expect=expect, target=target)
            try:
                handle.setVcpusFlags(target, _LIVE)
            except libvirt.libvirtError as error:
                alive = is_alive(handle.connect())
                raise plug_failed(
                    error, self._named(handle), alive=alive, active=is_active(handle)
                ) from error

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask for one vCPU back, highest slot first; see `Hypervisor.unplug`.

        libvirt before 12.4 waits 5 s for the guest to follow, and this with it.
        """
        self._firmware.connection()
        with self._writers.lease(WRITER_PATIENCE_S) as link:
            handle, plugged, _ = self._look(link, domain)
            named = self._named(handle)
            if plugged <= target:
                return None
            if plugged != expect:
                raise _conflict(named, plugged, expect)
            connection = handle.connect()
            try:
                slot, flags = highest_removable(handle, named, plugged=plugged), removal_flags(connection)
            except libvirt.libvirtError as error:
                raise look_failed(error, named, alive=is_alive(connection)) from error
            try:
                handle.setVcpusFlags(target, flags)
            except libvirt.libvirtError as error:
                alive = is_alive(connection)
                failure = unplug_failed(error, named, alive=alive, active=is_active(handle))
                if failure is not None:
                    raise failure from error
            return slot

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener` on libvirt's event loop; events flow while a connection for them is up."""
        self._events.subscribe(listener)

    def versions(self) -> tuple[str, str | None]:
        """Version of libvirt and of its default QEMU, as ``9.0.0`` and ``7.2.22``; None without QEMU.

        libvirt may probe QEMU to answer this, for seconds.

        Raises:
            BackendUnavailable: the connection is down.
        """
        with self._asides.lease(WRITER_PATIENCE_S) as link:
            connection = link.connection()
            try:
                library = _version(connection.getLibVersion())
                return library, _version(connection.getVersion()) if connection.getType() == _QEMU else None
            except libvirt.libvirtError as error:
                raise sweep_failed(error, self._uri) from error

    def close(self) -> None:
        """Let go of the connections; every guest stays as it is."""
        self._listener.close()
        self._reader.close()
        self._firmware.close()
        self._writers.close()
        self._asides.close()

    def _soon(self, call: Callable[[], _T]) -> _T:
        """Call on the reader's connection, and once more on another where that takes too long."""
        for patience_s in SWEEP_PATIENCE_S:
            try:
                return self._late.run(call, patience_s=patience_s)
            except TimeoutError:
                self._reader.leave()
        raise BackendUnavailable(
            f"libvirt at {self._uri} did not list its domains within {sum(SWEEP_PATIENCE_S):.0f} s: "
            f"either its daemon is stuck, or the QEMU of several domains is; "
            f"`{virsh(self._uri, 'domstats', '--vcpu', 'DOMAIN', '--nowait')}` tells which"
        )

    def _list(self) -> Sequence[libvirt.virDomain]:
        domains: Sequence[libvirt.virDomain]
        domains = self._reader.connection().listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        return domains

    def _ask(self) -> Sequence[tuple[libvirt.virDomain, Mapping[str, int]]]:
        records: Sequence[tuple[libvirt.virDomain, Mapping[str, int]]]
        records = self._reader.connection().getAllDomainStats(_GROUPS, _FLAGS)
        return records

    def _listen(self) -> None:
        """See that events flow."""
        try:
            self._late.run(self._listener.connection, patience_s=OPEN_PATIENCE_S)
        except TimeoutError:
            raise self._listener.stuck() from None

    def _as_expected(
        self, link: LibvirtLink, domain: DomainId, *, expect: int, target: int
    ) -> libvirt.virDomain:
        handle, plugged, maximum = self._look(link, domain)
        named = self._named(handle)
        if plugged != expect:
            raise _conflict(named, plugged, expect)
        if target > maximum:
            raise Denied(
                f"domain {named} cannot have {target} vCPUs, its maximum is {maximum}: raise it by "
                f"{raising(named, target)}, then stop and start it"
            )
        return handle

    def _named(self, handle: libvirt.virDomain) -> Named:
        return Named(self._uri, handle.UUIDString(), handle.name())

    def _look(self, link: LibvirtLink, domain: DomainId) -> tuple[libvirt.virDomain, int, int]:
        """The domain, its plugged vCPUs and its maximum."""
        connection = link.connection()
        named = Named(self._uri, domain.uuid, domain.uuid)
        try:
            handle = connection.lookupByUUIDString(domain.uuid)
            named = self._named(handle)
            plugged = handle.vcpusFlags(_LIVE)
            return handle, plugged, handle.vcpusFlags(_LIVE | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        except libvirt.libvirtError as error:
            raise look_failed(error, named, alive=is_alive(connection)) from error


def _conflict(domain: Named, plugged: int, expect: int) -> Conflict:
    return Conflict(f"domain {domain} has {plugged} vCPUs plugged where {expect} were expected")


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"
