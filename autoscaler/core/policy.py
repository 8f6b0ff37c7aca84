"""What a policy means, free of how it is written. Units are converted once, before a value gets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase
from math import floor
from types import MappingProxyType
from typing import Any

from autoscaler.core.rounding import ROUNDING


class _Portable:
    """Is pickled by its fields, which what is frozen and compiled cannot be as it is."""

    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        return _remade, (type(self), {one.name: getattr(self, one.name) for one in fields(self)})  # type: ignore[arg-type]


def _remade(kind: type[Any], values: dict[str, object]) -> object:
    return kind(**values)


class Mode(StrEnum):
    """How far the service may go with a domain."""

    AUTO = "auto"
    RECOMMEND = "recommend"
    """Decide and record, change nothing."""
    UP_ONLY = "up-only"
    OFF = "off"
    """Do not even decide."""


OPT_OUT = ("autoscaling", "off")
"""The label by which a domain's owner keeps it out of every policy."""
_ALSO_OFF = frozenset({"off", "no", "false", "0"})


def opted_out(labels: Mapping[str, str]) -> bool:
    """Whether a domain's owner keeps it out of every policy, in whatever words: a no is not to be missed."""
    return labels.get(OPT_OUT[0], "").strip().lower() in _ALSO_OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(_Portable):
    """Which domains a policy governs: by name or UUID, narrowed by labels; or by labels alone."""

    name: tuple[str, ...] = ()
    """Shell patterns, case-sensitive."""
    not_name: tuple[str, ...] = ()
    """Patterns that take a domain out again, however it fitted."""
    uuid: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    """Labels of the domain's metadata, each with the shell pattern that its value has to fit."""
    not_metadata: tuple[tuple[str, str], ...] = ()
    """Labels that take a domain out again, each with the pattern of its value; one that fits is enough."""

    def fits(self, name: str, uuid: str, labels: Mapping[str, str]) -> bool:
        """Whether a domain of this name, UUID and labels is governed."""
        if any(fnmatchcase(name, pattern) for pattern in self.not_name):
            return False
        if any(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in self.not_metadata):
            return False
        if not all(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in self.metadata):
            return False
        if not self.name and not self.uuid:
            return bool(self.metadata)
        return uuid in self.uuid or any(fnmatchcase(name, pattern) for pattern in self.name)


class Indicator(StrEnum):
    """What a service level is measured by; each is better the lower it is."""

    UTILIZATION = "utilization_below"
    """Demand, what is queued included, over the online vCPUs: may exceed 1."""
    PRESSURE = "pressure_below"
    """Share of the time in which some task of the guest waited for a CPU (PSI ``some``)."""
    RUN_QUEUE = "run_queue_below"
    """Tasks that want a CPU, over the online vCPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sla(_Portable):
    """What is promised: the indicator stays below its limit in `objective_ratio` of the window's slices."""

    indicator: Indicator = Indicator.UTILIZATION
    below: float = 0.80
    """The limit: a ratio for utilisation and pressure, tasks per vCPU for the run queue."""
    slice_s: float = 60.0
    objective_ratio: float = 0.99
    window_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices(_Portable):
    """What a vCPU-minute and the two moves cost against each other."""

    vcpu_minute: float = 1.0
    add: float = 1.0
    remove: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveStrategy(_Portable):
    """Run each guest as tight as its own error budget and history allow."""

    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStrategy(_Portable):
    """Keep utilisation near a stated figure."""

    utilization_ratio: float = 0.65
    tolerance_ratio: float = 0.10
    """Dead band: no move while demand over capacity is within this share of the target."""
    hold_s: float = 300.0
    """How long a higher recommendation keeps the target up."""


Strategy = AdaptiveStrategy | TargetStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class UpLimits(_Portable):
    """How fast a domain may grow."""

    step_ratio: float = 1.0
    """Most growth in one move, as a share of the online vCPUs; never below `STEP_FLOOR_VCPUS`."""
    cooldown_s: float = 0.0
    """Least gap after an actuation."""

    def step_from(self, online: int) -> int:
        """Most vCPUs that one move adds to so many online; a share is rounded down."""
        return max(STEP_FLOOR_VCPUS, floor(self.step_ratio * online + ROUNDING))


