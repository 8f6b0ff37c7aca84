"""One bulk statistics reply of libvirt as `DomainView` values.

Invariant: the CPU seconds of a domain never run backwards while it runs, though the counters of its vCPU
threads come and go with the vCPUs. What libvirt did not report is None, never zero.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.description import NOT_DESCRIBED
from autoscaler.core.acpi import NO_REPORTS
from autoscaler.core.model import DomainId, DomainView, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from autoscaler.backends.libvirt.description import Described
    from autoscaler.core.acpi import SlotReports
    from autoscaler.core.model import Descriptors
    from autoscaler.core.owner import Owner

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: RunState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: RunState.PAUSED,
}
_IO_ERROR = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
_STARTING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)
_NS = 1e9
_NO_JOBS: Mapping[str, str] = MappingProxyType({})


class GrowingSum:
    """The sum of counters that may vanish, return or start anew, which only ever grows."""

    def __init__(self) -> None:
        self._ended = 0
        self._last: dict[str, int] = {}

    def add(self, counters: Mapping[str, int]) -> int:
        """Take the newest readings and return the sum over all counters ever seen.

        One that is missing keeps its last reading; one that went back belongs to a new thread and starts from
        zero, on top of what the old one had.
        """
        for name, value in counters.items():
            last = self._last.get(name, 0)
            if value < last:
                self._ended += last
            self._last[name] = value
        return self._ended + sum(self._last.values())


class _Run(NamedTuple):
    """One life of a domain, from start to stop: the scope of its counters."""

    uuid: str
    number: int
    """libvirt's id of the running domain; another one after a restart."""


@dataclass(slots=True)
class _Sums:
    time: GrowingSum = field(default_factory=GrowingSum)
    delay: GrowingSum = field(default_factory=GrowingSum)


class DomainViews:
    """Turns sweep after sweep into views; remembers only what the sums need."""

    def __init__(self, host: str, *, adopt: Collection[Owner] = ()) -> None:
        """Start with no domain seen.

        Args:
            host: the `host` of every `DomainId`.
            adopt: whose domains are not taken to be claimed by those who run them.
        """
        self._host = host
        self._adopt = frozenset(adopt)
        self._sums: dict[_Run, _Sums] = {}
        self._sweeping = threading.Lock()

    def sweep(
        self,
        records: Sequence[tuple[libvirt.virDomain, Mapping[str, int]]],
        labels: Mapping[str, Mapping[str, str]],
        jobs: Mapping[str, str] = _NO_JOBS,
        *,
        described: Mapping[str, Described],
        at_s: float,
        reports_of: Callable[[str], SlotReports] = lambda _: NO_REPORTS,
        descriptors_of: Callable[[str, float], Descriptors | None] = lambda _name, _now_s: None,
    ) -> tuple[DomainView, ...]:
        """View every domain of one reply whose labels are known.

        Args:
            records: as getAllDomainStats returns them, the state and vcpu groups asked for.
            labels: UUID -> the domain's labels, empty where it has none.
            jobs: UUID -> the job that the domain is in, where it is in one.
            described: UUID -> what the domain's description says, where it is known.
            at_s: when it was asked.
            reports_of: what the guest of a domain with this UUID has reported of its slots.
            descriptors_of: the file descriptors of the QEMU of a domain of this name, at a time.

        Raises:
            libvirtError: a count that was not in the reply could not be asked for either.
        """
        with self._sweeping:
            before, self._sums = self._sums, {}
            return tuple(
                self._views(records, labels, jobs, described, before, at_s, reports_of, descriptors_of)
            )

    def _views(
        self,
        records: Sequence[tuple[libvirt.virDomain, Mapping[str, int]]],
        labels: Mapping[str, Mapping[str, str]],
        jobs: Mapping[str, str],
        described: Mapping[str, Described],
        before: Mapping[_Run, _Sums],
        at_s: float,
        reports_of: Callable[[str], SlotReports],
        descriptors_of: Callable[[str, float], Descriptors | None],
    ) -> Iterator[DomainView]:
        for domain, record in records:
            run = _Run(domain.UUIDString(), domain.ID())
            counts = _counts(domain, record) if run.uuid in labels else None
            if counts is None:
                continue
            plugged, maximum = counts
            says = described.get(run.uuid, NOT_DESCRIBED)
            sums = self._sums[run] = before.get(run) or _Sums()
            yield DomainView(
                id=DomainId(self._host, run.uuid),
                name=domain.name(),
                state=_state(record),
                plugged=plugged,
                maximum=maximum,
                at_s=at_s,
                vcpu_time_s=_seconds(sums.time, record, ".time"),
                vcpu_delay_s=_seconds(sums.delay, record, ".delay"),
                labels=labels[run.uuid],
                claimed_by=None if says.owner in self._adopt else says.owner,
                job=jobs.get(run.uuid, ""),
                slots=_slots(record, maximum),
                reports=reports_of(run.uuid),
                descriptors=descriptors_of(domain.name(), at_s),
                emulated=says.emulated,
            )


def _state(record: Mapping[str, int]) -> RunState:
    if (record.get("state.state"), record.get("state.reason")) == _IO_ERROR:
        return RunState.IO_ERROR
    return _STATES.get(record.get("state.state", -1), RunState.OTHER)


def _counts(domain: libvirt.virDomain, record: Mapping[str, int]) -> tuple[int, int] | None:
    """Plugged and maximum vCPUs; None when the domain ended since the reply, or is only just being started.

    libvirt starts each domain paused, for a moment in which nobody is to resume it. Its test driver leaves
    both counts out of its statistics.
    """
    if (record.get("state.state"), record.get("state.reason")) == _STARTING:
        return None
    if "vcpu.current" in record and "vcpu.maximum" in record:
        return record["vcpu.current"], record["vcpu.maximum"]
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    try:
        return domain.vcpusFlags(live), domain.vcpusFlags(live | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            return None
        raise


def _slots(record: Mapping[str, int], maximum: int) -> frozenset[int] | None:
    """The numbers of the plugged vCPUs: libvirt tells a state of those alone. None: it tells none."""
    return frozenset(number for number in range(maximum) if f"vcpu.{number}.state" in record) or None


def _seconds(sums: GrowingSum, record: Mapping[str, int], counter: str) -> float | None:
    readings = {
        name: value for name, value in record.items() if name.startswith("vcpu.") and name.endswith(counter)
    }
    return sums.add(readings) / _NS if readings else None
