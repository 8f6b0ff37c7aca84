"""Each alert that is shipped or generated: what it fires on, what it keeps quiet on, where its runbook is."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from autoscaler.core.policy import Match, Mode, Policy, Sla
from autoscaler.rules import Options, document
from tests.fakes.promtool import amtool, promtool
from tests.rules.asked import RULES, SHIPPED, check, said
from tests.rules.rule_cases import CASES, QUARTER_BAD, Case, fires, promise, quiet

README = SHIPPED / "README.md"
ALERTMANAGER = SHIPPED / "alertmanager.yaml"
WEB = Policy(name="web", match=Match(name=("web-*",)))
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.about}")
def test_an_alert_fires_on_what_it_is_for_and_on_nothing_else(case: Case, tmp_path: Path) -> None:
    check(RULES, tmp_path, case)


def test_every_alert_is_seen_to_fire_and_to_keep_quiet() -> None:
    assert {case.alert for case in CASES if case.fires} == set(ALERTS)
    assert {case.alert for case in CASES if not case.fires} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_section_in_the_runbook_and_names_it(alert: str) -> None:
    assert README.read_text().count(f"\n### {alert}\n") == 1
    installed = "/usr/share/doc/vcpu-autoscaler/deploy/prometheus/README.md"
    assert ALERTS[alert]["annotations"]["runbook"] == f"section {alert} of {installed}"


def test_the_manual_has_how_urgent_each_alert_is_and_when_it_fires() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \| (.+) \|$", README.read_text(), re.MULTILINE)
    said = {"0s": "at once", "1m": "1 minute"}
    assert sorted(rows) == sorted(
        (
            name,
            name.lower(),
            rule["labels"]["severity"],
            said.get(rule["for"], rule["for"].replace("m", " minutes")),
        )
        for name, rule in ALERTS.items()
    )


def test_no_alert_has_a_link_that_leads_nowhere() -> None:
    assert [name for name, rule in ALERTS.items() if "runbook_url" in rule["annotations"]] == []


def test_the_shipped_rules_are_those_that_the_command_prints() -> None:
    assert document(None, Options()) == RULES.read_text()


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param((), id="none"),
        pytest.param((WEB, replace(WEB, name='say "hi"\\')), id="two, one with an odd name"),
        pytest.param((replace(WEB, sla=Sla(slice_s=300.0, window_s=86400.0)),), id="few slices in a window"),
        pytest.param((replace(WEB, sla=Sla(objective_ratio=0.931)),), id="the least objective"),
        pytest.param((replace(WEB, sla=Sla(objective_ratio=0.9999, slice_s=10.0)),), id="the highest"),
    ],
)
def test_promtool_takes_the_rules_of_any_policies(policies: tuple[Policy, ...], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(document(policies, Options()))
    found = promtool("check", "rules", str(file))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("policy", "case"),
    [
        pytest.param(
            WEB,
            fires("VcpuAutoscalerSlaBurnsFast", "", promise(QUARTER_BAD, online=2), "90m"),
            id="the policy's own domain",
        ),
        pytest.param(
            replace(WEB, name="other"),
            quiet("VcpuAutoscalerSlaBurnsFast", "", promise(QUARTER_BAD, online=2), "90m"),
            id="the domain of another policy",
        ),
        pytest.param(
            replace(WEB, sla=Sla(objective_ratio=0.95)),
            quiet(
                "VcpuAutoscalerSlaBurnsFast",
                "",
                promise(("0+0.85x5000", "0+0.15x5000"), online=2),
                "90m",
            ),
            id="a lower objective, for which 15 % burn slowly",
        ),
        pytest.param(
            replace(WEB, mode=Mode.OFF),
            quiet("VcpuAutoscalerSlaBurnsFast", "", promise(QUARTER_BAD, online=2), "90m"),
            id="a policy that governs nothing",
        ),
    ],
)
def test_a_policy_has_alerts_by_its_own_objective(policy: Policy, case: Case, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(document((policy,), Options()))
    check(file, tmp_path, case)


def test_a_command_in_an_alert_takes_any_name_of_a_domain_for_that_and_for_nothing_more(
    tmp_path: Path,
) -> None:
    case = next(case for case in CASES if case.alert == "VcpuAutoscalerChangeFailed" and case.fires)
    name = "a'; touch x $(id) b"
    hostile = {series.replace("web-1", name): values for series, values in case.series.items()}
    (alert,) = said(RULES, tmp_path, replace(case, series=hostile))
    (line,) = re.findall(r"`(autoscaler explain .*?)`", alert)
    assert shlex.split(line.replace("\\\\", "\\")) == ["autoscaler", "explain", name]


BURNING = [case for case in CASES if "SlaBurns" in case.alert and case.fires]


@pytest.mark.parametrize("policies", [pytest.param(None, id="of any"), pytest.param((WEB,), id="of its own")])
@pytest.mark.parametrize("case", BURNING, ids=lambda case: case.alert)
def test_an_alert_on_a_promise_says_how_much_is_kept_what_is_promised_and_where_to_look(
    case: Case, policies: tuple[Policy, ...] | None, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(document(policies, Options()))
    (alert,) = said(file, tmp_path, case)
    kept = "75%" if case.alert.endswith("Fast") else "96%"
    assert f"It keeps {kept} of slices where 99% are promised" in alert
    assert "`autoscaler explain 'web-1'` says " in alert


@pytest.mark.parametrize("name", ['a"} or vector(1) or x{y="', "a\\", "a\u202eb", "{{ $value }}"])
def test_an_alert_on_a_promise_finds_the_objective_of_any_name(name: str, tmp_path: Path) -> None:
    case = BURNING[0]
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    hostile = {series.replace("web-1", quoted): values for series, values in case.series.items()}
    (alert,) = said(RULES, tmp_path, replace(case, series=hostile))
    assert "where 99% are promised" in alert


def inhibits(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether the example's rules keep quiet about one alert while the other fires, as Alertmanager does."""
    rules = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]

    def fits(matchers: list[str], labels: dict[str, str]) -> bool:
        parts = [re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher) for matcher in matchers]
        assert all(parts), matchers
        return all(
            {
                "=": labels.get(part[1], "") == part[3],
                "!=": labels.get(part[1], "") != part[3],
                "=~": re.fullmatch(part[3], labels.get(part[1], "")) is not None,
            }[part[2]]
            for part in parts
            if part is not None
        )

    return any(
        fits(rule["source_matchers"], source)
        and fits(rule["target_matchers"], target)
        and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        for rule in rules
    )


