"""Ordinary values of every kind that a test may ask for, each with the one field changed that it is about."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.backends.local.peer import Peer
from autoscaler.core.decision import Decision
from autoscaler.core.demand import Load
from autoscaler.core.model import (
    CpuSource,
    DomainId,
    DomainView,
    GuestVcpu,
    GuestVcpus,
    Missing,
    MissingReason,
    RunState,
    Sample,
)
from autoscaler.core.operation import Operation
from autoscaler.core.policy import Match, Mode, Policy, Sla
from autoscaler.core.reason import Reason
from autoscaler.core.slo import Slo
from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot, Snapshot, Tally

DOMAIN = DomainId("qemu:///system", "6695eb01-f6a4-8304-79aa-97f2502e193f")

VIEW = DomainView(id=DOMAIN, name="web-1", state=RunState.RUNNING, plugged=1, maximum=4, at_s=100.0)

SAMPLE = Sample(
    at_s=100.0,
    source=CpuSource.PROC_STAT,
    busy_s=50.0,
    steal_s=1.0,
    online=frozenset({0, 1}),
    runnable=0,
    boot_s=1_800_000_000.0,
)

LOAD = Load(
    at_s=101.0,
    span_s=1.0,
    source=CpuSource.PROC_STAT,
    online=2,
    busy_vcpus=1.0,
    steal_vcpus=0.0,
    demand_vcpus=1.0,
)

MISSING = Missing(at_s=100.0, reason=MissingReason.AGENT_ABSENT, detail="no agent in this guest")

POLICY = Policy(name="web", match=Match(name=("web-*",)), source="policies/web.yaml:3")

DECISION = Decision(
    domain=DOMAIN,
    name="web-1",
    at_s=100.0,
    policy="web",
    mode=Mode.AUTO,
    plugged=1,
    online=1,
    lower=1,
    upper=4,
    maximum=4,
    proposed=1,
    held=0,
    target=1,
    next_vcpus=1,
    reason=Reason.STEADY,
    act=False,
)

GROWTH = replace(DECISION, proposed=3, target=3, next_vcpus=3, reason=Reason.DEMAND_HIGH, act=True)
"""A decision to go from one vCPU to three."""

SHRINK = replace(DECISION, plugged=3, online=3, next_vcpus=2, reason=Reason.DEMAND_LOW, act=True)
"""A decision to go from three vCPUs to two."""

OPERATION = Operation(decision_id=7, from_vcpus=1, to_vcpus=3, reason=Reason.DEMAND_HIGH, requested_s=100.0)

DOMAIN_SNAPSHOT = DomainSnapshot(
    label="web-1",
    view=VIEW,
    policy=POLICY,
    online=1,
    load=LOAD,
    source=CpuSource.PROC_STAT,
    last_sample_wall_s=1_800_000_101.0,
    decision=DECISION,
    operation=None,
    last_operation=None,
    conditions={},
    slo=Slo(Sla(), 0.0).report(),
    tally=Tally(),
)

SNAPSHOT = Snapshot(
    wall_s=1_800_000_102.0,
    tick=5,
    hosts=(HostSnapshot(label=DOMAIN.host, trouble=None),),
    domains=(DOMAIN_SNAPSHOT,),
    policies=1,
    policy_digest="abc",
)

PEER = Peer(pid=4711, uid=1000, gids=frozenset({1000}))
"""Who gives orders."""


def guest_vcpus(*, present: int, online: int) -> GuestVcpus:
    """What a guest shows that lists `present` vCPUs and runs the lowest `online` of them."""
    return GuestVcpus(
        tuple(
            GuestVcpu(logical_id=number, online=number < online, can_offline=number > 0)
            for number in range(present)
        )
    )
