"""For how long so many vCPUs were enough for a domain, and what of that stands after a restart."""

from __future__ import annotations

import json

import pytest

from autoscaler.core.idle import IdleTime
from autoscaler.core.operation import Operation
from autoscaler.core.reason import Reason

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def lived(*uses: tuple[float, int], plugged: int = 4) -> IdleTime:
    """A domain that was seen to use so many vCPUs at such times."""
    idle = IdleTime()
    for at_s, used in uses:
        idle.look(plugged, used, at_s)
    return idle


def enough(idle: IdleTime) -> list[float | None]:
    """Since when 1, 2, 3 and 4 vCPUs were enough."""
    return [idle.since_s(count) for count in (1, 2, 3, 4)]


def change(
    start: int, end: int, at_s: float, *, online_s: float | None = None, unplugs: bool = False
) -> Operation:
    return Operation(
        decision_id=1,
        from_vcpus=start,
        to_vcpus=end,
        reason=Reason.DEMAND_HIGH,
        requested_s=at_s,
        online_s=online_s,
        unplugs=unplugs,
    )


def restarted(
    idle: IdleTime, *past: Operation, kept_s: float, now_s: float, away_s: float, plugged: int = 4
) -> IdleTime:
    dumped = json.loads(json.dumps(idle.dump(kept_s)))
    return IdleTime.restore(dumped, plugged, now_s, away_s=away_s, past=past)


def test_nothing_is_known_of_a_domain_that_was_not_seen() -> None:
    assert enough(IdleTime()) == [None] * 4
    assert IdleTime().dump(5.0) == {}


def test_each_count_was_enough_since_more_was_last_used() -> None:
    idle = lived((0.0, 4), (10.0, 3), (20.0, 2), (30.0, 1))

    assert enough(idle) == [30.0, 20.0, 10.0, 0.0]


def test_a_use_ends_the_idle_time_of_fewer_vcpus_and_of_no_more_than_it() -> None:
    idle = lived((0.0, 4), (10.0, 1), (20.0, 2))
    assert enough(idle) == [None, 10.0, 10.0, 0.0]

    idle.look(4, 1, 30.0)
    assert enough(idle) == [30.0, 10.0, 10.0, 0.0]


def test_a_vcpu_is_idle_no_longer_than_it_is_plugged() -> None:
    idle = lived((0.0, 1), plugged=1)
    idle.look(3, 1, 100.0)

    assert enough(idle) == [100.0, 100.0, 0.0, 0.0]


def test_a_vcpu_that_goes_leaves_the_others_as_idle_as_they_were() -> None:
    idle = lived((0.0, 3), (10.0, 1))
    idle.look(3, 1, 100.0)

    assert enough(idle) == [10.0, 10.0, 0.0, 0.0]


def test_what_was_kept_goes_on_over_the_time_in_which_nobody_looked() -> None:
    idle = restarted(lived((0.0, 4), (10.0, 2)), kept_s=50.0, now_s=1000.0, away_s=200.0)
    idle.look(4, 2, 1000.0)

    assert enough(idle) == [None, 760.0, 760.0, 750.0]


def test_time_in_which_nobody_looked_counts_for_no_fewer_vcpus_than_were_used_before_or_after_it() -> None:
    kept = lived((0.0, 4), (10.0, 2))
    fewer = restarted(kept, kept_s=50.0, now_s=1000.0, away_s=200.0)
    fewer.look(4, 1, 1001.0)
    assert enough(fewer) == [1001.0, 760.0, 760.0, 750.0]

    more = restarted(kept, kept_s=50.0, now_s=1000.0, away_s=200.0)
    more.look(4, 4, 1001.0)
    more.look(4, 2, 1002.0)
    assert enough(more) == [None, 1002.0, 1002.0, 750.0]


def test_what_was_used_between_the_last_keeping_and_the_end_is_taken_from_the_changes_on_record() -> None:
    kept = lived((0.0, 4), (10.0, 1))
    past = (change(1, 3, 830.0, online_s=832.0), change(3, 2, 850.0, online_s=851.0), change(2, 1, 870.0))
    idle = restarted(kept, *past, kept_s=50.0, now_s=1000.0, away_s=200.0)
    idle.look(4, 1, 1001.0)

    assert enough(idle) == [1001.0, 851.0, 760.0, 750.0], "nobody saw the last shrink through"


def test_changes_that_were_kept_already_and_removals_are_not_taken_in_again() -> None:
    kept = lived((0.0, 4), (10.0, 1))
    past = (change(1, 3, 700.0), change(4, 3, 900.0, unplugs=True))

    assert enough(restarted(kept, *past, kept_s=50.0, now_s=1000.0, away_s=200.0)) == [760.0] * 3 + [750.0]


@pytest.mark.parametrize("plugged", [3, 5])
def test_idle_time_is_that_of_the_vcpus_that_were_plugged(plugged: int) -> None:
    kept = lived((0.0, 4), (10.0, 1))
    idle = restarted(kept, kept_s=50.0, now_s=1000.0, away_s=200.0, plugged=plugged)

    assert enough(idle) == [None] * 4


def test_nothing_stands_where_the_changes_on_record_do_not_reach_back_to_the_last_keeping() -> None:
    kept = lived((0.0, 4), (10.0, 1))

    assert enough(restarted(kept, kept_s=50.0, now_s=9e5, away_s=DAY_S)) == [None] * 4
    assert enough(restarted(kept, kept_s=50.0, now_s=9e5, away_s=DAY_S - 60.0))[0] is not None


def test_a_wall_clock_that_was_set_back_makes_nothing_idle_for_longer() -> None:
    kept = lived((0.0, 4), (10.0, 1))
    idle = restarted(kept, change(1, 2, 5000.0), kept_s=50.0, now_s=1000.0, away_s=-HOUR_S)

    assert enough(idle) == [None, 960.0, 960.0, 950.0]


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"idle": None},
        {"idle": []},
        {"idle": {"plugged": 4}},
        {"idle": {"plugged": 4, "steps": []}},
        {"idle": {"plugged": 4, "steps": [None]}},
        {"idle": {"plugged": "4", "steps": [{"vcpus": 1, "ago_s": 5.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": True, "ago_s": 5.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": -1, "ago_s": 5.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 1, "ago_s": -5.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 1, "ago_s": float("nan")}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 1, "ago_s": 5.0}, {"vcpus": 1, "ago_s": 4.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 2, "ago_s": 5.0}, {"vcpus": 1, "ago_s": 6.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 0, "ago_s": 5.0}, {"vcpus": -1, "ago_s": 4.0}]}},
        {"idle": {"plugged": 4, "steps": [{"vcpus": 1, "ago_s": 5.0}] * 5000}},
    ],
)
def test_what_is_damaged_leaves_nothing_idle(damaged: dict[str, object]) -> None:
    idle = IdleTime.restore(damaged, 4, 100.0, away_s=1.0, past=[change(1, 2, 99.5)])

    assert enough(idle) == [None] * 4