STEP_FLOOR_VCPUS = 4
"""A step up may always add this many: doubling alone would climb too slowly from one vCPU."""


class Reclaim(StrEnum):
    """What happens to a vCPU that is no longer needed."""

    OFFLINE = "offline"
    """The guest takes it offline; it stays plugged and warm."""
    UNPLUG = "unplug"
    """It goes back to the host as soon as the guest has taken it offline."""
    OFFLINE_THEN_UNPLUG = "offline-then-unplug"
    """It goes back to the host once it was not needed for `DownLimits.unplug_after_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownLimits(_Portable):
    """How fast a domain may shrink."""

    step_vcpus: int = 1
    """Most vCPUs that one move takes away, if that is more than `step_ratio` comes to."""
    step_ratio: float = 0.10
    """Most that one move takes away, as a share of the online vCPUs; under 20 of them that is one."""
    cooldown_s: float = 60.0
    """Least gap after an actuation, and after any growth."""
    per_day: int = 500
    """Most shrinks in any 24 hours, removals included."""
    reclaim: Reclaim = Reclaim.OFFLINE
    unplug_after_s: float = 3600.0
    """With `Reclaim.OFFLINE_THEN_UNPLUG`: how long a vCPU is not needed before it goes back to the host."""

    @property
    def idle_s(self) -> float | None:
        """How long a vCPU stays plugged that is not needed; None: for good."""
        if self.reclaim is Reclaim.OFFLINE:
            return None
        return 0.0 if self.reclaim is Reclaim.UNPLUG else self.unplug_after_s

    def step_from(self, online: int) -> int:
        """Most vCPUs that one move takes from so many online; a share is rounded down."""
        return max(self.step_vcpus, floor(self.step_ratio * online + ROUNDING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(_Portable):
    """Other bounds, or another mode, at some hours: a level that is looked at each tick, not an edge."""

    name: str
    days: frozenset[int]
    """0 is Monday; the day on which the hours begin."""
    from_minute: int
    """Minutes after midnight on the local clock; included."""
    to_minute: int
    """Excluded; at most 1440, the end of the day. Below `from_minute`: on the next day."""
    timezone: tzinfo
    min_vcpus: int | None = None
    """None: the policy's own."""
    max_vcpus: int | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShare(_Portable):
    """How a domain stands against the others of its host when there is not enough for all."""

    priority: int = 100
    """Higher ones are served first, and may take back from lower ones."""
    weight: float = 1.0
    """Share among domains of one priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualChange(_Portable):
    """What a change made by somebody else means."""

    respect_for_s: float = 3600.0
    """How long the count that somebody else set is left alone."""


class Fallback(StrEnum):
    """What happens when a domain's samples have been missing for too long."""

    HOLD = "hold"
    RAISE_TO = "raise_to"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRule(_Portable):
    """When missing samples count as stale, and what then."""

    stale_after_s: float = 30.0
    then: Fallback = Fallback.HOLD
    raise_to_vcpus: int | None = None
    """With `Fallback.RAISE_TO`: grow to this many if fewer; never shrink to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(_Portable):
    """One policy, whole."""

    name: str
    match: Match
    mode: Mode = Mode.AUTO
    min_vcpus: int = 1
    max_vcpus: int | None = None
    """None: the domain's maximum."""
    sla: Sla = field(default_factory=Sla)
    strategy: Strategy = field(default_factory=AdaptiveStrategy)
    up: UpLimits = field(default_factory=UpLimits)
    down: DownLimits = field(default_factory=DownLimits)
    schedules: tuple[Schedule, ...] = ()
    host: HostShare = field(default_factory=HostShare)
    missing: MissingRule = field(default_factory=MissingRule)
    manual_change: ManualChange = field(default_factory=ManualChange)
    source: str = ""
    """``file:line`` of the policy, for messages."""


_NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PolicySet(_Portable):
    """Every policy in force, in the order in which they are tried."""

    policies: tuple[Policy, ...] = ()
    digest: str = ""
    """Hash of the files' bytes; recorded with each decision."""

    def governing(self, name: str, uuid: str, labels: Mapping[str, str] = _NO_LABELS) -> Policy | None:
        """The first policy that fits, or None: the domain is left alone."""
        if opted_out(labels):
            return None
        return next((policy for policy in self.policies if policy.match.fits(name, uuid, labels)), None)
