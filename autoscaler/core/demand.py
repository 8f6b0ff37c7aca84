"""From counters to demand: differences two samples, or says why they cannot be compared.

Invariant: an interval whose ends do not belong together (another boot, another set of vCPUs, a counter that
ran backwards) gives no figure at all, never a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from autoscaler.core.model import CpuSource

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView, Sample

SATURATED_RATIO: Final = 0.90
"""From this utilisation on, busy says only that demand is at least so high."""
STEAL_LIMIT_RATIO: Final = 0.10
"""Above this share of stolen time another vCPU makes the guest slower, and its demand cannot be seen."""
DEMAND_CAP: Final = 2.0
"""Demand estimated from the run queue counts for at most this many times the online vCPUs."""
SHORTEST_S: Final = 0.1
"""Counters tick in hundredths of a second: over less than this they say more about chance than about load."""
READ_WITHIN_S: Final = 10.0
"""Counters may have been read that much before their reply came."""
SAME_BOOT_S: Final = 2.0
"""A guest's boot time is computed from its clock and may wobble by this much within one boot."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Load:
    """What a guest did between two samples, in vCPUs (vCPU-seconds per second)."""

    at_s: Final[float]
    span_s: Final[float]
    source: Final[CpuSource]
    online: Final[int]
    busy_vcpus: Final[float]
    steal_vcpus: Final[float]
    demand_vcpus: Final[float]
    """Best estimate of the vCPUs wanted; above `busy_vcpus` only where the guest was saturated."""
    pressure_ratio: Final[float | None]
    """Share of the time in which some task waited for a CPU; None: not asked or not said."""
    runnable: Final[int | None]
    """Tasks that wanted a CPU at the end; None: the source does not say."""
    host_vcpus: Final[float | None]
    """What the host saw the guest's vCPU threads run or wait for a CPU; None: it does not see that, or it is
    the source itself."""
    host_span_s: Final[float]
    """Between the two looks of the host, which are not those at the guest."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        at_s: float,
        span_s: float,
        source: CpuSource,
        online: int,
        busy_vcpus: float,
        steal_vcpus: float,
        demand_vcpus: float,
        pressure_ratio: float | None = None,
        runnable: int | None = None,
        host_vcpus: float | None = None,
        host_span_s: float = 0.0,
    ) -> None:
        self.at_s = at_s
        self.span_s = span_s
        self.source = source
        self.online = online
        self.busy_vcpus = busy_vcpus
        self.steal_vcpus = steal_vcpus
        self.demand_vcpus = demand_vcpus
        self.pressure_ratio = pressure_ratio
        self.runnable = runnable
        self.host_vcpus = host_vcpus
        self.host_span_s = host_span_s

    @property
    def utilization_ratio(self) -> float:
        """Busy share of the online vCPUs."""
        return self.busy_vcpus / self.online

    @property
    def steal_ratio(self) -> float:
        """Share of the online vCPUs' time that the host withheld."""
        return self.steal_vcpus / self.online

    @property
    def run_queue_ratio(self) -> float | None:
        """Tasks that wanted a CPU over the online vCPUs; None: not known."""
        return None if self.runnable is None else self.runnable / self.online

    @property
    def saturated(self) -> bool:
        """Whether the guest could have used more than it got."""
        return self.busy_vcpus / self.online >= SATURATED_RATIO

    @property
    def starved(self) -> bool:
        """Whether the host withheld so much that the demand is only known to be no less than it looks."""
        return self.steal_vcpus / self.online > STEAL_LIMIT_RATIO


class Dropped(StrEnum):
    """Why two samples give no load."""

    FIRST = "first sample"
    TOO_SHORT = "too little time between two samples"
    SOURCE = "another source of the counters"
    REBOOT = "the guest was booted anew"
    BACKWARDS = "a counter ran backwards"
    IMPOSSIBLE = "more CPU time than there was"
    VCPUS = "the set of online vCPUs changed"


class DemandMeter:
    """Remembers the last sample of one domain and turns the next one into a `Load`."""

    def __init__(self) -> None:
        self._last: tuple[Sample, DomainView] | None = None
        self.over_change: Load | None = None
        """Where the last interval was dropped for a change of the vCPUs: what it shows of the service level.

        It is told of the fewer vCPUs that the guest ran in it. A growth ends the worst of a slice, and would
        hide it if its interval counted for nothing.
        """

    def feed(self, sample: Sample, view: DomainView) -> Load | Dropped:
        """Compare with the last sample; `view` supplies how long the vCPU threads waited for a host CPU."""
        self.over_change = None
        last, self._last = self._last, (sample, view)
        if last is None:
            return Dropped.FIRST
        before, view_before = last
        dropped = _incomparable(before, sample)
        if dropped is Dropped.TOO_SHORT:
            self._last = last
        if dropped is Dropped.VCPUS:
            self.over_change = _over_change(_load(before, view_before, sample, view), before)
        if dropped is not None:
            return dropped
        return _load(before, view_before, sample, view)

    def reset(self) -> None:
        """Forget the last sample: the next one starts anew."""
        self._last = None


