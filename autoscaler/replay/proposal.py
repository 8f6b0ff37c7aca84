"""What is proposed for a domain, and what was tried before that: the values of `advise`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoscaler.core.policy import AdaptiveStrategy

if TYPE_CHECKING:
    from autoscaler.core.policy import Policy, Prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed of a policy; the rest of it is another's business."""

    min_vcpus: int
    max_vcpus: int
    objective_ratio: float
    prices: Prices

    def policy(self, base: Policy) -> Policy:
        """The base with this instead of its own."""
        return replace(
            base,
            min_vcpus=self.min_vcpus,
            max_vcpus=self.max_vcpus,
            sla=replace(base.sla, objective_ratio=self.objective_ratio),
            strategy=AdaptiveStrategy(prices=self.prices),
            schedules=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one part of a course cost and kept; J at the prices of the base."""

    days: float
    j: float
    vcpu_hours: float
    adds: int
    removals: int
    bad: int
    known: int
    kept: bool

    @property
    def attained_ratio(self) -> float | None:
        """Good share of the known slices; None: none is known."""
        return 1 - self.bad / self.known if self.known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One candidate, in both parts of the history."""

    name: str
    proposal: Proposal | None
    """None: what is there already."""
    choosing: Measured
    verifying: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """For one domain."""

    domain: str
    proposal: Proposal | None
    """None: leave it."""
    why: str
    as_it_is: Tried | None
    """None: there was too little history to try anything."""
    tried: tuple[Tried, ...]
    """Every candidate, in the order of trying."""

    @property
    def best(self) -> Tried | None:
        """The candidate that is proposed."""
        return next(
            (tried for tried in self.tried if self.proposal and tried.proposal == self.proposal), None
        )
