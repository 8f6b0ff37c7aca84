"""What a policy means, free of how it is written. Units are converted once, before a value gets here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Mode(StrEnum):
    """How far the service may go with a domain."""

    AUTO = "auto"
    RECOMMEND = "recommend"
    """Decide and record, change nothing."""
    UP_ONLY = "up-only"
    OFF = "off"
    """Do not even decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which domains a policy governs: those whose name fits a pattern or whose UUID is listed."""

    name: tuple[str, ...] = ()
    """Shell patterns, case-sensitive."""
    not_name: tuple[str, ...] = ()
    """Patterns that take a domain out again, however it fitted."""
    uuid: tuple[str, ...] = ()

    def fits(self, name: str, uuid: str) -> bool:
        """Whether a domain of this name and UUID is governed."""
        if any(fnmatchcase(name, pattern) for pattern in self.not_name):
            return False
        return uuid in self.uuid or any(fnmatchcase(name, pattern) for pattern in self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStrategy:
    """Keep utilisation near a stated figure."""

    utilization_ratio: float = 0.65
    tolerance_ratio: float = 0.10
    """Dead band: no move while demand over capacity is within this share of the target."""
    hold_s: float = 300.0
    """How long a higher recommendation keeps the target up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpLimits:
    """How fast a domain may grow."""

    step_ratio: float = 1.0
    """Most growth in one move, as a share of the online vCPUs; never below `STEP_FLOOR_VCPUS`."""
    cooldown_s: float = 0.0
    """Least gap after an actuation."""


STEP_FLOOR_VCPUS = 4
"""A step up may always add this many: doubling alone would climb too slowly from one vCPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownLimits:
    """How fast a domain may shrink."""

    step_vcpus: int = 1
    cooldown_s: float = 60.0
    """Least gap after an actuation, and after any growth."""


class Fallback(StrEnum):
    """What happens when a domain's samples have been missing for too long."""

    HOLD = "hold"
    RAISE_TO = "raise_to"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRule:
    """When missing samples count as stale, and what then."""

    stale_after_s: float = 30.0
    then: Fallback = Fallback.HOLD
    raise_to_vcpus: int | None = None
    """With `Fallback.RAISE_TO`: grow to this many if fewer; never shrink to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, whole."""

    name: str
    match: Match
    mode: Mode = Mode.AUTO
    min_vcpus: int = 1
    max_vcpus: int | None = None
    """None: the domain's maximum."""
    strategy: TargetStrategy = field(default_factory=TargetStrategy)
    up: UpLimits = field(default_factory=UpLimits)
    down: DownLimits = field(default_factory=DownLimits)
    missing: MissingRule = field(default_factory=MissingRule)
    source: str = ""
    """``file:line`` of the policy, for messages."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Every policy in force, in the order in which they are tried."""

    policies: tuple[Policy, ...] = ()
    digest: str = ""
    """Hash of the files' bytes; recorded with each decision."""

    def governing(self, name: str, uuid: str) -> Policy | None:
        """The first policy that fits, or None: the domain is left alone."""
        return next((policy for policy in self.policies if policy.match.fits(name, uuid)), None)
