"""Stories that an alert is to fire on, and ones that it is to keep quiet on, as promtool's series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE = 'job="vcpu-autoscaler",instance="hv1"'
WEB = f'{SERVICE},domain="web-1"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series by name and labels, each with promtool's notation of its values, a minute apart."""

    alert: str
    about: str
    series: Mapping[str, str]
    at: str
    fires: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the alert carries, beside its severity."""
    step: str = "1m"


def fires(alert: str, about: str, series: Mapping[str, str], at: str, *, step: str = "1m") -> Case:
    labels = {"job": "vcpu-autoscaler", "instance": "hv1"}
    if any('domain="' in name for name in series):
        labels |= {"domain": "web-1", "host": "qemu:///system"}
    return Case(alert=alert, about=about, series=series, at=at, fires=True, labels=labels, step=step)


def quiet(alert: str, about: str, series: Mapping[str, str], at: str, *, step: str = "1m") -> Case:
    return Case(alert=alert, about=about, series=series, at=at, fires=False, step=step)


def info(host: str = "qemu:///system") -> dict[str, str]:
    return {f'vcpu_autoscaler_domain_info{{{WEB},host="{host}",policy="web",mode="auto"}}': "1x5000"}


def of_service(metric: str, values: str) -> dict[str, str]:
    return {f"vcpu_autoscaler_{metric}{{{SERVICE}}}": values}


def refusals(values: str) -> dict[str, str]:
    """So many of a domain that no bounds name."""
    return {
        f'vcpu_autoscaler_actuator_refusals_total{{{SERVICE},cause="unnamed"}}': values,
        f'vcpu_autoscaler_actuator_refusals_total{{{SERVICE},cause="rate"}}': "0x60",
    }


def condition(name: str, values: str) -> dict[str, str]:
    return info() | {f'vcpu_autoscaler_domain_condition{{{WEB},condition="{name}"}}': values}


def host(committed: int, wanted: str, *, asking: str = "qemu:///system") -> dict[str, str]:
    """A host with so many vCPUs committed, and how often a domain of the host `asking` was held back."""
    base = f'{SERVICE},host="qemu:///system"'
    return info(asking) | {
        f'vcpu_autoscaler_host_vcpus{{{base},state="capacity"}}': "8x60",
        f'vcpu_autoscaler_host_vcpus{{{base},state="committed"}}': f"{committed}x60",
        f'vcpu_autoscaler_decisions_total{{{WEB},action="hold",reason="host-full"}}': wanted,
    }


def ticks(done: str, missed: str) -> dict[str, str]:
    return {
        f"vcpu_autoscaler_tick_duration_seconds_count{{{SERVICE}}}": done,
        f'vcpu_autoscaler_ticks_missed_total{{{SERVICE},cause="late"}}': missed,
        f'vcpu_autoscaler_ticks_missed_total{{{SERVICE},cause="overrun"}}': "0x60",
        f"vcpu_autoscaler_snapshot_timestamp_seconds{{{SERVICE}}}": "0+60x60",
        f"vcpu_autoscaler_tick_interval_seconds{{{SERVICE}}}": "5x60",
    }


def changes(up: str, down: str) -> dict[str, str]:
    return info() | {
        f'vcpu_autoscaler_scaling_operations_total{{{WEB},direction="up"}}': up,
        f'vcpu_autoscaler_scaling_operations_total{{{WEB},direction="down"}}': down,
    }


Slices = tuple[str, str]
"""Good and bad ones."""


def promise(slices: Slices, *, online: int, most: int = 4, known: str = "0.99x5000") -> dict[str, str]:
    """Slices of a domain that runs so many of the vCPUs that it may have."""
    return info() | {
        f'vcpu_autoscaler_slo_slices_total{{{WEB},outcome="good"}}': slices[0],
        f'vcpu_autoscaler_slo_slices_total{{{WEB},outcome="bad"}}': slices[1],
        f'vcpu_autoscaler_slo_slices_total{{{WEB},outcome="unknown"}}': "0x5000",
        f"vcpu_autoscaler_slo_objective_ratio{{{WEB}}}": known,
        f'vcpu_autoscaler_domain_vcpus{{{WEB},state="online"}}': f"{online}x5000",
        f'vcpu_autoscaler_domain_vcpus{{{WEB},state="max"}}': f"{most}x5000",
    }


QUARTER_BAD = ("0+0.75x5000", "0+0.25x5000")
"""25 % of slices for an objective of 99 %: a burn rate of 25."""
SOME_BAD = ("0+4.8x1000", "0+0.2x1000")
"""4 % at steps of five minutes: a burn rate of 4, which is slow."""
HARDLY_BAD = ("0+0.995x5000", "0+0.005x5000")
OVER = ("0+1x20 20+0x40 60+1x100", "0x20 0+1x40 40x100")
"""Everything bad for 40 minutes, then nothing any more."""
SOME_OVER = ("0+4.8x200 965+5x100", "0+0.2x200 40x100")
"""4 % bad at steps of five minutes for 1000 minutes, then nothing any more for 500."""

UP = f"up{{{SERVICE}}}"
CASES = (
    fires("VcpuAutoscalerDown", "a scrape fails", {UP: "1x5 0x20"}, "10m"),
    Case(
        alert="VcpuAutoscalerDown",
        about="nobody scrapes it",
        series={'up{job="other"}': "1x20"},
        at="10m",
        fires=True,
        labels={"job": "vcpu-autoscaler"},
    ),
    quiet("VcpuAutoscalerDown", "one scrape fails", {UP: "1x5 0 1x20"}, "10m"),
    fires("VcpuAutoscalerReloadFailed", "errors", of_service("policy_reload_successful", "1x5 0x20"), "15m"),
    quiet("VcpuAutoscalerReloadFailed", "mended", of_service("policy_reload_successful", "0x3 1x20"), "15m"),
    fires("VcpuAutoscalerTicksLate", "a third is missed", ticks("0+8x60", "0+4x60"), "30m"),
    fires(
        "VcpuAutoscalerTicksLate",
        "no tick ends any more",
        ticks("0+12x60", "0x60") | of_service("snapshot_timestamp_seconds", "0+60x10 600x50"),
        "30m",
    ),
    quiet("VcpuAutoscalerTicksLate", "one is missed", ticks("0+12x60", "0x20 1x40"), "30m"),
    fires("VcpuAutoscalerJournalNotWritable", "full disk", of_service("journal_writable", "1x5 0x20"), "10m"),
    quiet("VcpuAutoscalerJournalNotWritable", "written", of_service("journal_writable", "1x20"), "10m"),
    fires("VcpuAutoscalerAuditNotWritable", "full disk", of_service("audit_writable", "1x5 0x20"), "10m"),
    quiet("VcpuAutoscalerAuditNotWritable", "written", of_service("audit_writable", "1x20"), "10m"),
    fires("VcpuAutoscalerAuditCut", "an end cut off", of_service("audit_lines", "10+1x5 3+1x20"), "10m"),
    quiet("VcpuAutoscalerAuditCut", "as it grows", of_service("audit_lines", "10+1x20"), "10m"),
    fires("VcpuAutoscalerControlUnreachable", "taken", of_service("control_reachable", "1x5 0x20"), "15m"),
    quiet("VcpuAutoscalerControlUnreachable", "made anew", of_service("control_reachable", "0 1x20"), "15m"),
    fires("VcpuAutoscalerActuatorRefuses", "old bounds", refusals("0x5 1+12x40"), "30m"),
    quiet("VcpuAutoscalerActuatorRefuses", "bounds that came late", refusals("0x5 3x60"), "20m"),
    Case(
        alert="VcpuAutoscalerHostLost",
        about="libvirtd is gone",
        series={f'vcpu_autoscaler_host_connected{{{SERVICE},host="qemu:///system"}}': "1x5 0x20"},
        at="10m",
        fires=True,
        labels={"job": "vcpu-autoscaler", "instance": "hv1", "host": "qemu:///system"},
    ),
    quiet(
        "VcpuAutoscalerHostLost",
        "libvirtd restarts",
        {f'vcpu_autoscaler_host_connected{{{SERVICE},host="qemu:///system"}}': "1x5 0 1x20"},
        "10m",
    ),
    Case(
        alert="VcpuAutoscalerHostFull",
        about="no vCPU is left and a guest asks",
        series=host(8, "0+12x60"),
        at="40m",
        fires=True,
        labels={"job": "vcpu-autoscaler", "instance": "hv1", "host": "qemu:///system"},
    ),
    quiet("VcpuAutoscalerHostFull", "no vCPU is left and nobody asks", host(8, "5x60"), "40m"),
    quiet("VcpuAutoscalerHostFull", "there is room again", host(6, "0+12x60"), "40m"),
    quiet(
        "VcpuAutoscalerHostFull",
        "nobody asks of the host that is full, and somebody of another",
        host(8, "0+12x60", asking="qemu+ssh://hv2/system"),
        "40m",
    ),
    fires("VcpuAutoscalerAgentLost", "it is left alone", condition("agent-left-alone", "_x5 1x30"), "20m"),
    fires("VcpuAutoscalerAgentLost", "no sample comes", condition("no-sample", "_x5 1x30"), "20m"),
    quiet("VcpuAutoscalerAgentLost", "it comes back", condition("no-sample", "_x5 1x3 stale"), "20m"),
    fires("VcpuAutoscalerChangeFailed", "it is stuck", condition("stuck", "_x5 1x30"), "20m"),
    quiet("VcpuAutoscalerChangeFailed", "it was slow", condition("stuck", "_x5 1x3 stale"), "20m"),
    fires("VcpuAutoscalerRemovalStuck", "a vCPU stays", condition("not-given-back", "_x5 1x30"), "30m"),
    quiet("VcpuAutoscalerRemovalStuck", "it goes", condition("not-given-back", "_x5 1x5 stale"), "30m"),
    fires("VcpuAutoscalerFlapping", "up and down each 2 minutes", changes("0+0.5x90", "0+0.5x90"), "90m"),
    quiet("VcpuAutoscalerFlapping", "it only grows", changes("0+0.5x90", "0x90"), "90m"),
    quiet("VcpuAutoscalerFlapping", "a few times an hour", changes("0+0.1x90", "0+0.1x90"), "90m"),
    fires("VcpuAutoscalerChangedByHand", "virsh", condition("externally_modified", "_x5 1x30"), "10m"),
    quiet("VcpuAutoscalerChangedByHand", "paused", condition("paused", "_x5 1x30"), "10m"),
    fires("VcpuAutoscalerSlaBurnsFast", "a quarter is bad", promise(QUARTER_BAD, online=2), "90m"),
    quiet("VcpuAutoscalerSlaBurnsFast", "at max", promise(QUARTER_BAD, online=4), "90m"),
    quiet("VcpuAutoscalerSlaBurnsFast", "hardly a slice is bad", promise(HARDLY_BAD, online=2), "90m"),
    quiet("VcpuAutoscalerSlaBurnsFast", "it is over", promise(OVER, online=2), "75m"),
    quiet(
        "VcpuAutoscalerSlaBurnsFast",
        "it was only just started",
        promise(QUARTER_BAD, online=2, known="_x80 0.99x100"),
        "90m",
    ),
    fires("VcpuAutoscalerAtMaxWhileSlaBurnsFast", "a quarter is bad", promise(QUARTER_BAD, online=4), "90m"),
    quiet("VcpuAutoscalerAtMaxWhileSlaBurnsFast", "below it", promise(QUARTER_BAD, online=2), "90m"),
    quiet("VcpuAutoscalerAtMaxWhileSlaBurnsFast", "hardly burns", promise(HARDLY_BAD, online=4), "90m"),
    quiet("VcpuAutoscalerAtMaxWhileSlaBurnsFast", "it is over", promise(OVER, online=4), "75m"),
    fires("VcpuAutoscalerSlaBurnsSlow", "4 %", promise(SOME_BAD, online=2), "1500m", step="5m"),
    quiet(
        "VcpuAutoscalerSlaBurnsSlow",
        "at max",
        promise(SOME_BAD, online=4),
        "1500m",
        step="5m",
    ),
    quiet("VcpuAutoscalerSlaBurnsSlow", "few", promise(HARDLY_BAD, online=2), "1500m", step="5m"),
    quiet("VcpuAutoscalerSlaBurnsSlow", "it is over", promise(SOME_OVER, online=2), "1500m", step="5m"),
    fires(
        "VcpuAutoscalerAtMaxWhileSlaBurnsSlow",
        "4 %",
        promise(SOME_BAD, online=4),
        "1500m",
        step="5m",
    ),
    quiet(
        "VcpuAutoscalerAtMaxWhileSlaBurnsSlow", "below it", promise(SOME_BAD, online=2), "1500m", step="5m"
    ),
    quiet(
        "VcpuAutoscalerAtMaxWhileSlaBurnsSlow",
        "hardly burns",
        promise(HARDLY_BAD, online=4),
        "1500m",
        step="5m",
    ),
    quiet(
        "VcpuAutoscalerAtMaxWhileSlaBurnsSlow",
        "it is over",
        promise(SOME_OVER, online=4),
        "1500m",
        step="5m",
    ),
)
