"""The exposition: valid in both formats, one series a name, nothing left of what is gone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.backends.actuator.protocol import Refusal
from autoscaler.core.acpi import SlotReports
from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.core.decision import Verdict
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.policy import Indicator, Sla
from autoscaler.core.reason import Reason
from autoscaler.core.slo import SliceOutcome
from autoscaler.service.exposition import exposition, form_for
from autoscaler.service.instruments import Instruments
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.moving_counts import TOLD_S
from autoscaler.service.settings import HostLimits
from autoscaler.service.shares import Shares
from autoscaler.service.snapshot import DomainSnapshot, Example, HostSnapshot, Snapshot, Tally, labels_of
from tests.fakes.examples import DECISION, DOMAIN, DOMAIN_SNAPSHOT, LOAD, OPERATION, SNAPSHOT, VIEW

NAMES = [
    pytest.param("plain", id="plain"),
    pytest.param("a\nb", id="newline"),
    pytest.param('say "hi"', id="quotes"),
    pytest.param("back\\slash\\n", id="backslashes"),
    pytest.param("x" * 200, id="long"),
    pytest.param("\u202eevil\u202c", id="right to left"),
    pytest.param('",domain="other', id="injection"),
    pytest.param("{} # HELP x", id="syntax"),
    pytest.param("", id="empty"),
    pytest.param("🦆\t\r", id="emoji and control"),
]
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8, text/plain;q=0.5"
BUSY = Tally(
    decisions={(Verdict.GROW, Reason.DEMAND_HIGH): 2, (Verdict.HOLD, Reason.STEADY): 9},
    operations={Direction.UP: 2},
    examples={Direction.UP: Example(decision_id=17, wall_s=1_800_000_100.5)},
    failures={(Direction.UP, Outcome.STUCK): 1},
    agent_errors={"agent-unresponsive": 3},
)


def registry_of(snapshot: Snapshot) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    instruments = Instruments(registry)
    instruments.tick_duration.observe(0.01)
    instruments.tick_missed("late")
    instruments.agent_asked("guest-info", 0.1)
    instruments.policies_read(in_force=True, wall_s=1.0)
    removal = replace(OPERATION, from_vcpus=3, to_vcpus=2, unplugs=True)
    instruments.operation_ended(removal.offlined(100.1).accepted(100.2).gone(101.0))
    instruments.operation_ended(OPERATION.seen(present=3, online=3, now_s=100.5).relieved(101.0))
    return registry


def openmetrics_of(snapshot: Snapshot) -> str:
    return exposition(registry_of(snapshot), openmetrics=True).decode()


def families(snapshot: Snapshot) -> dict[str, Metric]:
    text = exposition(registry_of(snapshot), openmetrics=False).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    (only,) = (
        entry.value
        for family in found.values()
        for entry in family.samples
        if entry.name == f"vcpu_autoscaler_{sample}" and entry.labels == labels
    )
    return only


def named(name: str) -> Snapshot:
    domain = replace(DOMAIN_SNAPSHOT, label=name, view=replace(VIEW, name=name), tally=BUSY)
    return replace(SNAPSHOT, domains=(domain,))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_domain_is_called_its_series_can_be_read_back(name: str) -> None:
    found = families(named(name))
    assert value(found, "domain_vcpus", domain=name, state="plugged") == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_the_other_format_is_valid_as_well(name: str) -> None:
    text = openmetrics_of(named(name))
    assert list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("accept", [pytest.param("", id="text"), pytest.param(OPENMETRICS, id="openmetrics")])
@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_those_that_the_library_writes_but_for_whole_numbers(name: str, accept: str) -> None:
    host = replace(SNAPSHOT.hosts[0], label=name, libvirt=True)
    registry = registry_of(replace(named(name), hosts=(host,)))
    encode, content_type = choose_encoder(accept)
    form = form_for(accept)
    assert form.content_type == content_type
    assert exposition(registry, openmetrics=form.openmetrics).decode() == shortened(encode(registry).decode())


def shortened(text: str) -> str:
    """What the library wrote, with whole numbers written as such."""

    def whole(found: re.Match[str]) -> str:
        value = float(found[1])
        return f" {int(value)}" if value.is_integer() else found[0]

    return re.sub(r"(?m) (-?[\d.]+(?:e[+-]\d+)?)(?=$| # {decision_id| \d+\.\d+$)", whole, text)


def test_counts_and_stages_of_changes_name_the_decision_behind_them() -> None:
    text = openmetrics_of(named("web-1"))
    (counted,) = [line for line in text.splitlines() if "scaling_operations_total" in line and '"up"' in line]
    assert counted.endswith(' 2 # {decision_id="17"} 1 1800000100.5')
    stages = [line for line in text.splitlines() if "stage_duration_seconds_bucket" in line and "#" in line]
    assert stages
    assert all(f'# {{decision_id="{OPERATION.decision_id}"}}' in line for line in stages)


def test_the_decision_behind_a_change_is_told_for_as_long_as_a_count_that_moves() -> None:
    def told(wall_s: float) -> bool:
        domain = replace(DOMAIN_SNAPSHOT, tally=BUSY)
        return '"17"' in openmetrics_of(replace(SNAPSHOT, domains=(domain,), wall_s=wall_s))

    assert told(1_800_000_100.5 + TOLD_S)
    assert not told(1_800_000_100.5 + TOLD_S + 1)


def test_slices_that_were_not_measured_have_a_series_from_the_first_on() -> None:
    def outcomes(unknown: int) -> set[str]:
        totals = {SliceOutcome.GOOD: 0, SliceOutcome.BAD: 0, SliceOutcome.UNKNOWN: unknown}
        domain = replace(DOMAIN_SNAPSHOT, slo=replace(DOMAIN_SNAPSHOT.slo, slices_total=totals))
        found = families(replace(SNAPSHOT, domains=(domain,)))["vcpu_autoscaler_slo_slices"]
        return {sample.labels["outcome"] for sample in found.samples}

    assert outcomes(0) == {"good", "bad"}
    assert outcomes(1) == {"good", "bad", "unknown"}


def test_a_change_that_is_on_no_record_names_no_decision() -> None:
    tally = replace(BUSY, examples={Direction.UP: Example(decision_id=0, wall_s=1.0)})
    domain = replace(DOMAIN_SNAPSHOT, tally=tally)
    lines = openmetrics_of(replace(SNAPSHOT, domains=(domain,))).splitlines()
    assert not [line for line in lines if "scaling_operations_total" in line and "decision_id" in line]


def test_every_family_has_a_help_and_a_type_and_appears_once() -> None:
    text = exposition(registry_of(named("web-1")), openmetrics=False).decode()
    helps = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# HELP"))
    types = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
    assert helps == types
    assert set(helps.values()) == {1}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        assert family.name.startswith("vcpu_autoscaler_")


def test_no_series_tells_when_it_was_created() -> None:
    assert "_created" not in generate_latest(registry_of(named("web-1"))).decode()
    assert "_created" not in openmetrics_of(named("web-1"))


def test_no_series_appears_twice() -> None:
    views = [
        replace(VIEW, name=name, id=DomainId(host, f"{number}"))
        for number, (host, name) in enumerate(
            [("a", "web"), ("b", "web"), ("c", "web@a"), ("c", "other"), ("b", "web@a@c")]
        )
    ]
    labels = labels_of(views)
    domains = tuple(replace(DOMAIN_SNAPSHOT, view=view, label=labels[view.id], tally=BUSY) for view in views)
    series = Counter(
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in families(replace(SNAPSHOT, domains=domains)).values()
        for sample in family.samples
    )
    assert [key for key, count in series.items() if count > 1] == []


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        pytest.param([("a", "web"), ("a", "db")], ["web", "db"], id="unique"),
        pytest.param([("a", "web"), ("b", "web")], ["web@a", "web@b"], id="on two hosts"),
        pytest.param(
            [("a", "web"), ("b", "web"), ("c", "web@a")], ["web@a#0", "web@b", "web@a#2"], id="a copycat"
        ),
        pytest.param([("a", "web"), ("a", "web")], ["web@a#0", "web@a#1"], id="twice on one host"),
    ],
)
def test_each_domain_has_a_label_of_its_own(names: list[tuple[str, str]], labels: list[str]) -> None:
    views = [
        replace(VIEW, name=name, id=DomainId(host, str(number))) for number, (host, name) in enumerate(names)
    ]
    assert list(labels_of(views).values()) == labels


def test_a_domain_that_is_gone_leaves_no_series() -> None:
    snapshots = [named("web-1")]
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshots[-1]))
    assert b"web-1" in generate_latest(registry)
    snapshots.append(replace(SNAPSHOT, domains=()))
    assert b"web-1" not in generate_latest(registry)


def test_what_is_not_known_has_no_series_rather_than_a_zero() -> None:
    unseen: DomainSnapshot = replace(
        DOMAIN_SNAPSHOT, load=None, last_sample_wall_s=None, decision=None, source=None
    )
    found = families(replace(SNAPSHOT, domains=(unseen,)))
    for family in ("domain_busy_vcpus", "domain_demand_vcpus", "domain_last_sample_timestamp_seconds"):
        assert found[f"vcpu_autoscaler_{family}"].samples == []
    states = {sample.labels["state"] for sample in found["vcpu_autoscaler_domain_vcpus"].samples}
    assert states == {"plugged", "online", "min", "max", "maximum"}


def test_figures_are_those_of_the_snapshot() -> None:
    domain = replace(DOMAIN_SNAPSHOT, tally=BUSY, conditions={Condition.STUCK: "it is stuck"})
    hosts = (
        HostSnapshot(label="a", trouble="gone"),
        HostSnapshot(label="b", trouble=None, unseen={"x": "y"}),
    )
    found = families(replace(SNAPSHOT, domains=(domain,), hosts=hosts, ungoverned=(VIEW, VIEW)))
    assert value(found, "domain_busy_vcpus", domain="web-1") == 1.0
    assert value(found, "domain_utilization_ratio", domain="web-1") == 0.5
    assert value(found, "domain_condition", domain="web-1", condition="stuck") == 1.0
    assert value(found, "decisions_total", domain="web-1", action="hold", reason="steady") == 9.0
    assert value(found, "scaling_operations_total", domain="web-1", direction="up") == 2.0
    assert value(found, "scaling_operations_total", domain="web-1", direction="down") == 0.0
    assert value(found, "scaling_failures_total", domain="web-1", direction="up", outcome="stuck") == 1.0
    assert value(found, "guest_agent_errors_total", domain="web-1", error="agent-unresponsive") == 3.0
    assert value(found, "host_connected", host="a") == 0.0
    assert value(found, "host_connected", host="b") == 1.0
    assert value(found, "host_unseen_domains", host="b") == 1.0
    assert value(found, "domains", governed="false") == 2.0
    assert value(found, "scaling_stage_duration_seconds_count", direction="up", stage="relieved") == 1.0
    assert value(found, "ticks_missed_total", cause="overrun") == 0.0


def test_a_broken_promise_is_a_condition_and_what_was_kept_says_of_how_much_time() -> None:
    slo = replace(DOMAIN_SNAPSHOT.slo, attained_ratio=0.28, measured_s=720.0)
    domain = replace(DOMAIN_SNAPSHOT, slo=slo, conditions={Condition.BREAKING: "it breaks its promise"})
    found = families(replace(SNAPSHOT, domains=(domain,)))
    assert value(found, "domain_condition", domain="web-1", condition="breaking-sla") == 1.0
    assert value(found, "slo_attained_ratio", domain="web-1") == 0.28
    assert value(found, "slo_measured_seconds", domain="web-1") == 720.0


def test_a_condition_has_a_series_only_while_it_is_in_force() -> None:
    assert families(SNAPSHOT)["vcpu_autoscaler_domain_condition"].samples == []
    paused = replace(DOMAIN_SNAPSHOT, conditions={Condition.PAUSED: "it is paused"})
    found = families(replace(SNAPSHOT, domains=(paused,)))
    assert value(found, "domain_condition", domain="web-1", condition="paused") == 1.0


def test_hosts_that_are_reached_through_libvirt_are_told_apart() -> None:
    hosts = (
        HostSnapshot(label="qemu:///system", trouble="gone", libvirt=True),
        HostSnapshot(label="qmp:/run/guests", trouble=None),
    )
    found = families(replace(SNAPSHOT, hosts=hosts))
    assert value(found, "libvirt_connected", host="qemu:///system") == 0.0
    assert len(found["vcpu_autoscaler_libvirt_connected"].samples) == 1


def test_a_host_tells_what_it_withholds_and_whether_that_stops_growth() -> None:
    shares = Shares(HostLimits(), DeadlineSettings())
    shares.feel([replace(LOAD, online=2, steal_vcpus=0.5)])
    hosts = (replace(SNAPSHOT.hosts[0], shares=shares.now([2])),)
    found = families(replace(SNAPSHOT, hosts=hosts))
    assert value(found, "host_steal_ratio", host=DOMAIN.host) == 0.25
    assert value(found, "host_growth_stopped", host=DOMAIN.host) == 1.0


def test_a_journal_that_cannot_be_written_is_seen() -> None:
    assert value(families(SNAPSHOT), "journal_writable") == 1.0
    assert value(families(replace(SNAPSHOT, troubles={"journal": "it is full"})), "journal_writable") == 0.0
    assert value(families(SNAPSHOT), "control_reachable") == 1.0
    assert value(families(replace(SNAPSHOT, troubles={"control": "taken"})), "control_reachable") == 0.0


def test_what_the_actuator_refused_is_counted_by_why_from_nought_on() -> None:
    registry = CollectorRegistry()
    Instruments(registry).actuator_refused(Refusal.BOUNDS)
    counted = {
        cause: registry.get_sample_value("vcpu_autoscaler_actuator_refusals_total", {"cause": cause})
        for cause in Refusal
    }
    assert counted == dict.fromkeys(Refusal, 0.0) | {Refusal.BOUNDS: 1.0}


def test_a_change_whose_stages_nobody_saw_is_not_timed() -> None:
    registry = CollectorRegistry()
    removal = replace(OPERATION, from_vcpus=3, to_vcpus=2, unplugs=True)
    Instruments(registry).operation_ended(removal.found_done(2, 900.0))
    labels = {"direction": "unplug", "stage": "gone"}
    name = "vcpu_autoscaler_scaling_stage_duration_seconds_count"
    assert registry.get_sample_value(name, labels) == 0.0


def test_removals_are_counted_timed_and_watched() -> None:
    view = replace(VIEW, reports=SlotReports(taken=5, dropped=7))
    removal = replace(OPERATION, from_vcpus=3, to_vcpus=2, unplugs=True)
    domain = replace(DOMAIN_SNAPSHOT, view=view, removal=removal)
    found = families(replace(SNAPSHOT, domains=(domain,)))

    assert value(found, "domain_removal_pending", domain="web-1") == 1.0
    assert value(found, "acpi_reports_total", domain="web-1", fate="dropped") == 7.0
    assert value(found, "scaling_stage_duration_seconds_count", direction="unplug", stage="gone") == 1.0


def test_a_domain_says_what_governs_it() -> None:
    (sample,) = families(SNAPSHOT)["vcpu_autoscaler_domain_info"].samples
    assert sample.labels == {
        "domain": "web-1",
        "uuid": DOMAIN.uuid,
        "host": DOMAIN.host,
        "policy": "web",
        "mode": "auto",
        "cpu_source": "proc-stat",
    }


def test_each_policy_that_governs_a_domain_says_once_what_it_promises() -> None:
    twice = (DOMAIN_SNAPSHOT, replace(DOMAIN_SNAPSHOT, label="web-2"))
    (sample,) = families(replace(SNAPSHOT, domains=twice))["vcpu_autoscaler_policy_info"].samples
    assert sample.labels == {
        "policy": "web",
        "promise": "utilization below 80% in 99% of 30 d, in slices of 1 min",
    }


@pytest.mark.parametrize(
    ("indicator", "below", "said"),
    [
        (Indicator.UTILIZATION, 0.8, "utilization"),
        (Indicator.PRESSURE, 0.1, "pressure"),
        (Indicator.RUN_QUEUE, 1.5, "run_queue"),
    ],
)
def test_each_policy_that_governs_a_domain_says_once_below_what_it_keeps_what(
    indicator: Indicator, below: float, said: str
) -> None:
    policy = replace(DOMAIN_SNAPSHOT.policy, sla=Sla(indicator=indicator, below=below))
    twice = tuple(replace(DOMAIN_SNAPSHOT, label=label, policy=policy) for label in ("web-1", "web-2"))
    (sample,) = families(replace(SNAPSHOT, domains=twice))["vcpu_autoscaler_policy_limit_ratio"].samples
    assert sample.labels == {"policy": "web", "indicator": said}
    assert sample.value == below


def test_a_service_that_has_seen_nothing_yet_is_valid_too() -> None:
    assert families(Snapshot(wall_s=0.0, tick=0))


def test_what_a_guest_runs_that_was_not_seen_has_no_series() -> None:
    unseen = replace(DOMAIN_SNAPSHOT, online=None, decision=replace(DECISION, seen=False))
    samples = families(replace(SNAPSHOT, domains=(unseen,)))["vcpu_autoscaler_domain_vcpus"].samples
    assert {sample.labels["state"] for sample in samples} == {"plugged", "min", "max", "maximum"}
