"""What the service serves as metrics of a snapshot, and a snapshot of which there is everything to tell."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.acpi import SlotReports
from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Stage
from autoscaler.core.decision import Verdict
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.reason import Reason
from autoscaler.core.slo import SliceOutcome
from autoscaler.service.daemon import registry_of
from autoscaler.service.exposition import exposition
from autoscaler.service.instruments import Instruments
from autoscaler.service.shares import HostShares
from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot, Snapshot, Tally
from autoscaler.service.tally import UNKNOWN
from tests.fakes.examples import DOMAIN_SNAPSHOT, OPERATION, SNAPSHOT, VIEW

FULL_TALLY = Tally(
    decisions={(verdict, reason): 1 for verdict in Verdict for reason in Reason},
    operations=dict.fromkeys(Direction, 1),
    failures={(direction, outcome): 1 for direction in Direction for outcome in (*Outcome, UNKNOWN)},
    agent_errors={"agent-unresponsive": 3},
)
_SHARES = HostShares(
    cpus=4,
    capacity_vcpus=8,
    committed_vcpus=3,
    pressure_ratio=0.1,
    steal_ratio=0.1,
    deadlines_s=dict.fromkeys(map(str, Stage), 30.0),
    pressed="",
)
_DOMAIN: DomainSnapshot = replace(
    DOMAIN_SNAPSHOT,
    tally=FULL_TALLY,
    conditions=dict.fromkeys(Condition, "x"),
    view=replace(VIEW, reports=SlotReports(taken=1, dropped=1)),
    slo=replace(DOMAIN_SNAPSHOT.slo, attained_ratio=0.5, slices_total=dict.fromkeys(SliceOutcome, 1)),
    removal=OPERATION,
)
FULL: Snapshot = replace(
    SNAPSHOT,
    domains=(_DOMAIN,),
    hosts=(HostSnapshot(label=VIEW.id.host, trouble=None, libvirt=True, shares=_SHARES),),
)
"""Every family has a series, and every condition and reason is among them."""


def metrics_of(snapshot: Snapshot) -> str:
    """The page of metrics, after one of everything that is counted where it happens."""
    registry = registry_of(lambda: snapshot)
    instruments = Instruments(registry)
    instruments.tick_duration.observe(0.01)
    instruments.scheduled(5.0)
    instruments.agent_asked("guest-info", 0.1)
    instruments.policies_read(in_force=True, wall_s=1.0)
    instruments.operation_ended(OPERATION.seen(present=3, online=3, now_s=100.5).relieved(101.0))
    return exposition(registry, openmetrics=False).decode()
