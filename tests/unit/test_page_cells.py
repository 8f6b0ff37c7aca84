"""The texts of a row of the status page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.reason import Reason
from autoscaler.core.stabilize import Clamp
from autoscaler.service.page.cells import as_of, row_of
from grafana.states import FIRST_CONDITION, MILDEST_FIRST, STATES
from tests.fakes.examples import DECISION, DOMAIN_SNAPSHOT


def test_a_guest_that_was_not_seen_is_shown_without_a_count_of_its_own() -> None:
    unseen = replace(DOMAIN_SNAPSHOT, online=None, load=None, decision=replace(DECISION, seen=False))
    row = row_of(unseen, 1_800_000_102.0)
    assert (row["online"], row["verdict"]) == ("?", "stay")
    assert row["vcpus"] == "1 plugged, target ?, max 4"


def test_a_promise_that_is_not_kept_stands_out_though_budget_is_left() -> None:
    slo = DOMAIN_SNAPSHOT.slo
    kept = replace(DOMAIN_SNAPSHOT, slo=replace(slo, attained_ratio=slo.objective_ratio))
    broken = replace(DOMAIN_SNAPSHOT, slo=replace(slo, attained_ratio=0.3, budget_remaining_ratio=0.8))
    assert [row_of(domain, 0.0)["attained@class"] for domain in (kept, broken)] == ["", "low"]
    assert row_of(broken, 0.0)["budget@class"] == ""


def test_what_was_kept_and_what_is_left_each_say_of_how_much_time() -> None:
    slo = replace(DOMAIN_SNAPSHOT.slo, attained_ratio=0.28, measured_s=720.0, budget_remaining_ratio=0.98)
    row = row_of(replace(DOMAIN_SNAPSHOT, slo=slo), 0.0)
    assert (row["attained"], row["seen"]) == ("28%", "of 12 min seen")
    assert (row["budget"], row["allowed"]) == ("98%", "7 h of bad time left (of 7.2 h in 30 d)")
    assert row_of(DOMAIN_SNAPSHOT, 0.0)["seen"] == "", "nothing was seen yet"


@pytest.mark.parametrize(
    ("left", "gone_in_s", "said", "kind"),
    [
        pytest.param(1.0, None, "7.2 h of bad time left (of 7.2 h in 30 d)", "online", id="whole"),
        pytest.param(0.9999, None, "7.1 h of bad time left (of 7.2 h in 30 d)", "online", id="nearly whole"),
        pytest.param(0.98, 25_401.0, "in 30 d); at this pace gone in 7 h", "burning", id="burning"),
        pytest.param(0.0, 0.0, "0 s of bad time left", "low", id="spent"),
        pytest.param(-0.5, 0.0, "no bad time left (of 7.2 h in 30 d), 3.6 h beyond it", "low", id="beyond"),
    ],
)
def test_a_budget_says_what_is_left_and_when_it_is_gone(
    left: float, gone_in_s: float | None, said: str, kind: str
) -> None:
    slo = replace(DOMAIN_SNAPSHOT.slo, budget_remaining_ratio=left, exhausted_in_s=gone_in_s)
    row = row_of(replace(DOMAIN_SNAPSHOT, slo=slo), 0.0)
    assert said in row["allowed"]
    assert row["budget-bar@class"] == kind


def test_what_is_not_whole_neither_reads_nor_looks_whole() -> None:
    slo = replace(DOMAIN_SNAPSHOT.slo, attained_ratio=0.98999, budget_remaining_ratio=0.9999)
    row = row_of(replace(DOMAIN_SNAPSHOT, slo=slo), 0.0)
    assert (row["attained"], row["budget"], row["budget-bar@width"]) == ("98.99%", "99%", "59")


COLORS = {"breaking": "red", "wrong": "orange", "passing": "yellow", "risk": "yellow", "ordered": "yellow"}
"""In page.css."""


def kind_of(*conditions: Condition) -> str:
    return row_of(replace(DOMAIN_SNAPSHOT, conditions=dict.fromkeys(conditions, "x")), 0.0)["state@class"]


@pytest.mark.parametrize(
    ("condition", "color"),
    [(condition, STATES[str(rank)][1]) for rank, condition in enumerate(MILDEST_FIRST, FIRST_CONDITION)],
)
def test_a_condition_has_the_same_colour_here_and_on_the_boards(condition: Condition, color: str) -> None:
    assert COLORS[kind_of(condition)] == color


def test_of_several_conditions_the_worst_gives_the_colour() -> None:
    held = (Condition.AT_RISK, Condition.HELD)
    assert kind_of(*held) == "passing"
    assert kind_of(*held, Condition.STUCK) == "wrong"
    assert kind_of(*held, Condition.STUCK, Condition.BREAKING) == "breaking"


@pytest.mark.usefixtures("in_kathmandu")
def test_the_page_says_in_which_time_zone_its_times_are() -> None:
    assert as_of(1_800_000_000.0) == "13:45:00 +0545"


def test_what_is_wrong_is_told_beneath_the_state_in_bounded_length() -> None:
    conditions = {Condition.STUCK: "it\x1b hangs", Condition.HELD: "x" * 5000}
    told = row_of(replace(DOMAIN_SNAPSHOT, conditions=conditions), 0.0)["told"]
    assert told.startswith("it\\x1b hangs; xxx")
    assert len(told) == 600


def test_a_guest_that_its_host_keeps_from_more_is_not_simply_ok() -> None:
    decision = replace(DECISION, reason=Reason.STOLEN)
    row = row_of(replace(DOMAIN_SNAPSHOT, decision=decision), 0.0)
    assert (row["state"], row["state@class"]) == ("ok: stolen", "ordered")


def test_a_first_bad_slice_is_no_trouble_and_not_simply_ok() -> None:
    slo = replace(DOMAIN_SNAPSHOT.slo, last_slice_bad=True)
    row = row_of(replace(DOMAIN_SNAPSHOT, slo=slo), 0.0)
    assert (row["state"], row["state@class"]) == ("ok: last slice bad", "ordered")
    assert row_of(replace(DOMAIN_SNAPSHOT, slo=slo, conditions={Condition.HELD: "a"}), 0.0)["state"] == "held"


def test_the_maximum_that_binds_is_named() -> None:
    for allowed, said in ((3, "policy 'web' allows at most 3"), (4, "the domain can have at most 4")):
        clamps = (Clamp(Reason.AT_MAX, 9, allowed),)
        decision = replace(DECISION, reason=Reason.AT_MAX, upper=allowed, clamps=clamps)
        assert row_of(replace(DOMAIN_SNAPSHOT, decision=decision), 0.0)["why"] == said