def test_what_is_lost_quiets_alerts_of_its_own_domains_and_of_no_others() -> None:
    def alert(name: str, severity: str, **labels: str) -> dict[str, str]:
        return {"alertname": f"VcpuAutoscaler{name}", "severity": severity, "job": "v", **labels}

    def agent_lost(**labels: str) -> dict[str, str]:
        return alert("AgentLost", "warning", domain="web-1", **labels)

    lost = alert("HostLost", "critical", instance="hv1", host="a")
    assert inhibits(lost, agent_lost(instance="hv1", host="a"))
    assert not inhibits(lost, agent_lost(instance="hv1", host="b")), "another host of the same service"
    assert not inhibits(lost, agent_lost(instance="hv2", host="a"))
    assert not inhibits(lost, alert("SlaBurnsFast", "critical", instance="hv1", host="a"))
    down = alert("Down", "critical", instance="hv1")
    assert inhibits(down, agent_lost(instance="hv1", host="a"))
    assert not inhibits(down, agent_lost(instance="hv2", host="a"))
    assert not inhibits(alert("Down", "critical"), alert("ReloadFailed", "warning"))


def test_amtool_takes_the_example_for_alertmanager() -> None:
    found = amtool("check-config", str(ALERTMANAGER))
    assert found.returncode == 0, found.stdout + found.stderr


def told(alert: str, severity: str) -> str:
    labels = (f"alertname={alert}", f"severity={severity}", "job=v", "instance=hv1", "domain=web-1")
    return amtool("config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels).stdout.strip()


@pytest.mark.parametrize("alert", ALERTS)
def test_who_is_told_of_an_alert_is_whom_it_concerns_as_soon_as_its_severity_says(alert: str) -> None:
    receivers = {"critical": "on-call", "warning": "virtualisation-team", "info": "nobody"}
    severity = ALERTS[alert]["labels"]["severity"]
    assert told(alert, severity) == receivers[severity]


def test_alerts_of_others_go_where_they_went() -> None:
    assert told("DiskFull", "critical") == "everything-else"


def test_a_policy_that_only_recommends_wakes_nobody() -> None:
    text = document((replace(WEB, mode=Mode.RECOMMEND),), Options())
    severities = {
        rule["labels"]["severity"]
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if rule.get("labels", {}).get("policy") == "web"
    }
    assert severities == {"warning"}


def test_no_window_is_looked_at_that_is_longer_than_the_promise() -> None:
    text = document((replace(WEB, sla=Sla(window_s=86400.0)),), Options())
    assert "ratio_rate1d" in text
    assert "ratio_rate3d" not in text


@pytest.mark.parametrize(
    ("slice_s", "shortest"),
    [
        pytest.param(10.0, "5m", id="slices enough in the usual one"),
        pytest.param(60.0, "10m", id="ten slices"),
        pytest.param(300.0, "30m", id="half of the hour that it goes with"),
    ],
)
def test_a_short_window_has_ten_slices_or_is_half_of_the_long_one(slice_s: float, shortest: str) -> None:
    text = document((replace(WEB, sla=Sla(slice_s=slice_s)),), Options())
    (first, *_) = re.findall(r"slo_bad_slices:ratio_rate(\w+)$", text, re.MULTILINE)
    assert first == shortest


def test_the_configuration_of_prometheus_to_start_from_is_one() -> None:
    found = promtool("check", "config", str(SHIPPED / "prometheus.yaml"))
    assert found.returncode == 0, found.stdout + found.stderr


def test_what_the_libvirt_exporter_says_of_a_domain_joins_what_the_service_says(tmp_path: Path) -> None:
    (join,) = re.findall(r"```promql\n(.*?)```", (SHIPPED / "README.md").read_text(), re.DOTALL)
    series = {
        'libvirt_domain_info_cpu_time_seconds_total{job="libvirt",instance="hv1",domain="web-1"}': "0+60x20",
        'libvirt_domain_info_cpu_time_seconds_total{job="libvirt",instance="hv2",domain="web-1"}': "0+30x20",
        'vcpu_autoscaler_domain_vcpus{job="a",instance="hv1",domain="web-1",state="online"}': "2x20",
        'vcpu_autoscaler_domain_vcpus{job="a",instance="hv1",domain="web-1",state="max"}': "8x20",
    }
    expected = [{"labels": '{instance="hv1", domain="web-1"}', "value": 0.5}]
    test = {
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": join, "eval_time": "10m", "exp_samples": expected}],
            }
        ]
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    found = promtool("test", "rules", str(file))
    assert found.returncode == 0, found.stdout + found.stderr
