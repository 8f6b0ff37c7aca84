"""Alerts on the service, its hosts and what stands in the way of domains: the same for every policy."""

from __future__ import annotations

from autoscaler.core.condition import Condition
from autoscaler.core.reason import Reason
from autoscaler.rules.rule import PREFIX, WITH_HOST, Alert, Group, Severity, command, one_of, quoted

_EXPLAIN = command("explain")


def service_groups(job: str) -> tuple[Group, ...]:
    """The alerts; `job` is the scrape job's name, by which a service is missed that is not there at all."""
    return (
        Group("vcpu-autoscaler-service", _of_service(job)),
        Group("vcpu-autoscaler-hosts", _of_hosts()),
        Group("vcpu-autoscaler-domains", _of_domains()),
    )


def _of_service(job: str) -> tuple[Alert, ...]:
    up = f"up{{job={quoted(job)}}}"
    missed = f"sum without (cause) (increase({PREFIX}_ticks_missed_total[10m]))"
    return (
        Alert(
            name="VcpuAutoscalerDown",
            expr=f"{up} == 0\nor\nabsent({up})",
            for_s=120,
            severity=Severity.CRITICAL,
            summary="the vCPU autoscaler {{ $labels.instance }} does not answer",
            description="No guest is grown or shrunk while it is down; every guest stays as it is.",
        ),
        Alert(
            name="VcpuAutoscalerReloadFailed",
            expr=_is_down("policy_reload_successful"),
            for_s=300,
            severity=Severity.WARNING,
            summary="the policy files on {{ $labels.instance }} have errors and are not in force",
            description="The last good policies stay in force: `autoscaler check` has file, line and column.",
        ),
        Alert(
            name="VcpuAutoscalerTicksLate",
            expr=(
                f"{missed}\n/\n(increase({PREFIX}_tick_duration_seconds_count[10m]) + {missed}) > 0.1\n"
                f"or\ntime() - {PREFIX}_snapshot_timestamp_seconds > "
                f"clamp_min(5 * {PREFIX}_tick_interval_seconds, 60)"
            ),
            for_s=300,
            severity=Severity.WARNING,
            summary="the vCPU autoscaler on {{ $labels.instance }} does not keep up with its interval",
            description="Guests are looked at more seldom than configured, and grow later.",
        ),
        Alert(
            name="VcpuAutoscalerJournalNotWritable",
            expr=_is_down("journal_writable"),
            for_s=60,
            severity=Severity.CRITICAL,
            summary="the journal on {{ $labels.instance }} cannot be written: no guest is changed",
            description="What cannot be recorded is not done: see `autoscaler status` and the disk.",
        ),
        Alert(
            name="VcpuAutoscalerAuditNotWritable",
            expr=_is_down("audit_writable"),
            for_s=60,
            severity=Severity.CRITICAL,
            summary="the audit log on {{ $labels.instance }} cannot be written: no guest is changed",
            description="No change is made without a line there: see `autoscaler status` and the disk.",
        ),
        Alert(
            name="VcpuAutoscalerAuditCut",
            expr=f"{PREFIX}_audit_lines < max_over_time({PREFIX}_audit_lines[1d])",
            for_s=0,
            severity=Severity.CRITICAL,
            summary="lines of the audit log on {{ $labels.instance }} are gone from its end",
            description="`autoscaler audit verify` says which.",
        ),
        Alert(
            name="VcpuAutoscalerControlUnreachable",
            expr=_is_down("control_reachable"),
            for_s=300,
            severity=Severity.WARNING,
            summary="the vCPU autoscaler on {{ $labels.instance }} can be given no orders",
            description=(
                "`autoscaler pause`, `set` and `reload` do not reach it, though it goes on: "
                "`autoscaler status` says what is at its control socket."
            ),
        ),
        Alert(
            name="VcpuAutoscalerActuatorRefuses",
            expr=f"sum without (cause) (increase({PREFIX}_actuator_refusals_total[10m])) > 0",
            for_s=600,
            severity=Severity.WARNING,
            summary="the actuator on {{ $labels.instance }} refuses what the vCPU autoscaler asks",
            description=(
                "It refused {{ $value | humanize }} requests in 10 minutes: its bounds may be older than the "
                "policies, and guests lack vCPUs for that."
            ),
        ),
    )


