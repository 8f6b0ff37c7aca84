"""A recorded decision told in plain words, each step from the record alone."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.service.explain import Step, explain

RECORD: dict[str, Any] = {
    "domain": "web-1",
    "policy": "web",
    "mode": "auto",
    "at_wall_s": 1_800_000_000.0,
    "until_wall_s": 1_800_000_000.0,
    "repeats": 0,
    "reason": "demand-high",
    "plugged": 2,
    "online": 2,
    "proposed": 3,
    "target": 3,
    "next_vcpus": 3,
    "act": True,
    "newest_inputs": None,
    "operation": None,
    "inputs": {
        "load": {
            "source": "proc-stat",
            "span_s": 5.0,
            "busy_vcpus": 1.96,
            "steal_vcpus": 0.02,
            "demand_vcpus": 2.4,
        },
        "trace": {
            "strategy": "adaptive",
            "demand_vcpus": 2.25,
            "target_utilization_ratio": 0.79,
            "risk_ratio": 0.31,
            "growth_ratio": 1.01,
            "reckoned_vcpus": 2.25,
            "outlook_s": 31.0,
            "bad_slices": 3,
            "last_bad_ago_s": 79_200.0,
            "clean_s": 79_200.0,
            "hold_s": None,
            "covered_ratio": None,
            "needed": 2,
        },
        "held": 3,
        "lower": 2,
        "upper": 8,
        "schedules": [],
        "clamps": [],
        "granted": "",
    },
}


def told(**changes: Any) -> dict[str, str]:  # noqa: ANN401 - parts of a record
    inputs = RECORD["inputs"] | changes.pop("inputs", {})
    steps = explain(RECORD | changes | {"inputs": inputs})
    assert len({step.stage for step in steps}) == len(steps), "one step a stage in these cases"
    return {step.stage: step.text for step in steps}


def test_a_growth_is_told_from_what_was_measured_to_what_was_done() -> None:
    found = told()
    assert list(found) == ["signals", "demand", "target", "want", "action"]
    assert "busy on 1.96 of 2 vCPUs (98%)" in found["signals"]
    assert "2.40 vCPUs" in found["demand"]
    assert found["want"].endswith(" needs 3 vCPUs.")
    assert found["action"] == "It is grown from 2 to 3 vCPUs: demand needs more vCPUs."


def test_a_guest_that_used_all_it_had_is_reckoned_with_a_margin_and_not_with_all_that_waits() -> None:
    load, trace = RECORD["inputs"]["load"], RECORD["inputs"]["trace"]
    loaded = load | {"busy_vcpus": 8.0, "demand_vcpus": 16.0}

    many = told(inputs={"load": loaded, "trace": trace | {"reckoned_vcpus": 9.2}})
    enough = told(inputs={"load": loaded, "trace": trace | {"reckoned_vcpus": 16.0}})

    assert many["want"].startswith(
        "So a demand of 9.20 vCPUs (what it used and a margin: what waits may be over by then) needs "
    )
    assert enough["want"].startswith("So a demand of 16.00 vCPUs needs ")


def test_a_guest_that_hardly_does_anything_is_told_what_it_is_reckoned_with() -> None:
    load = RECORD["inputs"]["load"] | {"busy_vcpus": 0.2, "demand_vcpus": 0.2}
    found = told(inputs={"load": load, "trace": RECORD["inputs"]["trace"] | {"reckoned_vcpus": 0.5}})
    assert found["want"].startswith("So a demand of 0.50 vCPUs (the least that is reckoned with) needs ")


def test_a_learned_target_tells_the_risk_taken_and_what_cut_and_raised_it() -> None:
    text = told()["target"]
    assert text.startswith(
        "From a load like this, 69.0% of the time it came to at most 1.01 times as much within 31 s. It is "
        "given room for that, so its vCPUs may be 79% busy now. How much room follows its error budget: "
        "3 bad slices in 24 h (the last at "
    )
    assert text.endswith(") called for more, 22 h of good ones since the last bad one allow less.")


@pytest.mark.usefixtures("in_kathmandu")
def test_a_moment_is_told_in_local_time_with_the_zone() -> None:
    trace = RECORD["inputs"]["trace"] | {"last_bad_ago_s": 0.0}
    found = told(until_wall_s=1_800_000_000.0, inputs={"trace": trace})
    assert "(the last at 2027-01-15 13:45 +0545)" in found["target"]


def test_a_new_guests_room_is_told_as_that() -> None:
    trace = RECORD["inputs"]["trace"] | {"bad_slices": 0, "last_bad_ago_s": None, "clean_s": 0.0}
    assert told(inputs={"trace": trace})["target"].endswith("of which nothing is known yet.")
    text = told(inputs={"trace": trace | {"clean_s": 600.0}})["target"]
    assert text.endswith("follows its error budget: 10 min of good slices allow less.")


def test_a_kept_vcpu_tells_how_often_it_was_wanted_again_in_time() -> None:
    trace = RECORD["inputs"]["trace"] | {"hold_s": 150.0, "covered_ratio": 0.83}
    found = told(
        proposed=2, online=3, next_vcpus=3, act=False, reason="hold", inputs={"trace": trace, "held": 3}
    )
    assert found["hold"].startswith("The third vCPU is kept for 2.5 min")
    assert "83% of cases" in found["hold"]
    assert found["action"].startswith("It stays at 3 vCPUs")


def test_a_vcpu_that_the_promise_needs_is_told_as_that() -> None:
    trace = RECORD["inputs"]["trace"] | {"hold_s": 420.0, "needed": 3}
    found = told(
        proposed=2, online=3, next_vcpus=3, act=False, reason="hold", inputs={"trace": trace, "held": 3}
    )
    assert found["hold"] == "With fewer than 3 vCPUs this demand would break the promise: they are kept."


def test_a_schedule_in_force_is_named_with_the_bounds_that_it_makes() -> None:
    found = told(inputs={"schedules": ["office hours"], "lower": 4, "clamps": [["schedule", 3, 4]]})
    assert "'office hours'" in found["schedule"]
    assert "4 to 8 vCPUs" in found["schedule"]
    assert found["bounds"] == "3 became 4: schedule 'office hours' allows no fewer than 4."


def test_what_the_host_did_not_grant_is_told_with_its_figures() -> None:
    found = told(
        next_vcpus=2,
        act=False,
        reason="host-full",
        inputs={"clamps": [["host-full", 3, 2]], "granted": "0 of 8 vCPUs are left"},
    )
    assert found["grant"] == "3 became 2: the host has no vCPU left to give (0 of 8 vCPUs are left)."


def test_a_policy_that_only_recommends_says_what_it_would_do() -> None:
    assert "would be grown from 2 to 3" in told(act=False, mode="recommend")["action"]


def test_a_missing_sample_is_told_with_its_cause() -> None:
    missing = {"reason": "agent-absent", "detail": "no agent answers"}
    found = told(
        reason="missing",
        next_vcpus=2,
        act=False,
        inputs={"load": None, "trace": None, "missing": missing},
    )
    assert list(found) == ["signals", "action"]
    assert "no agent answers" in found["signals"]


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        pytest.param(
            {"outcome": "done", "stages_s": {"accepted": 0.02, "online": 0.9}, "detail": ""},
            "The change ended: done (accepted after 0.02 s, online after 0.90 s).",
            id="done",
        ),
        pytest.param(
            {"outcome": "denied", "stages_s": {}, "detail": "no rights"},
            "The change ended: denied; no rights.",
            id="denied",
        ),
        pytest.param(
            {"outcome": None, "stages_s": {}, "detail": ""}, "The change is under way.", id="under way"
        ),
    ],
)
def test_an_outcome_is_told_with_its_stages(operation: dict[str, Any], text: str) -> None:
    assert explain(RECORD | {"operation": operation})[-1] == Step("outcome", text)


def test_a_decision_that_was_repeated_is_told_by_what_it_was_last_made_on() -> None:
    newest = RECORD["inputs"] | {"load": RECORD["inputs"]["load"] | {"busy_vcpus": 1.0, "demand_vcpus": 1.0}}
    found = explain(RECORD | {"newest_inputs": newest, "repeats": 7, "until_wall_s": 1_800_000_035.0})
    assert "busy on 1.00 of 2 vCPUs" in found[0].text


def test_the_strategy_target_tells_the_policys_figure_and_its_hold() -> None:
    trace = {"strategy": "target", "demand_vcpus": 1.0, "utilization_ratio": 0.65, "hold_s": 300.0}
    found = told(
        proposed=2, online=3, next_vcpus=3, act=False, reason="hold", inputs={"trace": trace, "held": 3}
    )
    assert "65%" in found["target"]
    assert found["hold"] == "3 vCPUs were wanted within the last 5 min and are kept."


def test_a_doubted_load_is_told_with_what_the_host_saw() -> None:
    load = RECORD["inputs"]["load"] | {"host_vcpus": 0.12}
    inputs = {"load": load, "clamps": [["load-doubted", 3, 2]]}
    found = told(next_vcpus=2, act=False, reason="load-doubted", inputs=inputs)
    assert found["host"] == (
        "The guest claims to have used 1.96 vCPUs; the host saw its vCPU threads want 0.12."
    )
    assert "vCPU threads did not spend" in found["pace"]
    assert found["action"].startswith("It stays at 2 vCPUs: the guest claims load")


def test_a_pause_is_told_with_what_would_be_done() -> None:
    order = "paused until resumed by uid 0"
    found = told(reason="paused", act=False, inputs={"order": order})
    assert found["order"] == "By an administrator's order it is paused until resumed by uid 0."
    assert found["action"].startswith("It would be grown from 2 to 3 vCPUs, and nothing is changed: ")


def test_a_count_that_was_ordered_is_told_with_what_the_strategy_wanted() -> None:
    order = "held at 6 vCPUs until 2026-03-01 14:30:00 UTC by uid 0"
    found = told(reason="ordered", next_vcpus=6, inputs={"order": order, "clamps": [["ordered", 3, 6]]})
    assert found["order"].endswith(f"{order}.")
    assert found["bounds"] == "3 became 6: an administrator has ordered this count."


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        pytest.param({"maximum": 3}, "the domain can have at most 3", id="the domain's"),
        pytest.param({"maximum": 8}, "policy 'web' allows at most 3", id="the policy's"),
        pytest.param(
            {},
            "policy 'web' or the domain allows at most 3; which of them, this record of an earlier version "
            "does not say",
            id="not on record",
        ),
    ],
)
def test_a_maximum_is_named_with_which_one_it_was(inputs: dict[str, Any], said: str) -> None:
    found = told(reason="at-max", online=3, next_vcpus=3, inputs=inputs | {"clamps": [["at-max", 9, 3]]})
    assert found["bounds"] == f"9 became 3: {said}."
    assert found["action"] == f"It stays at 3 vCPUs: {said}."
