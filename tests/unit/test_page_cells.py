"""The texts of a row of the status page."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.service.page.cells import row_of
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
    assert (row["attained"], row["seen"]) == ("28.00%", "of 12 min seen")
    assert (row["budget"], row["allowed"]) == ("98%", "of 7.2 h that may be bad in 30 d")
    assert row_of(DOMAIN_SNAPSHOT, 0.0)["seen"] == "", "nothing was seen yet"
