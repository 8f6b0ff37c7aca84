"""What the last tick left behind, whole and frozen: the only thing that metrics, web and status read.

Invariant: a snapshot is made by the controller's thread and never changes, so any thread may read it, and two
figures in it always belong to the same tick.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.core.condition import urgency

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from autoscaler.core.condition import Condition, Urgency
    from autoscaler.core.decision import Decision, Verdict
    from autoscaler.core.demand import Load
    from autoscaler.core.model import CpuSource, DomainId, DomainView
    from autoscaler.core.operation import Direction, Operation
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import Policy
    from autoscaler.core.reason import Reason
    from autoscaler.core.slo import SloReport
    from autoscaler.service.shares import HostShares


@dataclass(frozen=True, slots=True)
class Example:
    """The last of the things that were counted: which decision it was of."""

    decision_id: int
    wall_s: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What has happened to one domain since the service first saw it; kept only while the domain runs."""

    decisions: Mapping[tuple[Verdict, Reason], int] = field(default_factory=dict)
    """Those that were made lately; see `autoscaler.service.moving_counts`."""
    operations: Mapping[Direction, int] = field(default_factory=dict)
    examples: Mapping[Direction, Example] = field(default_factory=dict)
    """The last operation of each direction."""
    failures: Mapping[tuple[Direction, str], int] = field(default_factory=dict)
    """By their outcome; `autoscaler.service.tally.UNKNOWN` counts the replies that were lost."""
    agent_errors: Mapping[str, int] = field(default_factory=dict)
    """Calls that the guest's agent did not answer as it should, lately, by the name of its error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSnapshot:
    """One governed domain."""

    label: str
    """The domain's name, made unique among all governed ones; see `labels_of`."""
    view: DomainView
    policy: Policy
    online: int | None
    """VCPUs the guest runs, as last seen; None: it has not been seen."""
    load: Load | None
    source: CpuSource | None
    last_sample_wall_s: float | None
    """Seconds since the epoch; None: there was no sample yet."""
    decision: Decision | None
    operation: Operation | None
    last_operation: Operation | None
    """The one that ended last."""
    removal: Operation | None = None
    """The removal of a vCPU that is under way."""
    last_removal: Operation | None = None
    """The one that ended last."""
    online_ids: frozenset[int] | None = None
    """The guest's own numbers of the vCPUs that it runs; None: it has not been seen."""
    conditions: Mapping[Condition, str]
    slo: SloReport
    tally: Tally
    order: Order | None = None
    """What an administrator ordered, for it or for every domain; None: nothing."""

    @property
    def urgency(self) -> Urgency:
        """How soon somebody has to look at it."""
        return urgency(self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """One host connection."""

    label: str
    trouble: str | None
    """Why it cannot be used; None: it answered the last sweep."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Domains that are configured but cannot be seen, or are another connection's: name to a sentence."""
    libvirt: bool = False
    """Whether it is reached through libvirt."""
    heard: bool = True
    """Whether it has ever answered a sweep: until then, nobody knows what runs there."""
    shares: HostShares | None = None
    """What it has to give; None: nobody has asked yet."""

    @property
    def connected(self) -> bool:
        """Whether it answered the last sweep."""
        return self.heard and self.trouble is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything, as of one tick."""

    wall_s: float
    tick: int
    """Ticks completed."""
    hosts: tuple[HostSnapshot, ...] = ()
    domains: tuple[DomainSnapshot, ...] = ()
    """Governed domains, by name."""
    ungoverned: tuple[DomainView, ...] = ()
    """Domains that run and that no policy fits: left alone."""
    off: Mapping[DomainId, str] = field(default_factory=dict)
    """Of those, the ones that a policy of mode off fits, with its name and place."""
    orders: tuple[Order, ...] = ()
    """What administrators ordered and what stands of it, also for domains that do not run."""
    policies: int = 0
    """Policies in force."""
    policy_digest: str = ""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with the service itself: a name to a sentence."""
    audit_line: int = 0
    """Number of the newest line of the audit log."""


def labels_of(views: Collection[DomainView]) -> dict[DomainId, str]:
    """What to call each domain: its name; where others have it too, with its host; or else with its UUID.

    No two domains get one label, whatever they are called: two series of one name would spoil every scrape.
    """
    names = Counter(view.name for view in views)
    labels = {
        view.id: view.name if names[view.name] == 1 else f"{view.name}@{view.id.host}" for view in views
    }
    uses = Counter(labels.values())
    return {
        domain: label if uses[label] == 1 else f"{label}#{domain.uuid}" for domain, label in labels.items()
    }
