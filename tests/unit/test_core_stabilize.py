"""Bounds and pace: where a recommendation may go, and why not further."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.policy import DownLimits, Mode, UpLimits
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.core.recommend import Recommendation
from autoscaler.core.stabilize import Clamp, Situation, stabilize

AT_FOUR = Situation(
    now_s=1000.0,
    online=4,
    lower=1,
    upper=16,
    mode=Mode.AUTO,
    up=UpLimits(step_ratio=1.0, cooldown_s=30.0),
    down=DownLimits(step_vcpus=1, cooldown_s=60.0),
    held_vcpus=1,
    last_change_s=None,
    shrinks=0,
    saturated=False,
    starved=False,
)

TENTH = replace(AT_FOUR.down, step_ratio=0.10)


def wish(vcpus: int, online: int = 4) -> Recommendation:
    if vcpus == online:
        return Recommendation(vcpus=vcpus, reason=Reason.STEADY)
    return Recommendation(vcpus=vcpus, reason=Reason.DEMAND_HIGH if vcpus > online else Reason.DEMAND_LOW)


@pytest.mark.parametrize(
    ("wanted", "at", "target", "following", "reason"),
    [
        pytest.param(4, AT_FOUR, 4, 4, Reason.STEADY, id="steady"),
        pytest.param(6, AT_FOUR, 6, 6, Reason.DEMAND_HIGH, id="up at once"),
        pytest.param(12, AT_FOUR, 12, 8, Reason.DEMAND_HIGH, id="up by at most the step"),
        pytest.param(
            9, replace(AT_FOUR, online=1), 9, 5, Reason.DEMAND_HIGH, id="a step up may always be four"
        ),
        pytest.param(3, AT_FOUR, 3, 3, Reason.DEMAND_LOW, id="down by one"),
        pytest.param(1, AT_FOUR, 1, 3, Reason.DEMAND_LOW, id="down one at a time"),
        pytest.param(
            1, replace(AT_FOUR, online=16, down=TENTH), 1, 15, Reason.DEMAND_LOW, id="a share is rounded down"
        ),
        pytest.param(
            1,
            replace(AT_FOUR, online=100, upper=100, down=replace(TENTH, step_ratio=0.29)),
            *(1, 71, Reason.DEMAND_LOW),
            id="a share that is whole but for its last bit is whole",
        ),
        pytest.param(
            97,
            replace(AT_FOUR, online=100, upper=100, down=TENTH),
            97,
            97,
            Reason.DEMAND_LOW,
            id="no further",
        ),
        pytest.param(1, replace(AT_FOUR, down=TENTH), 1, 3, Reason.DEMAND_LOW, id="a share is one at least"),
        pytest.param(2, replace(AT_FOUR, held_vcpus=4), 4, 4, Reason.HOLD, id="held whole"),
        pytest.param(1, replace(AT_FOUR, held_vcpus=3), 3, 3, Reason.DEMAND_LOW, id="held partly"),
        pytest.param(3, replace(AT_FOUR, held_vcpus=9), 4, 4, Reason.HOLD, id="a hold never grows"),
        pytest.param(2, replace(AT_FOUR, lower=4), 4, 4, Reason.AT_MIN, id="at the minimum"),
        pytest.param(4, replace(AT_FOUR, lower=6), 6, 6, Reason.AT_MIN, id="raised to the minimum"),
        pytest.param(2, replace(AT_FOUR, lower=6), 6, 6, Reason.AT_MIN, id="low demand below the minimum"),
        pytest.param(9, replace(AT_FOUR, upper=4), 4, 4, Reason.AT_MAX, id="at the maximum"),
        pytest.param(9, replace(AT_FOUR, upper=2), 2, 3, Reason.AT_MAX, id="lowered to the maximum in steps"),
        pytest.param(2, replace(AT_FOUR, saturated=True), 2, 4, Reason.SATURATED, id="saturated"),
        pytest.param(
            9, replace(AT_FOUR, saturated=True, upper=2), 2, 3, Reason.AT_MAX, id="a maximum binds when busy"
        ),
        pytest.param(6, replace(AT_FOUR, starved=True), 6, 4, Reason.STOLEN, id="stolen, no growth"),
        pytest.param(2, replace(AT_FOUR, starved=True), 2, 4, Reason.STOLEN, id="stolen, no shrink"),
        pytest.param(4, replace(AT_FOUR, starved=True), 4, 4, Reason.STOLEN, id="stolen, no move wanted"),
        pytest.param(
            4,
            replace(AT_FOUR, starved=True, lower=6),
            6,
            6,
            Reason.AT_MIN,
            id="a minimum binds when stolen",
        ),
        pytest.param(
            4,
            replace(AT_FOUR, starved=True, upper=2),
            2,
            3,
            Reason.AT_MAX,
            id="a maximum binds when stolen",
        ),
        pytest.param(2, replace(AT_FOUR, mode=Mode.UP_ONLY), 2, 4, Reason.UP_ONLY, id="up only, no shrink"),
        pytest.param(6, replace(AT_FOUR, mode=Mode.UP_ONLY), 6, 6, Reason.DEMAND_HIGH, id="up only grows"),
        pytest.param(
            6, replace(AT_FOUR, last_change_s=971.0), 6, 4, Reason.COOLDOWN, id="too early to grow again"
        ),
        pytest.param(
            6, replace(AT_FOUR, last_change_s=970.0), 6, 6, Reason.DEMAND_HIGH, id="late enough to grow"
        ),
        pytest.param(
            2, replace(AT_FOUR, last_change_s=941.0), 2, 4, Reason.COOLDOWN, id="too early to shrink"
        ),
        pytest.param(
            2, replace(AT_FOUR, last_change_s=940.0), 2, 3, Reason.DEMAND_LOW, id="late enough to shrink"
        ),
    ],
)
def test_a_move_and_its_one_reason(
    wanted: int, at: Situation, target: int, following: int, reason: Reason
) -> None:
    found = stabilize(wish(wanted, at.online), at)
    assert (found.vcpus, found.next_vcpus, found.reason) == (target, following, reason)


def test_every_clamp_that_changed_the_figure_is_kept_in_order() -> None:
    at = replace(AT_FOUR, upper=10, saturated=True)
    assert stabilize(wish(20), at).clamps == (Clamp(Reason.AT_MAX, 20, 10), Clamp(Reason.STEP, 10, 8))


def test_a_clamp_that_changed_nothing_is_not_mentioned() -> None:
    assert stabilize(wish(4), AT_FOUR).clamps == ()


SCHEDULED = replace(AT_FOUR, lower=6, own_lower=2, upper=8, own_upper=16)


def test_a_bound_that_only_a_schedule_sets_names_the_schedule() -> None:
    raised = stabilize(wish(1), SCHEDULED)
    assert (raised.vcpus, raised.reason) == (6, Reason.SCHEDULE)
    assert raised.clamps == (Clamp(Reason.AT_MIN, 1, 2), Clamp(Reason.SCHEDULE, 2, 6))
    lowered = stabilize(wish(20), SCHEDULED)
    assert lowered.clamps[:2] == (Clamp(Reason.AT_MAX, 20, 16), Clamp(Reason.SCHEDULE, 16, 8))


def test_a_day_that_has_seen_its_shrinks_sees_no_more() -> None:
    at = replace(AT_FOUR, shrinks=3, down=DownLimits(per_day=3))
    found = stabilize(wish(2), at)
    assert (found.vcpus, found.next_vcpus, found.reason) == (2, 4, Reason.DAILY_LIMIT)
    assert stabilize(wish(6), at).next_vcpus == 6


@pytest.mark.parametrize(("online", "left"), [(1, 1), (2, 1), (19, 18), (20, 18), (1000, 900)])
def test_without_a_step_in_the_policy_a_move_takes_a_tenth_and_one_at_least(online: int, left: int) -> None:
    at = replace(AT_FOUR, online=online, upper=4096, down=DownLimits())
    assert stabilize(wish(1, online), at).next_vcpus == left


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
