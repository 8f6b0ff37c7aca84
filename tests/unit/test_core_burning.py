"""When a promise counts as being broken: the windows of the alerts, for young domains and old ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.burning import Burn, burn
from autoscaler.core.policy import Sla
from autoscaler.core.slice_ledger import SliceLedger
from autoscaler.core.slo import Slo
from tests.unit.test_core_slo import lived

SLA = Sla()
"""99 % of 30 days of minutes: 432 of them may be bad."""


def found(pattern: str, sla: Sla = SLA) -> Burn | None:
    """How a promise stands after slices of this pattern: ``g`` good, ``b`` bad, ``u`` unknown."""
    ledger = SliceLedger(sla.slice_s, sla.window_s)
    for letter in pattern:
        if letter == "u":
            ledger.skip(1)
        else:
            ledger.add(good=letter == "g")
    return burn(sla, ledger)


DAY = "g" * 1440


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("", id="nothing seen"),
        pytest.param(DAY, id="all good"),
        pytest.param("b", id="the first slice of all"),
        pytest.param("bb", id="the first two"),
        pytest.param("g" * 5 + "b", id="one among few"),
        pytest.param("u" * 1000 + "b", id="one after a long silence"),
        pytest.param("b" * 8, id="a guest that boots for eight minutes"),
        pytest.param(DAY + "b" * 8, id="less than a fast burn"),
        pytest.param("g" * 4320 + ("g" * 99 + "b") * 10, id="just the pace that the promise allows"),
        pytest.param(DAY + "b" * 20 + "g" * 60, id="bad for a while and served for an hour since"),
        pytest.param("b" * 2000 + "g" * 60, id="spent, and served for an hour since"),
        pytest.param("b" * 2000 + "u" * 60, id="spent, and not seen for an hour"),
        pytest.param("b" * 433 + "g" * 360 + "b", id="spent long ago, and one bad slice since"),
    ],
)
def test_no_promise_is_being_broken_by(pattern: str) -> None:
    assert found(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "kept_ratio", "known_s", "lasts_s"),
    [
        pytest.param(
            "ggg" + "b" * 9,
            3 / 12,
            720,
            (432 - 9) * 12 / 9 * 60,
            id="three in four of the first twelve minutes",
        ),
        pytest.param(DAY + "b" * 9, 51 / 60, 3600, (432 - 9) * 60 / 9 * 60, id="fast, within an hour"),
        pytest.param(
            DAY + ("g" * 9 + "b") * 36, 324 / 360, 21600, (432 - 36) * 10 * 60, id="fast, over six hours"
        ),
        pytest.param(
            DAY * 2 + ("g" * 24 + "b") * 58, 0.96, 86400, (432 - 58) * 25 * 60, id="slow, over a day"
        ),
        pytest.param("g" * 300 + "b" * 500, 0.0, 3600, 0.0, id="the budget is spent"),
        pytest.param("b" * 433 + "g" * 8000 + "b" * 4, 356 / 360, 21600, 0.0, id="spent, and still bad"),
    ],
)
def test_a_promise_is_being_broken_by(
    pattern: str, kept_ratio: float, known_s: float, lasts_s: float
) -> None:
    burning = found(pattern)
    assert burning is not None
    assert burning.whole
    assert burning.known_s == pytest.approx(known_s, rel=0.05)
    assert burning.kept_ratio == pytest.approx(kept_ratio, abs=0.01)
    assert burning.lasts_s == pytest.approx(lasts_s, rel=0.05)


def test_what_was_not_measured_is_not_taken_for_good_or_bad() -> None:
    burning = found("g" * 60 + "bbbuu" * 8)
    assert burning is not None
    assert (burning.known_s, burning.whole) == (44 * 60, False)
    assert burning.kept_ratio == pytest.approx(20 / 44)


def test_it_ends_minutes_after_the_load_is_served_again() -> None:
    bad = DAY * 3 + "b" * 25
    assert found(bad) is not None
    assert found(bad + "g" * 5) is not None, "the last half hour still has what burns in six hours"
    assert found(bad + "g" * 30) is None


def test_a_stricter_promise_is_broken_sooner() -> None:
    pattern = DAY + "bbb"
    assert found(pattern) is None
    assert found(pattern, replace(SLA, objective_ratio=0.999)) is not None


def test_the_service_level_knows_it_as_soon_as_a_slice_closes_and_after_a_restart() -> None:
    slo, now_s = lived("b" * 8, Slo(SLA, 0.0))
    assert slo.burn is None
    slo, now_s = lived("b", slo, now_s)
    assert slo.burn is not None
    assert Slo.load(SLA, slo.dump(now_s), now_s, 0.0).burn == slo.burn
    slo, _ = lived("g" * 60, slo, now_s)
    assert slo.burn is None


@pytest.mark.parametrize(
    ("pattern", "risk_s"),
    [
        pytest.param("", 0, id="nothing seen"),
        pytest.param("ub", 0, id="one bad slice"),
        pytest.param(DAY + "bb", 120, id="two in a row"),
        pytest.param("gub" * 3 + "ub", 120, id="one unknown between"),
        pytest.param("gbuu" + "b", 120, id="as many unknown as bad"),
        pytest.param("gbuuu" + "b", 0, id="more unknown than bad"),
        pytest.param("b" * 8, 480, id="the last before it is broken"),
        pytest.param("b" * 8 + "g", 0, id="a good one since"),
    ],
)
def test_a_promise_is_at_risk_from_the_second_bad_slice_in_a_row_to_the_next_good_one(
    pattern: str, risk_s: float
) -> None:
    slo, _ = lived(pattern, Slo(SLA, 0.0))
    assert slo.at_risk_s == risk_s


def test_a_promise_that_is_broken_is_no_longer_only_at_risk() -> None:
    slo, now_s = lived("b" * 9, Slo(SLA, 0.0))
    assert slo.burn is not None
    assert slo.at_risk_s == 0.0
    assert Slo.load(SLA, slo.dump(now_s), now_s, 0.0).at_risk_s == 0.0
