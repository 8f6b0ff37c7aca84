"""What each mistake in the SLA, the strategy, labels and the rest of the language is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.policy_files import errors, load, one


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


_OBJECTIVE = "write a share from 93.1% to 99.99%"
_INDICATORS = "utilization_below, pressure_below, run_queue_below"


@pytest.mark.parametrize(
    ("policy", "column", "message"),
    [
        pytest.param(
            "sla: {objective: 100%}",
            22,
            f"'objective' cannot be '100%'; {_OBJECTIVE}: with more, hardly a slice could be bad; an"
            " objective of 100% has no error budget at all",
            id="no budget",
        ),
        pytest.param(
            "sla: {objective: 90%}",
            22,
            f"'objective' cannot be '90%'; {_OBJECTIVE}: with less, even nothing but bad slices burns the"
            " error budget less than 14.4 times as fast as it may, and the alert on that could never fire",
            id="no alert",
        ),
        pytest.param(
            "sla: {objective: 99}",
            22,
            f"'objective' cannot be '99'; {_OBJECTIVE} with its percent sign, such as 99%",
            id="objective without percent",
        ),
        pytest.param(
            "sla: {objective: 0.99}",
            22,
            f"'objective' cannot be '0.99'; {_OBJECTIVE} with its percent sign, such as 99%",
            id="objective as a ratio",
        ),
        pytest.param(
            "sla: {window: 30}",
            19,
            "'window' cannot be '30'; write a duration from 1d to 90d with its unit (ms, s, m, h or d),"
            " such as 30d",
            id="window without unit",
        ),
        pytest.param(
            "sla: {slice: 5}",
            18,
            "'slice' cannot be '5'; write a duration from 10s to 5m with its unit (ms, s, m, h or d),"
            " such as 5m",
            id="slice without unit",
        ),
        pytest.param(
            "sla: {window: 1000}",
            19,
            "'window' cannot be '1000'; write a duration from 1d to 90d with its unit (ms, s, m, h or d),"
            " such as 1000h",
            id="window that is too long in days",
        ),
        pytest.param(
            "limits: {ap: {step: 50%}}",
            14,
            "the key 'ap' is not known here; did you mean 'up'?",
            id="a short word",
        ),
        pytest.param(
            "sla: {slice: 01:00}",
            18,
            "'slice' cannot be '01:00'; write a duration from 10s to 5m, one number and its unit (ms, s, m,"
            " h or d)",
            id="sexagesimal slice",
        ),
        pytest.param(
            "sla: {indicator: {}}", 22, f"write exactly one of these keys here: {_INDICATORS}", id="nothing"
        ),
        pytest.param(
            "sla: {indicator: {utilization_below: 80%, pressure_below: 10%}}",
            22,
            f"write exactly one of these keys here: {_INDICATORS}",
            id="two indicators",
        ),
        pytest.param(
            "sla: {indicator: {utilisation_below: 80%}}",
            23,
            "the key 'utilisation_below' is not known here; did you mean 'utilization_below'?",
            id="British indicator",
        ),
        pytest.param(
            "sla: {indicator: utilization_below}",
            22,
            f"'indicator' cannot be 'utilization_below'; it takes keys: {_INDICATORS}",
            id="indicator without limit",
        ),
        pytest.param(
            "sla: {indicator: {run_queue_below: 10%}}",
            40,
            "'run_queue_below' cannot be '10%'; write a number from 0.1 to 100 in plain digits",
            id="run queue in percent",
        ),
        pytest.param(
            'sla: {indicator: {run_queue_below: "1"}}',
            40,
            "'run_queue_below' cannot be '1'; write a number from 0.1 to 100 without quotes",
            id="quoted number",
        ),
        pytest.param(
            "sla: {indicator: {run_queue_below: 1e3}}",
            40,
            "'run_queue_below' cannot be '1e3'; write a number from 0.1 to 100 in plain digits",
            id="exponent",
        ),
        pytest.param(
            "sla: {indicator: {pressure_below: 100%}}",
            39,
            "'pressure_below' cannot be '100%'; write a share from 0.1% to 99%",
            id="pressure that is always below",
        ),
        pytest.param(
            "strategy: {adaptive: {}, target: {}}",
            15,
            "write exactly one of these keys here: adaptive, target",
            id="two strategies",
        ),
        pytest.param(
            "strategy: {adaptive: }", 26, "'adaptive' has no value; it takes keys: prices", id="no value"
        ),
        pytest.param(
            "strategy: {adaptiv: {}}",
            16,
            "the key 'adaptiv' is not known here; did you mean 'adaptive'?",
            id="strategy misspelt",
        ),
        pytest.param(
            "strategy: {adaptive: {prices: {vcpu_minute: 0}}}",
            49,
            "'vcpu_minute' cannot be '0'; write a number from 0.001 to 1000",
            id="vCPUs for nothing",
        ),
        pytest.param(
            "strategy: {adaptive: {prices: {remove: -1}}}",
            44,
            "'remove' cannot be '-1'; write a number from 0 to 1000",
            id="negative price",
        ),
        pytest.param(
            "limits: {down: {per_day: 0}}",
            30,
            "'per_day' cannot be '0'; write a whole number from 1 to 10000; mode: up-only never takes a vCPU"
            " away",
            id="no shrink a day",
        ),
        pytest.param(
            "limits: {down: {reclaim: eject}}",
            30,
            "'reclaim' cannot be 'eject'; write one of offline, unplug, offline-then-unplug",
            id="reclaim that is not to be had",
        ),
        pytest.param(
            "limits: {down: {unplug_after: 2h}}",
            35,
            "'unplug_after' means nothing with 'reclaim: offline'; write 'reclaim: offline-then-unplug' or "
            "leave it out",
            id="an idle time that nothing waits for",
        ),
        pytest.param(
            "limits: {down: {reclaim: off}}",
            30,
            "'reclaim' cannot be 'off'; write one of offline, unplug, offline-then-unplug; "
            "did you mean 'offline'?",
            id="reclaim off",
        ),
        pytest.param(
            "host: {priority: 1001}",
            22,
            "'priority' cannot be '1001'; write a whole number from 0 to 1000",
            id="priority",
        ),
        pytest.param(
            "host: {priority: 010}",
            22,
            "'priority' cannot be '010'; write a whole number from 0 to 1000 in plain digits",
            id="octal priority",
        ),
        pytest.param(
            "host: {weight: 0}", 20, "'weight' cannot be '0'; write a number from 0.1 to 100", id="weight"
        ),
        pytest.param(
            "manual_change: {respect_for: 1}",
            34,
            "'respect_for' cannot be '1'; write a duration from 0s to 30d with its unit (ms, s, m, h or d),"
            " such as 1s",
            id="respect without unit",
        ),
        pytest.param(
            "schedules: {}",
            16,
            "'schedules' cannot be empty; write a list, such as [a, b]",
            id="schedules without a list",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named_at_its_place(policy: str, column: int, message: str) -> None:
    assert errors(one(policy)) == [f"0.yaml:4:{column}: {message}"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        pytest.param(
            "{metadata: tier}",
            "0.yaml:3:33: 'metadata' cannot be 'tier'; write keys and values, such as {tier: gold}",
            id="labels without values",
        ),
        pytest.param(
            "{metadata: [tier]}",
            "0.yaml:3:33: 'metadata' cannot be a list; write keys and values, such as {tier: gold}",
            id="list of labels",
        ),
        pytest.param(
            "{metadata: {tier: }}",
            "0.yaml:3:40: 'tier' has no value; write some text, in quotes if it is meant as it stands",
            id="label without value",
        ),
        pytest.param(
            "{metadata: {tier: {a: b}}}",
            "0.yaml:3:40: 'tier' cannot be a group of keys; write some text, in quotes if it is meant as it"
            " stands",
            id="label with keys",
        ),
        pytest.param(
            "{metadata: {my tier: gold}}",
            "0.yaml:3:34: the key 'my tier' cannot stand here; labels are named by up to 128 letters, digits,"
            " '_', '.' and '-', a letter or '_' first",
            id="name of a label",
        ),
        pytest.param(
            "{metadata: {tier: gold, tier: silver}}",
            "0.yaml:3:46: the key 'tier' is given twice, first in line 3",
            id="label twice",
        ),
        pytest.param(
            "{metadata: {tier: '[z-a]'}}",
            "0.yaml:3:40: 'tier' cannot be '[z-a]'; no text fits this pattern",
            id="label that fits nothing",
        ),
        pytest.param(
            "{metadata: {autoscaling: off}}",
            "0.yaml:3:47: 'match' fits no domain; the label autoscaling=off keeps a domain out of every"
            " policy",
            id="domains that opted out",
        ),
        pytest.param(
            "{metadata: {tier: gold}, not_name: ['*']}",
            "0.yaml:3:22: 'match' fits no domain; 'not_name' takes out all that it lets in",
            id="all names taken out",
        ),
        pytest.param(
            "{name: [web-1, web-2], not_name: ['web-*']}",
            "0.yaml:3:22: 'match' fits no domain; 'not_name' takes out all that it lets in",
            id="every name within what is taken out",
        ),
        pytest.param(
            "{name: [web, 'db-[]']}",
            "",
            id="bracket that is a letter",
        ),
        pytest.param(
            "{name: [web, 'db-[9-0]']}",
            "0.yaml:3:35: 'name[1]' cannot be 'db-[9-0]'; no text fits this pattern",
            id="pattern that fits nothing",
        ),
    ],
)
def test_a_match_that_cannot_be_meant_is_named_at_its_place(match: str, expected: str) -> None:
    text = f"version: 1\npolicies:\n  - {{name: a, match: {match}}}\n"
    assert errors(text) == ([expected] if expected else [])


def test_a_list_without_end_is_refused_and_one_at_the_limit_is_not() -> None:
    names = ", ".join(f"n{number}" for number in range(1000))
    good = f"version: 1\npolicies:\n  - {{name: a, match: {{name: [{names}]}}}}\n"
    assert errors(good) == []
    assert errors(good.replace("n0,", "n0, n,")) == [
        "0.yaml:3:29: a list of 1001 entries is too long here; write at most 1000"
    ]


def test_a_policy_by_labels_alone_governs_any_name() -> None:
    loaded = load("version: 1\npolicies:\n  - {name: a, match: {metadata: {tier: 'g*'}}}\n")
    assert loaded.policy_set is not None
    assert loaded.policy_set.governing("x", "u", {"tier": "gold"}) is loaded.policy_set.policies[0]
    assert loaded.policy_set.governing("x", "u", {"tier": "silver"}) is None


def test_the_objective_from_which_on_the_alert_can_fire_is_the_least_that_is_taken() -> None:
    loaded = load(one("sla: {objective: 93.1%}"))
    assert loaded.policy_set is not None
    burn_with_nothing_good = 1 / (1 - loaded.policy_set.policies[0].sla.objective_ratio)
    assert burn_with_nothing_good >= 14.4
    assert len(errors(one("sla: {objective: 93%}"))) == 1
    assert 1 / (1 - 0.93) < 14.4


def test_a_refused_label_widens_no_policy_that_others_are_compared_with() -> None:
    loaded = load(
        "version: 1\npolicies:\n"
        "  - {name: a, match: {name: ['*'], metadata: {tier: }}}\n"
        "  - {name: b, match: {name: [b]}}\n"
    )
    assert len(loaded.errors) == 1
    assert loaded.warnings == ()
