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
