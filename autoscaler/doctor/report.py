"""Every check over the facts of one connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoscaler.doctor.checks import agent, guest, host, machine, placement, room, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from autoscaler.doctor.facts import DomainFacts, HostFacts
    from autoscaler.doctor.finding import Finding

_CHECKS: tuple[Callable[[DomainFacts], Iterator[Finding]], ...] = (
    standing.check,
    room.check,
    agent.check,
    guest.check,
    machine.check,
    placement.check,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReport:
    """What was found of one domain."""

    name: str
    uuid: str
    """Empty: not known."""
    findings: tuple[Finding, ...]

    def and_also(self, finding: Finding) -> DomainReport:
        """The same with one finding more."""
        return replace(self, findings=(*self.findings, finding))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What was found of one connection and of the domains behind it."""

    label: str
    is_down: bool
    """Nothing behind it was seen."""
    findings: tuple[Finding, ...]
    domains: tuple[DomainReport, ...]

    @property
    def everything(self) -> tuple[Finding, ...]:
        """All findings, those of domains too."""
        return sum((domain.findings for domain in self.domains), self.findings)


def report_of(facts: HostFacts, domains: Iterable[DomainFacts]) -> HostReport:
    """Check one connection; of a domain that is not seen no more than that is told."""
    return HostReport(
        label=facts.label,
        is_down=bool(facts.trouble),
        findings=tuple(host.check(facts)),
        domains=tuple(
            DomainReport(name=domain.name, uuid=domain.uuid, findings=tuple(_findings(domain)))
            for domain in domains
        ),
    )


def _findings(domain: DomainFacts) -> Iterator[Finding]:
    for check in (standing.check,) if domain.trouble else _CHECKS:
        yield from check(domain)
