"""The JSON shapes: plain values only, for every state a domain can be in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.condition import Condition
from autoscaler.core.operation import Outcome
from autoscaler.core.reason import Reason
from autoscaler.core.stabilize import Clamp
from autoscaler.service.describe import domain_of, operation_of, slots_of, status_of
from autoscaler.service.shares import HostShares
from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot
from tests.fakes.examples import DECISION, DOMAIN_SNAPSHOT, OPERATION, SNAPSHOT, VIEW


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param(DOMAIN_SNAPSHOT, id="ordinary"),
        pytest.param(
            replace(DOMAIN_SNAPSHOT, load=None, decision=None, source=None, last_sample_wall_s=None),
            id="just seen",
        ),
        pytest.param(
            replace(
                DOMAIN_SNAPSHOT,
                decision=replace(DECISION, clamps=(Clamp(Reason.HOLD, 1, 2),)),
                operation=OPERATION,
                last_operation=OPERATION.ended(Outcome.STUCK, "it did not go"),
                conditions={Condition.STUCK: "it did not go"},
            ),
            id="in trouble",
        ),
    ],
)
def test_a_domain_is_plain_json_with_the_same_keys_whatever_is_known(domain: DomainSnapshot) -> None:
    described = domain_of(domain)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described.keys() == domain_of(DOMAIN_SNAPSHOT).keys()


def test_the_slots_of_a_domain_are_told_with_what_its_guest_reported_last() -> None:
    report = SlotReport(source=0x103, status=0x82, at_s=90.0)
    view = replace(
        VIEW,
        plugged=3,
        slots=frozenset({0, 1, 2}),
        reports=SlotReports(last={2: report}, taken=1),
    )
    slots = slots_of(replace(DOMAIN_SNAPSHOT, view=view, online_ids=frozenset({0, 1})))

    assert [(slot["plugged"], slot["online"]) for slot in slots] == [
        (True, True),
        (True, True),
        (True, False),
        (False, False),
    ]
    assert slots[2]["report"] == {
        "source": 0x103,
        "status": 0x82,
        "meaning": "removal: refused: busy",
        "ago_s": 10.0,
    }
    assert slots[3]["report"] is None


def test_what_is_not_known_of_a_slot_is_not_made_up() -> None:
    assert {(slot["plugged"], slot["online"]) for slot in slots_of(DOMAIN_SNAPSHOT)} == {(None, None)}


def test_a_decision_is_told_with_its_sentence() -> None:
    decision = domain_of(DOMAIN_SNAPSHOT)["decision"]
    assert isinstance(decision, dict)
    assert decision["reason"] == "steady"
    assert decision["sentence"] == "the vCPUs online fit the demand"


def test_an_operation_tells_its_stages_from_the_request_on() -> None:
    described = operation_of(OPERATION.accepted(100.25))
    assert described["stages_s"] == {"accepted": 0.25}
    assert described["outcome"] is None


SHARES = HostShares(
    cpus=4,
    capacity_vcpus=16,
    committed_vcpus=3,
    pressure_ratio=0.1,
    steal_ratio=0.0,
    deadlines_s={},
    pressed="",
)


def test_a_status_names_each_host_and_its_trouble() -> None:
    hosts = (
        HostSnapshot(label="a", trouble="it is away"),
        HostSnapshot(label="b", trouble=None, unseen={"db": "no socket"}, shares=SHARES),
    )
    status = status_of(replace(SNAPSHOT, hosts=hosts, troubles={"journal": "full"}))
    assert status["hosts"] == [
        {"label": "a", "connected": False, "trouble": "it is away", "unseen": {}, "shares": None},
        {"label": "b", "connected": True, "trouble": None, "unseen": {"db": "no socket"}}
        | {"shares": asdict(SHARES)},
    ]
    assert status["troubles"] == {"journal": "full"}
    assert json.dumps(status)


def test_a_service_with_nothing_to_do_says_why() -> None:
    troubles = status_of(replace(SNAPSHOT, domains=(), ungoverned=(VIEW,)))["troubles"]
    assert isinstance(troubles, dict)
    assert "no policy matches" in troubles["idle"]
    assert "'web-1'" in troubles["idle"]


def test_those_in_trouble_are_named_with_a_broken_promise_first() -> None:
    conditions = [None, Condition.HELD, Condition.PAUSED, Condition.BREAKING, Condition.AT_RISK]
    domains = tuple(
        replace(DOMAIN_SNAPSHOT, label=f"web-{number}", conditions={one: "it is so"} if one else {})
        for number, one in enumerate(conditions)
    )
    status = status_of(replace(SNAPSHOT, domains=domains))
    assert (status["in_trouble"], status["at_risk"]) == (["web-3", "web-1"], ["web-4"])
