"""What the adaptive strategy remembers to be quicker changes no answer, whatever was asked before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.growth_cases import GrowthCases
from autoscaler.core.learned_growth import LearnedGrowth
from autoscaler.core.learned_hold import LearnedHolds

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=200)

GROWTHS = st.lists(st.floats(0.0, 200.0), max_size=60)
RISKS = st.lists(st.floats(0.001, 0.92), min_size=1, max_size=20)


@UNIT
@given(growths=GROWTHS, risks=RISKS, kept=st.floats(0.0, 1.0))
def test_cases_say_of_a_risk_what_they_would_say_had_no_other_been_asked_for(
    growths: list[float], risks: list[float], kept: float
) -> None:
    asked, told = GrowthCases(), GrowthCases()
    for number, growth in enumerate(growths):
        asked.exceeded_by(risks[number % len(risks)])
        asked.add(growth)
        told.add(growth)
    for risk in risks:
        fresh = GrowthCases()
        fresh.load(*told.dump())
        assert asked.exceeded_by(risk) == fresh.exceeded_by(risk)
    asked.fade(kept)
    told.fade(kept)
    assert asked.exceeded_by(risks[0]) == told.exceeded_by(risks[0])
    assert bool(asked) == bool(told)


@UNIT
@given(
    demands=st.lists(st.floats(0.1, 30.0), min_size=1, max_size=60),
    risks=RISKS,
    lag_s=st.sampled_from([0.0, 10.0, 40.0]),
)
def test_demand_is_given_the_same_growth_whenever_it_was_asked_for_before(
    demands: list[float], risks: list[float], lag_s: float
) -> None:
    asked, told = LearnedGrowth(lag_s, 0.0), LearnedGrowth(lag_s, 0.0)
    for number, demand in enumerate(demands, 1):
        for one in (asked, told):
            one.take(demand, 120.0 * number if number % 7 == 0 else 10.0 * number)
        asked.growth(risks[number % len(risks)])
    assert asked.growth(risks[0]) == told.growth(risks[0])


@UNIT
@given(
    wants=st.lists(
        st.tuples(st.integers(1, 12), st.floats(0.0, 900.0), st.integers(1, 12), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_levels_are_kept_as_long_whatever_was_asked_before(
    wants: list[tuple[int, float, int, bool]],
) -> None:
    asked, told, now_s = LearnedHolds(300.0, 0.0), LearnedHolds(300.0, 0.0), 0.0
    for level, wait_s, other, seen in wants:
        now_s += wait_s
        asked.highest_kept(other, now_s)
        for one in (asked, told):
            if seen:
                one.count_as_wanted(other, now_s)
            one.note(level, now_s)
    for level in range(1, 13):
        assert asked.highest_kept(level, now_s + 5.0) == told.highest_kept(level, now_s + 5.0)
