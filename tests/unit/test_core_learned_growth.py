"""How demand goes on: what is learned of it, for which levels, how far ahead, and what a restart leaves."""

from __future__ import annotations

import json

import pytest

from autoscaler.core.learned_growth import LearnedGrowth

HOUR_S = 3600.0


def lived(demands: list[float], *, lag_s: float = 10.0, every_s: float = 10.0) -> LearnedGrowth:
    """What is learned from these demands, one at each sample."""
    one = LearnedGrowth(lag_s, 0.0)
    for number, demand in enumerate(demands):
        one.take(demand, number * every_s)
    return one


def pulses(*, idle: int = 20, busy: int = 12, times: int = 60) -> list[float]:
    """A guest that idles and then needs six vCPUs, coming to them in three steps."""
    return ([0.2] * idle + [1.0, 3.0] + [6.0] * busy) * times


def test_demand_that_is_not_known_is_taken_to_vary_by_a_tenth() -> None:
    one = lived([2.0])
    assert one.growth(0.5) == pytest.approx(1.0, abs=0.01)
    assert one.growth(0.16) == pytest.approx(1.125, abs=0.02)


def test_demand_that_never_changes_needs_no_margin() -> None:
    assert lived([1.9] * 2000).growth(0.25) < 1.05


def test_where_bursts_begin_more_is_reached_for_than_at_their_top() -> None:
    demands = pulses()
    at_the_foot, at_the_top = lived([*demands, *demands[:21]]), lived([*demands, *demands[:30]])
    assert at_the_foot.growth(0.1) > 4
    assert at_the_top.growth(0.1) < 1.2


def test_the_same_demand_on_the_way_up_and_down_is_told_apart() -> None:
    demands = ([1.0] * 40 + [3.0] + [6.0] * 10 + [3.0]) * 60
    up, down = lived([*demands, *demands[:41]]), lived(demands)
    assert up.growth(0.2) > 1.5
    assert down.growth(0.2) < 1.2


def test_vcpus_that_take_longer_to_come_are_asked_for_with_a_wider_margin() -> None:
    demands = [1.0 + 0.5 * (number % 12) for number in range(3000)]
    rising = [*demands, 1.0, 1.5]
    assert lived(rising, lag_s=40.0).growth(0.3) > lived(rising, lag_s=0.0).growth(0.3) * 1.3


@pytest.mark.parametrize("every_s", [5.0, 10.0, 30.0, 60.0])
def test_any_sampling_interval_teaches(every_s: float) -> None:
    assert lived([1.9] * 2000, every_s=every_s).growth(0.25) < 1.05


def test_a_smaller_risk_never_reaches_for_less() -> None:
    one = lived(pulses())
    reached = [one.growth(risk) for risk in (0.9, 0.5, 0.3, 0.1, 0.03, 0.01, 0.001)]
    assert reached == sorted(reached)


def test_more_demand_never_reaches_for_less_than_less_does() -> None:
    quiet_above = [*([2.0] * 5 + [0.9]) * 400, *[2.4] * 2000]
    reached = []
    for demand in (0.9, 1.2, 1.6, 1.9, 2.1, 2.4, 2.9):
        one = lived([*quiet_above, 2.4])
        one.take(demand, len(quiet_above) * 10.0 + 10.0)
        reached.append(demand * one.growth(0.2))
    assert reached == sorted(reached)


def test_how_demand_went_on_during_a_long_silence_is_not_known() -> None:
    one = lived([2.0] * 10)
    before = one.dump(90.0)["rows"]
    assert before != []
    one.take(9.0, 90.0 + 301.0)
    assert one.dump(391.0)["rows"] == before


def test_what_was_seen_fades() -> None:
    one = lived([2.0] * 200)
    assert one.growth(0.1) < 1.12
    one.take(2.0, 200 * 10.0 + 60 * 24 * HOUR_S)
    assert one.growth(0.1) == pytest.approx(1.16, abs=0.02)


def test_a_restart_goes_on_with_what_is_not_seen_to_its_end() -> None:
    demands = pulses(times=3)
    one, end_s = lived(demands, lag_s=60.0), len(demands) * 10.0
    again = LearnedGrowth(0.0, 5.0)
    again.load(json.loads(json.dumps(one.dump(end_s))), 5.0)
    for number, demand in enumerate(demands[:40]):
        one.take(demand, end_s + number * 10.0)
        again.take(demand, 5.0 + number * 10.0)
    assert again.dump(5.0 + 400.0) == one.dump(end_s + 400.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("row", 199, id="a level beyond all"),
        pytest.param("demand", 0.0, id="less than the least"),
        pytest.param("rows", [{"row": 1, "from": 30, "cases": [1, 1]}], id="more bins than there are"),
        pytest.param("open", [{"ago_s": -1.0, "demand": 1.0, "row": 1}], id="from the future"),
    ],
)
def test_a_state_file_that_cannot_be_is_refused(key: str, value: object) -> None:
    dumped = lived([2.0] * 10).dump(100.0)
    LearnedGrowth(0.0, 0.0).load(dumped, 0.0)
    with pytest.raises(ValueError, match="is "):
        LearnedGrowth(0.0, 0.0).load({**dumped, key: value}, 0.0)