def _of_hosts() -> tuple[Alert, ...]:
    held_back = one_of("reason", Reason.HOST_FULL)
    return (
        Alert(
            name="VcpuAutoscalerHostLost",
            expr=_is_down("host_connected"),
            for_s=120,
            severity=Severity.CRITICAL,
            summary="{{ $labels.host }} does not answer the vCPU autoscaler on {{ $labels.instance }}",
            description="Its guests stay as they are until libvirt, or their QEMU, answers again.",
        ),
        Alert(
            name="VcpuAutoscalerHostFull",
            expr=(
                f'{PREFIX}_host_vcpus{{state="committed"}} >= ignoring (state) '
                f'{PREFIX}_host_vcpus{{state="capacity"}}\n'
                "and on (job, instance, host)\n"
                "sum by (job, instance, host) (\n"
                f"  increase({PREFIX}_decisions_total{{{held_back}}}[10m]) {WITH_HOST}\n"
                ") > 0"
            ),
            for_s=600,
            severity=Severity.WARNING,
            summary="{{ $labels.host }} has no vCPU left, and guests want more",
            description=(
                "{{ $value }} vCPUs are committed, all that host.overcommit and host.reserve allow: move a "
                "guest away, or lower a min or a priority."
            ),
        ),
    )


def _of_domains() -> tuple[Alert, ...]:
    return (
        Alert(
            name="VcpuAutoscalerAgentLost",
            expr=_in_force(Condition.NO_SAMPLE, Condition.AGENT_LEFT_ALONE),
            for_s=600,
            severity=Severity.WARNING,
            summary="the load of {{ $labels.domain }} cannot be read",
            description=f"It is not shrunk, and grows only as `missing` in its policy says: {_EXPLAIN}.",
        ),
        Alert(
            name="VcpuAutoscalerChangeFailed",
            expr=_in_force(Condition.STUCK, Condition.FAILED, Condition.DENIED, Condition.UNKNOWN),
            for_s=600,
            severity=Severity.WARNING,
            summary="a change of {{ $labels.domain }} did not come true",
            description=f"It may lack the vCPUs that it needs: {_EXPLAIN} says at which stage it stands.",
        ),
        Alert(
            name="VcpuAutoscalerRemovalStuck",
            expr=_in_force(Condition.NOT_GIVEN_BACK),
            for_s=900,
            severity=Severity.WARNING,
            summary="{{ $labels.domain }} does not give a vCPU back",
            description="It stays plugged and counts against the host: see the guest's kernel log.",
        ),
        Alert(
            name="VcpuAutoscalerFlapping",
            expr=(
                f'increase({PREFIX}_scaling_operations_total{{direction="up"}}[1h]) {WITH_HOST} > 10\n'
                "and ignoring (direction, host)\n"
                f'increase({PREFIX}_scaling_operations_total{{direction="down"}}[1h]) > 10'
            ),
            for_s=600,
            severity=Severity.WARNING,
            summary="{{ $labels.domain }} grows and shrinks over and over",
            description=(
                "It grew {{ $value | humanize }} times in an hour and shrank as often: a longer cooldown or "
                "hold, or a higher min, keeps it at rest."
            ),
        ),
        Alert(
            name="VcpuAutoscalerChangedByHand",
            expr=_in_force(Condition.BY_HAND),
            for_s=60,
            severity=Severity.INFO,
            summary="somebody else changed the vCPUs of {{ $labels.domain }}",
            description="They are left as they are for as long as manual_change.respect_for says.",
        ),
    )


def _is_down(metric: str) -> str:
    """True where a metric is 0 that is 1 as long as all is well."""
    return f"{PREFIX}_{metric} == 0"


def _in_force(*conditions: Condition) -> str:
    """True where one of these conditions of a domain is in force."""
    matcher = one_of("condition", *conditions)
    return f"max without (condition) ({PREFIX}_domain_condition{{{matcher}}}) {WITH_HOST} == 1"
