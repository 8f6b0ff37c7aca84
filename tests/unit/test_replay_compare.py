"""Who gets better or worse under another policy, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.replay.compare import Change, Verdict, change_of, worst_first
from tests.fakes.courses import SLA, course, judged, named, steps

HOUR = 60
DAY = 24 * HOUR
WANTED = steps((1.0, 9 * HOUR), (2.2, HOUR), (1.0, 38 * HOUR))
"""Two days, of which the first has an hour at nine that wants three vCPUs."""
READY = judged(course(WANTED, steps((2, 9 * HOUR), (3, HOUR), (2, 38 * HOUR))))
LATE = judged(course(WANTED, steps((2, 9 * HOUR + 10), (3, HOUR - 10), (2, 38 * HOUR))))
NEVER = judged(course(WANTED, steps((2, 2 * DAY))))
WIDE = judged(course(WANTED, steps((3, 2 * DAY))))


def test_a_promise_that_only_the_old_policy_kept_is_broken() -> None:
    change = change_of(NEVER, READY)
    assert (change.breaks_sla, change.verdict) == (True, Verdict.WORSE)


def test_a_promise_that_only_the_new_policy_keeps_is_worth_its_cost() -> None:
    change = change_of(READY, NEVER)
    assert (change.breaks_sla, change.verdict) == (False, Verdict.BETTER)
    assert change.new.j > change.old.j


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        pytest.param(READY, Verdict.BETTER, id="cheaper, and both keep the promise"),
        pytest.param(WIDE, Verdict.SAME, id="as it was"),
    ],
)
def test_where_both_keep_the_promise_the_cost_decides(new: object, verdict: Verdict) -> None:
    assert isinstance(new, type(WIDE))
    assert change_of(new, WIDE).verdict is verdict


def test_where_neither_keeps_the_promise_the_fewer_bad_slices_are_better() -> None:
    wanted = steps((1.0, 9 * HOUR), (2.2, 3 * HOUR), (1.0, 36 * HOUR))
    old = judged(course(wanted, steps((2, 2 * DAY))))
    new = judged(course(wanted, steps((2, 11 * HOUR), (3, HOUR), (2, 36 * HOUR))))
    assert not old.score.in_slo
    assert not new.score.in_slo
    assert change_of(new, old).verdict is Verdict.BETTER


def test_more_of_the_budget_at_the_same_cost_is_worse() -> None:
    wanted = steps((1.0, 9 * HOUR), (2.2, HOUR), (1.0, 38 * HOUR))
    late = judged(course(wanted, steps((2, 9 * HOUR + 10), (3, HOUR), (2, 38 * HOUR - 10))))
    assert late.score.in_slo
    assert change_of(late, READY).verdict is Verdict.WORSE


def test_who_loses_most_comes_first() -> None:
    changes = [
        change_of(named(READY, "better"), named(WIDE, "better")),
        change_of(named(WIDE, "dearer"), named(READY, "dearer")),
        change_of(named(NEVER, "broken"), named(READY, "broken")),
        change_of(named(READY, "same"), named(READY, "same")),
    ]
    assert [change.domain for change in worst_first(changes)] == ["broken", "dearer", "same", "better"]


def why(change: Change) -> str:
    return change.why


def test_growth_that_comes_later_is_told_with_the_bad_minutes_that_it_cost() -> None:
    assert why(change_of(LATE, READY)).startswith(
        "grows 600 s later: 10 more bad minutes on Mon 01 Jan 09:00-09:10"
    )


def test_growth_that_comes_sooner_is_told_with_the_bad_minutes_that_it_saves() -> None:
    assert why(change_of(READY, LATE)).startswith("grows 600 s sooner: 10 fewer bad minutes")


def test_growth_that_does_not_come_is_told_with_the_counts() -> None:
    assert why(change_of(NEVER, READY)).startswith(
        "has 2 instead of 3 vCPUs when they are wanted: 60 more bad minutes on Mon 01 Jan 09:00-10:00"
    )


def test_vcpus_that_were_gone_before_they_were_wanted_count_for_nothing() -> None:
    wanted = steps((1.0, 9 * HOUR), (3.8, HOUR), (1.0, 38 * HOUR))
    ready = judged(course(wanted, steps((2, 9 * HOUR), (5, HOUR), (2, 38 * HOUR))))
    shrunk = judged(course(wanted, steps((3, 9 * HOUR - 1), (2, 39 * HOUR + 1))))
    assert why(change_of(shrunk, ready)).startswith("has 2 instead of 5 vCPUs when they are wanted: ")


def test_what_recurs_at_an_hour_of_the_day_is_told_by_that_hour() -> None:
    wanted = np.tile(steps((1.0, 9 * HOUR), (2.2, 20), (1.0, 15 * HOUR - 20)), 3)
    ready = np.tile(steps((2, 9 * HOUR), (3, 20), (2, 15 * HOUR - 20)), 3)
    change = change_of(judged(course(wanted, steps((2, 3 * DAY)))), judged(course(wanted, ready)))
    assert "60 more bad minutes, most of them at 09:00-09:30 on 3 days" in why(change)


def test_vcpus_kept_through_nights_are_told_so() -> None:
    wanted = np.full(2 * DAY * 6, 0.5)
    nights = np.tile(steps((3, 6 * HOUR), (1, 18 * HOUR)), 2)
    change = change_of(judged(course(wanted, nights)), judged(course(wanted, steps((1, 2 * DAY)))))
    assert "keeps 2.0 vCPUs more through nights (00:00 to 05:00): +24.0 vCPU-hours" in why(change)


def test_vcpus_kept_all_day_are_told_so() -> None:
    change = change_of(WIDE, judged(course(WANTED, steps((2, 2 * DAY)))))
    assert "keeps more vCPUs throughout: +48.0 vCPU-hours" in why(change)


def test_moves_are_told_where_they_differ() -> None:
    wanted = np.full(DAY * 6, 0.5)
    restless = np.tile(steps((1, 30), (2, 30)), 24)
    change = change_of(judged(course(wanted, restless)), judged(course(wanted, np.full(DAY * 6, 1.5))))
    assert why(change) == "24 adds instead of 0; 23 removals instead of 0"
    once = judged(course(wanted, steps((1, DAY / 2), (2, DAY / 2))))
    assert "1 add instead of 24" in why(change_of(once, judged(course(wanted, restless))))


def test_a_policy_that_promises_less_is_told_so_and_judged_by_what_was_promised() -> None:
    less = replace(NEVER, promised=replace(SLA, objective_ratio=0.95))
    change = change_of(less, READY)
    assert change.breaks_sla
    assert why(change).startswith("promises 95 % below 0.8 instead of 99 % below 0.8; ")


def test_where_nothing_differs_nothing_is_claimed() -> None:
    assert why(change_of(READY, READY)) == "nothing to speak of differs"