def _load(before: Sample, view_before: DomainView, sample: Sample, view: DomainView) -> Load:
    """What happened between two samples, of the vCPUs that the later one has."""
    span_s = sample.at_s - before.at_s
    online = len(sample.online)
    busy = min((sample.busy_s - before.busy_s) / span_s, float(max(online, len(before.online))))
    steal = max((sample.steal_s - before.steal_s) / span_s, _host_delay_vcpus(view_before, view))
    return Load(
        at_s=sample.at_s,
        span_s=span_s,
        source=sample.source,
        online=online,
        busy_vcpus=busy,
        steal_vcpus=min(steal, float(online)),
        demand_vcpus=_demand(busy, online, sample.runnable),
        pressure_ratio=_pressure_ratio(before, sample),
        runnable=sample.runnable,
        host_vcpus=None if sample.source is CpuSource.HOST else _host_vcpus(view_before, view),
        host_span_s=view.at_s - view_before.at_s,
    )


def _over_change(load: Load, before: Sample) -> Load:
    """The same of the fewer vCPUs; the run queue was read with the later ones and says nothing of these."""
    online = min(load.online, len(before.online))
    demand = min(load.busy_vcpus, DEMAND_CAP * online)
    return replace(load, online=online, demand_vcpus=demand, runnable=None)


def _incomparable(before: Sample, after: Sample) -> Dropped | None:
    if before.source is not after.source:
        return Dropped.SOURCE
    if (
        before.boot_s is not None
        and after.boot_s is not None
        and abs(after.boot_s - before.boot_s) > SAME_BOOT_S
    ):
        return Dropped.REBOOT
    untrue = _untrue(before, after)
    if untrue is not None:
        return untrue
    if before.online is not after.online and before.online != after.online:
        return Dropped.VCPUS
    if after.at_s - before.at_s < SHORTEST_S:
        return Dropped.TOO_SHORT
    return None


def _untrue(before: Sample, after: Sample) -> Dropped | None:
    if after.busy_s < before.busy_s or after.steal_s < before.steal_s:
        return Dropped.BACKWARDS
    most_s = max(len(before.online), len(after.online)) * (after.at_s - before.at_s + READ_WITHIN_S)
    return Dropped.IMPOSSIBLE if after.busy_s - before.busy_s > most_s else None


def _host_delay_vcpus(before: DomainView, after: DomainView) -> float:
    """Seconds per second that vCPU threads waited for a host CPU; 0 where the host side cannot see it."""
    span_s = after.at_s - before.at_s
    if before.vcpu_delay_s is None or after.vcpu_delay_s is None or span_s <= 0:
        return 0.0
    return max(0.0, (after.vcpu_delay_s - before.vcpu_delay_s) / span_s)


def _host_vcpus(before: DomainView, after: DomainView) -> float | None:
    """Seconds per second that vCPU threads ran or waited for a host CPU; None: not all of it is seen."""
    if before.vcpu_time_s is None or before.vcpu_delay_s is None:
        return None
    if after.vcpu_time_s is None or after.vcpu_delay_s is None:
        return None
    used_before_s = before.vcpu_time_s + before.vcpu_delay_s
    used_s = after.vcpu_time_s + after.vcpu_delay_s
    span_s = after.at_s - before.at_s
    if span_s <= 0 or used_s < used_before_s:
        # Counters that ran backwards belong to another QEMU: the domain was migrated.
        return None
    return (used_s - used_before_s) / span_s


def _pressure_ratio(before: Sample, after: Sample) -> float | None:
    """What the pressure counters say; where they cannot be compared the rest of the load still stands."""
    if before.pressure_s is None or after.pressure_s is None or after.pressure_s < before.pressure_s:
        return None
    return min((after.pressure_s - before.pressure_s) / (after.at_s - before.at_s), 1.0)


def _demand(busy: float, online: int, runnable: int | None) -> float:
    """Busy, and where that is censored by the vCPU count, the tasks that found no vCPU on top."""
    if busy / online < SATURATED_RATIO or runnable is None:
        return busy
    return min(busy + max(0, runnable - online), DEMAND_CAP * online)
