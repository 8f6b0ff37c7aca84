"""The real controller over simulated guests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.core.model import DomainId
from autoscaler.core.policy import DownLimits, Match, Policy, PolicySet, Reclaim
from autoscaler.replay.circumstances import Circumstances, Contention, Lag
from autoscaler.replay.course import Course
from autoscaler.replay.trace import Trace
from autoscaler.service.deciding import Deciding
from autoscaler.service.rehearsal import CannotRehearse, RehearsalFault, rehearse
from autoscaler.service.rehearsal_journal import RehearsalJournal

STEP_S = 10.0
EVERY = Policy(name="every", match=Match(name=("*",)))
AT_ONCE = Circumstances(lag=Lag.fixed(0.0))
HARD = Circumstances(
    lag=Lag.fixed(12.0),
    missing_ratio=0.05,
    missing_in_a_row=3,
    refused_onlining_ratio=0.2,
    refused_offlining_ratio=0.2,
    refused_removal_ratio=0.3,
    contention=Contention(stolen_ratio=0.2, every_s=1800.0, for_s=300.0),
    seed=7,
)
UNPLUGGING = replace(EVERY, down=DownLimits(reclaim=Reclaim.UNPLUG))


def policies(policy: Policy = EVERY) -> PolicySet:
    return PolicySet(policies=(policy,), digest="test")


def trace(demand_vcpus: list[float], *, domain: str = "web", maximum: int = 8, start_s: float = 0.0) -> Trace:
    return Trace(
        domain=domain,
        start_s=start_s,
        step_s=STEP_S,
        demand_vcpus=np.array(demand_vcpus),
        maximum=maximum,
        recorded_s=STEP_S,
    )


def restless(number: int, steps: int = 400) -> Trace:
    """A domain whose demand wanders and jumps."""
    chance = np.random.default_rng(number)
    levels = np.repeat(chance.uniform(0.2, 5.0, steps // 20), 20)
    return trace(list(levels + chance.uniform(0.0, 0.5, len(levels))), domain=f"restless-{number}")


def same(one: Course, other: Course) -> bool:
    return (
        one.domain == other.domain
        and one.moves == other.moves
        and np.array_equal(one.demand_vcpus, other.demand_vcpus, equal_nan=True)
        and np.array_equal(one.wanted_vcpus, other.wanted_vcpus, equal_nan=True)
        and np.array_equal(one.busy_vcpus, other.busy_vcpus)
        and np.array_equal(one.online_vcpus, other.online_vcpus)
    )


def test_a_guest_that_wants_more_gets_it_and_the_course_says_why() -> None:
    (course,) = rehearse([trace([0.5] * 6 + [3.0] * 30)], policies(), AT_ONCE)
    assert course.online_vcpus[-1] >= 4
    assert {move.reason for move in course.moves} == {"demand-high"}


def test_a_growth_is_true_when_the_lag_is_over() -> None:
    (course,) = rehearse([trace([0.5] * 6 + [3.0] * 30)], policies(), Circumstances(lag=Lag.fixed(25.0)))
    # The demand rises at 60 s and is first seen at 70 s.
    assert course.moves[0].at_s == 95.0


def test_a_guest_that_wants_less_gives_it_back_one_vcpu_at_a_time() -> None:
    (course,) = rehearse([trace([5.0] * 30 + [0.2] * 400)], policies(), AT_ONCE)
    assert course.online_vcpus[-1] < course.online_vcpus[0]
    assert all(move.to_vcpus >= move.from_vcpus - 1 for move in course.moves)


def test_where_samples_are_missing_nothing_shrinks() -> None:
    silent = [float("nan")] * 200
    (course,) = rehearse([trace([3.0] * 30 + silent)], policies(), AT_ONCE)
    assert not any(move.at_s > 31 * STEP_S for move in course.moves)


def test_a_guest_that_refuses_is_asked_again_later_and_gets_there() -> None:
    refusing = replace(AT_ONCE, refused_onlining_ratio=0.7, seed=3)
    free, refused = (
        rehearse([trace([0.5] * 6 + [3.0] * 120)], policies(), world)[0] for world in (AT_ONCE, refusing)
    )
    assert refused.moves[0].at_s > free.moves[0].at_s
    assert refused.online_vcpus[-1] >= 4


def test_an_idle_vcpu_goes_back_where_the_policy_says_so_and_can_come_again() -> None:
    lagging = Circumstances(lag=Lag.fixed(5.0))
    (course,) = rehearse([trace([4.0] * 30 + [0.2] * 300 + [4.0] * 30)], policies(UNPLUGGING), lagging)
    assert course.online_vcpus[329] < 3
    assert course.online_vcpus[-1] >= 5


def test_domains_on_a_host_with_a_size_never_run_more_than_it_has() -> None:
    courses = rehearse([restless(number) for number in range(4)], policies(), replace(AT_ONCE, host_vcpus=16))
    together = np.sum([course.online_vcpus for course in courses], axis=0)
    assert together.max() == 16


@pytest.mark.parametrize("world", [AT_ONCE, HARD], ids=["kind", "hard"])
def test_a_domain_fares_the_same_in_whatever_company(world: Circumstances) -> None:
    traces = [restless(number) for number in range(5)]
    together = rehearse(traces, policies(UNPLUGGING), world)
    alone = [rehearse([one], policies(UNPLUGGING), world)[0] for one in traces]
    turned = rehearse(traces[::-1], policies(UNPLUGGING), world)[::-1]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))
    assert all(same(one, other) for one, other in zip(together, turned, strict=True))


def test_the_seed_makes_the_luck() -> None:
    one, again, other = (
        rehearse([restless(1)], policies(), replace(HARD, seed=seed))[0] for seed in (1, 1, 2)
    )
    assert same(one, again)
    assert not same(one, other)


def test_traces_that_begin_at_other_times_are_rehearsed_each_at_its_own() -> None:
    courses = rehearse(
        [trace([1.0] * 10), trace([1.0] * 20, domain="db", start_s=500.0)], policies(), AT_ONCE
    )
    assert [(course.domain, len(course.busy_vcpus)) for course in courses] == [("web", 10), ("db", 20)]


def test_progress_is_told_to_the_last_step() -> None:
    told: list[int] = []
    rehearse([restless(number) for number in range(3)], policies(), AT_ONCE, progress=told.append)
    assert sum(told) == 3 * 400


def test_a_domain_that_no_policy_governs_is_refused_by_name() -> None:
    with pytest.raises(CannotRehearse, match="'web'"):
        rehearse([trace([1.0])], PolicySet(), AT_ONCE)


def test_two_traces_of_one_domain_are_refused() -> None:
    with pytest.raises(CannotRehearse, match="'web' has two traces"):
        rehearse([trace([1.0]), trace([2.0])], policies(), AT_ONCE)


def test_traces_of_other_times_cannot_share_a_host() -> None:
    with pytest.raises(CannotRehearse, match="share a host"):
        rehearse([trace([1.0]), trace([1.0, 2.0], domain="db")], policies(), replace(AT_ONCE, host_vcpus=4))


def test_a_fault_of_the_controller_ends_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Deciding, "_observe", fault)
    with pytest.raises(RehearsalFault, match="internal error"):
        rehearse([trace([1.0])], policies(), AT_ONCE)


def test_the_log_says_nothing_of_simulated_guests(caplog: pytest.LogCaptureFixture) -> None:
    rehearse([restless(1)], policies(), HARD)
    assert not caplog.records


def test_the_journal_of_a_rehearsal_has_nobody_put_into_words_what_was_learned() -> None:
    asked: list[str] = []

    def learned() -> dict[str, object]:
        asked.append("learned")
        return {}

    RehearsalJournal(AT_ONCE.lag).keep(DomainId("replay", "web"), learned, wall_s=0.0)
    assert asked == []
