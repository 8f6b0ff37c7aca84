"""What a replay found, whole and ready to be told: every form of report is made from this alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.replay.compare import Change
    from autoscaler.replay.judged import Judged, Spending
    from autoscaler.replay.score import Score

POLICY = "policy"
"""Name of the policy that is tried, wherever strategies go by name."""
AGAINST = "against"
"""Name of the policy that it is held against."""
OPTIMUM = "optimum"
"""Name of the optimum."""


class Kind(StrEnum):
    """What a strategy is."""

    POLICY = "policy"
    """The service's own controller under a policy."""
    BASELINE = "baseline"
    OPTIMUM = "optimum"
    """Knows the future: what nobody can beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms the figures were got; a figure without them means nothing."""

    version: str
    """Of this program."""
    sources: tuple[str, ...]
    """Where the demand came from, in words."""
    half: str
    """Which half of the domains: ``report``, ``tune``, or ``all``."""
    domains: int
    domain_days: float
    step_s: float
    lag_s: float
    """From a decision to a vCPU that runs, typically."""
    seed: int
    interpolated_ratio: float
    """Share of the domain-days whose recording is coarser than a step."""
    interpolated: tuple[str, ...]
    """The domains of these."""
    objective_ratio: float | None
    """What is promised; None: domains have different objectives."""
    circumstances: tuple[str, ...]
    """What the simulated host does besides, a sentence each."""
    optimum: str
    """What the costs are divided by, in a sentence."""
    notes: tuple[str, ...]
    """What was repaired or left out, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row of the table."""

    name: str
    """`POLICY`, `AGAINST`, or the strategy's own."""
    label: str
    """For people."""
    kind: Kind
    score: Score

    @property
    def compliant(self) -> bool:
        """Whether every domain is inside its SLO."""
        return self.score.domains_in_slo_ratio >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LagRow:
    """How one strategy does at another lag."""

    name: str
    lag_s: float
    j_over_optimum: float
    domains_in_slo_ratio: float
    bad_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """A domain that is drawn, and why this one."""

    title: str
    """Such as ``worst 1 of 100``."""
    worst: bool
    """It is one of those that fare worst."""
    policy: Judged
    against: Judged | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """Everything."""

    terms: Terms
    standings: tuple[Standing, ...]
    """The policy first, then what it is held against, the baselines, and the optimum."""
    least_j: Mapping[str, float]
    """By domain, what is proven: a course that keeps the promise costs at least so much."""
    changes: tuple[Change, ...] | None = None
    """Who loses most first; None: held against no other policy."""
    lags: tuple[LagRow, ...] = ()
    drawn: tuple[Drawn, ...] = ()
    spent: Mapping[str, tuple[Spending, ...]] = field(default_factory=dict)
    """By name of the policies, one for each domain."""

    @property
    def gap_ratio(self) -> float:
        """How far the optimum's cost of all domains can be above the least one; 0: it is the least."""
        optimum = next(standing for standing in self.standings if standing.kind is Kind.OPTIMUM)
        found = math.fsum(row.j for row in optimum.score.domains)
        # Both are sums of the same terms in another order where they are the same.
        return max(found / math.fsum(self.least_j.values()) - 1, 0.0)

    @property
    def broken(self) -> tuple[Change, ...]:
        """The domains whose SLA only the old policy keeps."""
        return tuple(change for change in self.changes or () if change.breaks_sla)
