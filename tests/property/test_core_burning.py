"""What holds for a broken promise whatever came before: few slices never tell of one, nor does the past."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.burning import Burn, at_risk_s, burn
from autoscaler.core.policy import Sla
from autoscaler.core.slice_ledger import SliceLedger

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=200)

SLAS = st.builds(
    Sla,
    slice_s=st.sampled_from([10.0, 60.0, 300.0]),
    objective_ratio=st.sampled_from([0.931, 0.95, 0.99, 0.999, 0.9999]),
    window_s=st.sampled_from([1, 7, 30]).map(lambda days: days * 86400.0),
)
RUNS = st.lists(st.tuples(st.sampled_from("gbu"), st.integers(1, 2000)), max_size=12)
"""Stretches of slices that came out alike."""


def told(ledger: SliceLedger, runs: list[tuple[str, int]]) -> SliceLedger:
    for letter, slices in runs:
        if letter == "u":
            ledger.skip(slices)
            continue
        for _ in range(slices):
            ledger.add(good=letter == "g")
    return ledger


def found(sla: Sla, runs: list[tuple[str, int]]) -> Burn | None:
    return burn(sla, told(SliceLedger(sla.slice_s, sla.window_s), runs))


@UNIT
@given(SLAS, RUNS, st.sampled_from("gu"))
def test_an_hour_without_a_bad_slice_ends_it(sla: Sla, runs: list[tuple[str, int]], since: str) -> None:
    assert found(sla, [*runs, (since, round(3600 / sla.slice_s))]) is None


@UNIT
@given(SLAS, st.permutations("bbggu"), st.integers(0, 10**6))
def test_two_bad_slices_among_few_are_no_broken_promise(sla: Sla, few: list[str], silent: int) -> None:
    assert found(sla, [("u", silent), *((letter, 1) for letter in few)]) is None


@UNIT
@given(SLAS, RUNS)
def test_an_hour_of_nothing_but_bad_slices_is_a_broken_promise(sla: Sla, runs: list[tuple[str, int]]) -> None:
    burning = found(sla, [*runs, ("b", round(3600 / sla.slice_s))])
    assert burning is not None


@UNIT
@given(SLAS, RUNS)
def test_less_was_kept_than_is_promised_and_the_budget_ends(sla: Sla, runs: list[tuple[str, int]]) -> None:
    burning = found(sla, runs)
    if burning is not None:
        assert burning.kept_ratio < sla.objective_ratio
        assert 0 < burning.known_s <= 3 * 86400 + sla.slice_s
        assert 0 <= burning.lasts_s < sla.window_s


@UNIT
@given(SLAS, RUNS)
def test_what_a_restart_takes_over_says_the_same(sla: Sla, runs: list[tuple[str, int]]) -> None:
    ledger = told(SliceLedger(sla.slice_s, sla.window_s), runs)
    again = SliceLedger(sla.slice_s, sla.window_s)
    again.load(ledger.dump())
    assert burn(sla, again) == burn(sla, ledger)


def at_risk(sla: Sla, runs: list[tuple[str, int]]) -> float:
    return at_risk_s(sla, told(SliceLedger(sla.slice_s, sla.window_s), runs))


@UNIT
@given(SLAS, st.lists(st.tuples(st.sampled_from("gu"), st.integers(1, 2000)), max_size=12))
def test_without_a_bad_slice_nothing_is_at_risk_nor_broken(sla: Sla, runs: list[tuple[str, int]]) -> None:
    assert (at_risk(sla, runs), found(sla, runs)) == (0.0, None)


@UNIT
@given(SLAS, RUNS)
def test_a_good_slice_ends_a_risk_and_two_bad_ones_are_one(sla: Sla, runs: list[tuple[str, int]]) -> None:
    assert at_risk(sla, [*runs, ("g", 1)]) == 0.0
    assert at_risk(sla, [*runs, ("g", 1), ("b", 1)]) == 0.0
    assert at_risk(sla, [*runs, ("g", 1), ("b", 2)]) == 2 * sla.slice_s


@UNIT
@given(SLAS, RUNS, st.integers(2, 30))
def test_a_silence_ends_a_risk(sla: Sla, runs: list[tuple[str, int]], bad: int) -> None:
    before = [*runs, ("g", 1), ("b", bad)]
    assert at_risk(sla, [*before, ("u", bad)]) == bad * sla.slice_s
    assert at_risk(sla, [*before, ("u", bad + 1)]) == 0.0


@UNIT
@given(SLAS, RUNS, st.integers(1, 100))
def test_a_broken_promise_says_how_long_ago_that_was(
    sla: Sla, runs: list[tuple[str, int]], good: int
) -> None:
    now, since = found(sla, [*runs, ("b", 1)]), found(sla, [*runs, ("b", 1), ("g", good)])
    assert now is None or now.served_s == 0.0
    assert since is None or since.served_s == good * sla.slice_s
