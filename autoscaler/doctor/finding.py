"""What a check found, and what to do about it.

Invariant: a finding that is worse than a note has something to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

CHECKS = frozenset(
    {
        *("connection", "rights", "actuator", "libvirt", "qemu", "capacity", "pressure"),
        *("seen", "definition", "job", "policy", "sockets", "ports", "maximum", "slots", "topology"),
        *("agent-channel", "agent", "agent-version", "agent-load", "agent-onlining", "self-onlining"),
        *("guest-os", "guest-vcpus", "clock", "machine", "emulation", "hypervisor", "descriptors"),
        *("pinning", "numa", "quota", "exercise"),
    }
)
"""A closed set: programs go by these."""


class Severity(StrEnum):
    """How much a finding matters; in this order."""

    OK = "ok"
    NOTE = "note"
    """Worth to know; nothing has to be done."""
    WARNING = "warning"
    """The domain is served, and worse than it could be."""
    ERROR = "error"
    """It is not resized as it is, or not even seen."""

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(Severity).index(self)


class Part(StrEnum):
    """What of a domain's definition can be mended."""

    MAXIMUM = "maximum"
    """How many vCPUs it may have, and a topology that holds them."""
    SLOTS = "slots"
    """Which vCPUs can be unplugged."""
    CHANNEL = "channel"
    """The agent's."""
    ACPI = "acpi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """What a change of a domain's definition would mend."""

    part: Part
    maximum: int | None = None
    """vCPUs that it may then have; None: as many as now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What to do: in words, with what to write, and what to type after that."""

    advice: str = ""
    xml: str = ""
    """Lines for the domain's XML."""
    commands: tuple[str, ...] = ()
    """For a shell of the host unless the advice says otherwise."""
    mend: Mend | None = None
    """The same as a change of its definition; None: such a change is not what is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """One of `CHECKS`."""
    severity: Severity
    seen: str
    means: str = ""
    fix: Fix = field(default_factory=Fix)

    def __post_init__(self) -> None:
        assert self.check in CHECKS, self.check
        assert self.severity.rank <= Severity.NOTE.rank or self.fix != Fix(), self.check


def ok(check: str, seen: str, means: str = "") -> Finding:
    """All is well."""
    return Finding(check=check, severity=Severity.OK, seen=seen, means=means)


def note(check: str, seen: str, means: str, fix: Fix | None = None) -> Finding:
    """Worth to know."""
    return Finding(check=check, severity=Severity.NOTE, seen=seen, means=means, fix=fix or Fix())


def warning(check: str, seen: str, means: str, fix: Fix) -> Finding:
    """Worse than it could be."""
    return Finding(check=check, severity=Severity.WARNING, seen=seen, means=means, fix=fix)


def error(check: str, seen: str, means: str, fix: Fix) -> Finding:
    """It does not work so."""
    return Finding(check=check, severity=Severity.ERROR, seen=seen, means=means, fix=fix)


def worst(findings: tuple[Finding, ...]) -> Severity:
    """The gravest severity among them."""
    return max((finding.severity for finding in findings), key=lambda it: it.rank, default=Severity.OK)
