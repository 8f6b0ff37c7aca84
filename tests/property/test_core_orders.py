"""What holds under an administrator's order, for every load, policy and moment."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.asking import request_of
from autoscaler.core.domain_state import DomainState
from autoscaler.core.model import DomainView, Missing
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.policy import AdaptiveStrategy, DownLimits, Mode, Policy, TargetStrategy
from tests.fakes.examples import DOMAIN, MISSING, POLICY, SAMPLE, VIEW

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=300)
"""Derandomized, so that a run says the same today and tomorrow."""

PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=0.0)
MAXIMUM = 8

POLICIES = st.builds(
    lambda mode, least, strategy: replace(
        POLICY, mode=mode, min_vcpus=least, max_vcpus=6, strategy=strategy, down=DownLimits(cooldown_s=0.0)
    ),
    st.sampled_from(Mode),
    st.integers(1, 6),
    st.sampled_from([AdaptiveStrategy(), TargetStrategy(hold_s=0.0)]),
)
SECONDS = st.lists(
    st.tuples(st.integers(1, MAXIMUM), st.none() | st.floats(0.0, 1.0)), min_size=3, max_size=12
)
"""Of each second: the vCPUs online, and how busy they are; None: the guest was not seen."""


def live(policy: Policy, order: Order, seconds: list[tuple[int, float | None]]) -> DomainState:
    """A domain under an order, decided each second."""
    view: DomainView = replace(VIEW, plugged=MAXIMUM, maximum=MAXIMUM)
    state = DomainState(view, policy, 100.0)
    state.order = order
    busy_s = 0.0
    for number, (online, busy_ratio) in enumerate(seconds):
        now_s = 101.0 + number
        seen: Missing | None = MISSING if busy_ratio is None else None
        busy_s += online * (busy_ratio or 0.0)
        sample = replace(SAMPLE, at_s=now_s, busy_s=busy_s, online=frozenset(range(online)))
        state.observe(replace(view, at_s=now_s), seen or sample, now_s)
        state.decide(now_s, 1_800_000_000.0 + now_s)
    return state


@UNIT
@given(POLICIES, SECONDS)
def test_nothing_is_begun_or_given_up_under_a_pause_and_the_target_stays_the_policys(
    policy: Policy, seconds: list[tuple[int, float | None]]
) -> None:
    paused = live(policy, PAUSE, seconds)
    assert paused.decision is not None
    assert not paused.decision.act
    assert not paused.wants_to_move
    request = request_of(paused, 200.0, asks=False)
    assert (request.yields, request.want) == (False, request.current)
    assert policy.min_vcpus <= paused.decision.target <= 6


@UNIT
@given(POLICIES, SECONDS, st.integers(1, 12))
def test_a_count_that_was_ordered_is_the_target_whatever_the_policy_says(
    policy: Policy, seconds: list[tuple[int, float | None]], vcpus: int
) -> None:
    order = Order(domain=DOMAIN, name="web-1", kind=OrderKind.SET, vcpus=vcpus, by_uid=0, at_wall_s=0.0)
    state = live(policy, order, seconds)
    decision = state.decision
    assert decision is not None
    ordered = min(vcpus, MAXIMUM)
    assert (decision.target, decision.lower, decision.upper) == (ordered, ordered, ordered)
    assert min(decision.online, ordered) <= decision.next_vcpus <= max(decision.online, ordered)
    assert not request_of(state, 200.0, asks=False).yields
