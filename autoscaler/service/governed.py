"""A domain under a policy, with what the service adds to its state: its host, its counts, its last change."""

from __future__ import annotations

from dataclasses import dataclass, field

from autoscaler.core.by_hand import Counts
from autoscaler.core.domain_state import DomainState
from autoscaler.core.operation import Operation
from autoscaler.core.slo import Slo, SloReport
from autoscaler.service.host import Host
from autoscaler.service.snapshot import DomainSnapshot
from autoscaler.service.tally import TallyCounter


@dataclass(slots=True, eq=False)
class Governed:
    """One governed domain; changed by the controller alone."""

    state: DomainState
    host: Host
    tally: TallyCounter = field(default_factory=TallyCounter)
    last_operation: Operation | None = None
    last_removal: Operation | None = None
    counts_kept: Counts | None = None
    """Its vCPUs as the journal was last told of them; None: of none."""
    _report: tuple[Slo, SloReport] | None = None
    """The last report, and the service level that it is of."""

    def frozen(self, label: str, now_s: float, wall_s: float) -> DomainSnapshot:
        """The domain as it is now, under the name that people know it by."""
        state = self.state
        last_s = state.last_sample_s
        return DomainSnapshot(
            label=label,
            view=state.view,
            policy=state.policy,
            online=state.known_online,
            load=state.load,
            source=state.source,
            last_sample_wall_s=None if last_s is None else wall_s - (now_s - last_s),
            decision=state.decision,
            operation=state.actuation.operation,
            last_operation=self.last_operation,
            removal=state.removal.operation,
            last_removal=self.last_removal,
            online_ids=state.online_ids,
            conditions=dict(state.conditions(now_s)),
            slo=self._slo(),
            tally=self.tally.frozen(now_s),
            order=state.order,
        )

    @property
    def has_other_counts(self) -> bool:
        """Whether its vCPUs are seen, and not those that the journal was told of."""
        counts = self.state.counts
        return counts is not None and not counts.same_as(self.counts_kept)

    def ended(self, operation: Operation) -> None:
        """A change is over: the last of its kind."""
        if operation.unplugs:
            self.last_removal = operation
        else:
            self.last_operation = operation

    def slice_closed(self) -> None:
        """The service level has another slice: its report is made anew when it is next asked for."""
        self._report = None

    def _slo(self) -> SloReport:
        slo = self.state.learned.slo
        if self._report is None or self._report[0] is not slo:
            self._report = slo, slo.report()
        return self._report[1]
