"""What holds for the adaptive strategy whatever a guest does: limits, direction, settling, and recovery."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.adaptive import LEAST_RISK, MOST_RISK, WARMEST, Adaptive
from autoscaler.core.demand import Load
from autoscaler.core.model import CpuSource
from autoscaler.core.policy import AdaptiveStrategy, Prices, Sla
from autoscaler.core.slo import SliceOutcome
from tests.fakes.mangled import mangled

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=200)

STRATEGY = AdaptiveStrategy()
SLA = Sla()
HOUR_S = 3600.0


def load(busy: float, online: int = 16) -> Load:
    return Load(
        at_s=1.0,
        span_s=1.0,
        source=CpuSource.PROC_STAT,
        online=online,
        busy_vcpus=min(busy, float(online)),
        steal_vcpus=0.0,
        demand_vcpus=busy,
    )


@dataclass(frozen=True)
class Tick:
    """What happens so many seconds after the tick before."""

    after_s: float
    busy: float | None
    """None: no sample."""
    outcome: SliceOutcome | None


TICKS = st.builds(
    Tick,
    after_s=st.sampled_from([1.0, 5.0, 10.0, 60.0, 300.0, 3600.0, 86400.0]),
    busy=st.none() | st.integers(0, 64).map(lambda quarters: quarters / 4),
    outcome=st.none() | st.sampled_from(SliceOutcome),
)
STORIES = st.lists(TICKS, max_size=60)
OUTCOMES = st.lists(st.tuples(st.sampled_from(SliceOutcome), st.floats(0.0, 1e6)), max_size=200)
SLAS = st.builds(Sla, slice_s=st.floats(10.0, 300.0), objective_ratio=st.floats(0.93, 0.9999))


def lived(one: Adaptive, story: list[Tick], now_s: float = 0.0) -> tuple[list[tuple[int, int]], float]:
    """The wants and targets of a story, and when it ends."""
    found = []
    for tick in story:
        now_s += tick.after_s
        if tick.busy is not None:
            one.take(load(tick.busy), now_s)
        if tick.outcome is not None:
            one.judge(tick.outcome, now_s)
        want = one.want(1, 16)
        found.append((want, one.target(want, now_s)))
        one.note(want, now_s)
    return found, now_s


def fresh(sla: Sla = SLA, strategy: AdaptiveStrategy = STRATEGY, lag_s: float = 10.0) -> Adaptive:
    return Adaptive(strategy, sla, 0.0, lag_s)


def utilization(of: Adaptive) -> float:
    return of.trace(1, 0.0).target_utilization_ratio


def is_within_limits(of: Adaptive, now_s: float = 0.0) -> bool:
    trace = of.trace(1, now_s)
    within = LEAST_RISK * 0.999 <= trace.risk_ratio <= MOST_RISK * 1.001
    return within and 0 < trace.target_utilization_ratio <= WARMEST * 1.000001


@UNIT
@given(SLAS, st.floats(0.0, 1e5), OUTCOMES)
def test_risk_and_target_never_leave_their_limits(
    sla: Sla, lag_s: float, outcomes: list[tuple[SliceOutcome, float]]
) -> None:
    one = fresh(sla, lag_s=lag_s)
    for outcome, now_s in outcomes:
        one.judge(outcome, now_s)
        assert is_within_limits(one)


@UNIT
@given(SLAS, OUTCOMES, st.sets(st.integers(0, 199)))
def test_more_bad_slices_never_make_a_guest_run_tighter(
    sla: Sla, outcomes: list[tuple[SliceOutcome, float]], worse: set[int]
) -> None:
    one, other = fresh(sla), fresh(sla)
    for number, (outcome, now_s) in enumerate(sorted(outcomes, key=lambda judged: judged[1])):
        one.judge(outcome, now_s)
        other.judge(SliceOutcome.BAD if number in worse else outcome, now_s)
    assert utilization(other) <= utilization(one)


@UNIT
@given(STORIES, st.floats(0.0, 16.0), st.floats(0.0, 16.0))
def test_more_demand_never_asks_for_less(story: list[Tick], some: float, more: float) -> None:
    one = fresh()
    _, now_s = lived(one, story)
    targets = []
    for busy in sorted((some, more)):
        one.take(load(busy), now_s)
        want = one.want(1, 16)
        targets.append((want, one.target(want, now_s + 1)))
    assert targets[0][0] <= targets[1][0]
    assert targets[0][1] <= targets[1][1]


@UNIT
@given(st.floats(0.0, 100.0), st.integers(1, 64), st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_wider_bounds_never_ask_for_less_above_nor_for_more_below(
    busy: float, low: int, lower: int, high: int, higher: int
) -> None:
    lows, highs = sorted((low, lower)), sorted((high, higher))
    one = fresh()
    one.take(load(busy, online=128), 1.0)
    for bottom in lows:
        for top in highs:
            if bottom <= top:
                assert bottom <= one.want(bottom, top) <= top
    if lows[1] <= highs[0]:
        assert one.want(lows[0], highs[0]) <= one.want(lows[1], highs[0])
        assert one.want(lows[0], highs[0]) <= one.want(lows[0], highs[1])


@UNIT
@given(STORIES)
def test_a_target_is_never_below_the_want_nor_above_all_that_was_ever_wanted(story: list[Tick]) -> None:
    highest = 0
    for want, target in lived(fresh(), story)[0]:
        highest = max(highest, want)
        assert want <= target <= highest


@UNIT
@given(STORIES, st.floats(0.0, 16.0))
def test_a_constant_demand_settles_on_its_want(story: list[Tick], busy: float) -> None:
    one = fresh()
    _, now_s = lived(one, story)
    one.take(load(busy), now_s)
    want = one.want(1, 16)
    targets = []
    for _ in range(100):
        now_s += 60.0
        one.note(want, now_s)
        assert one.want(1, 16) == want
        targets.append(one.target(want, now_s))
    assert targets == sorted(targets, reverse=True)
    assert targets[-1] == want


@UNIT
@given(STORIES, STORIES, st.integers(0, 10**6))
def test_a_restart_without_time_away_changes_nothing(
    before: list[Tick], after: list[Tick], now_s: int
) -> None:
    one = fresh()
    _, then_s = lived(one, before)
    dumped = json.loads(json.dumps(one.dump(then_s)))
    again = Adaptive.load(STRATEGY, SLA, dumped, float(now_s), 0.0)
    assert again.dump(float(now_s)) == dumped
    assert again.trace(1, float(now_s)) == one.trace(1, then_s)
    found, end_s = lived(again, after, float(now_s))
    assert (found, end_s - now_s) == (lived(one, after, then_s)[0], sum(tick.after_s for tick in after))


EDGES_S = [10.0 * 1.45**power for power in range(24)]


def cost(hold_s: float, weighed: list[tuple[float, float]], moves_s: float) -> float:
    """What holding a vCPU for so long would have cost over gaps of (weight, length), by the written rule."""
    total = 2 * (hold_s + moves_s)
    for weight, gap_s in weighed:
        edge_s = next((edge_s for edge_s in EDGES_S if gap_s <= edge_s), float("inf"))
        total += weight * (edge_s / 1.45**0.5 if edge_s <= hold_s else hold_s + moves_s)
    return total


@UNIT
@given(
    st.lists(st.floats(1.0, 1e5) | st.floats(1.0, 1000.0), min_size=3, max_size=60),
    st.builds(
        Prices,
        add=st.floats(0.0, 20.0),
        remove=st.floats(0.05, 80.0),
        vcpu_minute=st.floats(0.1, 4.0),
    ),
)
def test_a_hold_is_the_cheapest_over_a_history_that_fades(gaps_s: list[float], prices: Prices) -> None:
    one, now_s = fresh(strategy=AdaptiveStrategy(prices=prices)), 0.0
    one.note(2, now_s)
    returns = []
    for gap_s in gaps_s:
        one.note(1, now_s)
        now_s += gap_s
        one.note(2, now_s)
        returns.append((now_s, gap_s))
    hours = [now_s // HOUR_S - at_s // HOUR_S for at_s, _ in returns]
    weighed = [(0.5 ** (hour / 48), gap_s) for hour, (_, gap_s) in zip(hours, returns, strict=True)]
    moves_s = (prices.add + prices.remove) / prices.vcpu_minute * 60
    hold_s = one.trace(1, now_s).hold_s
    assert hold_s is not None
    cheapest = min(cost(candidate_s, weighed, moves_s) for candidate_s in [0.0, *EDGES_S])
    assert cost(hold_s, weighed, moves_s) <= cheapest * 1.02


@UNIT
@given(st.lists(st.floats(1.0, 400.0), min_size=3, max_size=40), st.integers(1, 20))
def test_more_short_gaps_keep_a_vcpu_longer_and_more_long_ones_no_longer(
    gaps_s: list[float], more: int
) -> None:
    def held_s(history: list[float]) -> float:
        one, now_s = fresh(), 0.0
        for gap_s in history:
            one.note(2, now_s)
            one.note(1, now_s)
            now_s += gap_s
        one.note(2, now_s)
        hold_s = one.trace(1, now_s).hold_s
        assert hold_s is not None
        return hold_s

    base_s = held_s(gaps_s)
    covered = [gap_s for gap_s in gaps_s if gap_s <= base_s]
    assert held_s([*gaps_s, *covered * more]) >= base_s * 0.999
    assert held_s([90_000.0] * more + gaps_s) <= base_s


def ordinary() -> dict[str, object]:
    one, now_s = fresh(), 0.0
    for number in range(200):
        now_s += 700.0
        one.take(load(number * 7 % 13), now_s)
        one.judge(SliceOutcome.BAD if number % 9 == 0 else SliceOutcome.GOOD, now_s)
        one.note(one.want(1, 6), now_s)
    return one.dump(now_s + 5)


ORDINARY = ordinary()


@settings(UNIT, max_examples=1000)
@given(mangled(ORDINARY), STORIES)
def test_a_state_file_that_was_tampered_with_is_refused_or_does_no_harm(
    dumped: dict[str, object], story: list[Tick]
) -> None:
    try:
        one = Adaptive.load(STRATEGY, SLA, dumped, 100.0, 5.0)
    except ValueError:
        return
    for want, target in lived(one, story, 100.0)[0]:
        assert 1 <= want <= 16
        assert want <= target
    trace = one.trace(1, 1e9)
    assert is_within_limits(one, 1e9)
    assert trace.covered_ratio is None or 0 <= trace.covered_ratio <= 1
