"""The domains in two halves."""

from __future__ import annotations

from autoscaler.replay.halves import halves
from tests.fakes.replayed import trace_of

TRACES = [trace_of([1.0], domain=f"vm-{number}", maximum=2 + number % 30) for number in range(101)]


def names(seed: int) -> tuple[list[str], list[str]]:
    tune, report = halves(TRACES, seed)
    return [trace.domain for trace in tune], [trace.domain for trace in report]


def test_every_domain_is_in_one_half() -> None:
    tune, report = names(1)
    assert sorted(tune + report) == sorted(trace.domain for trace in TRACES)
    assert abs(len(tune) - len(report)) <= 1


def test_another_seed_gives_other_halves_and_the_same_one_the_same() -> None:
    assert names(1) == names(1)
    assert names(1) != names(2)


def test_the_order_of_the_traces_decides_nothing() -> None:
    tune, _ = halves(TRACES[::-1], 1)
    assert {trace.domain for trace in tune} == set(names(1)[0])


def test_both_halves_have_as_many_large_domains() -> None:
    large = [sum(trace.maximum > 16 for trace in half) for half in halves(TRACES, 1)]
    assert abs(large[0] - large[1]) <= 1
