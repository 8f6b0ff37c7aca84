"""What a replay's world does to a service, and by what luck."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.replay.circumstances import BadCircumstances, Circumstances, Contention, Lag, Spread


def test_a_spread_of_times_lies_evenly_between_its_quantiles() -> None:
    spread = Spread((0.05, 0.5, 0.95), (1.0, 2.0, 10.0))
    assert [spread.at(share) for share in (0.0, 0.05, 0.275, 0.5, 0.725, 0.99)] == [1, 1, 1.5, 2, 6, 10]


def test_the_lag_that_is_drawn_has_the_quantiles_that_were_given() -> None:
    spread = Spread((0.05, 0.5, 0.95), (1.0, 2.0, 10.0))
    chances = Circumstances(lag=Lag(plugged=spread, warm=spread, offline=spread)).chances("web")
    drawn = [chances.plugged_s() for _ in range(4000)]
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx(
        [spread.at(share) for share in (0.25, 0.5, 0.75)], rel=0.1
    )


def test_a_fixed_lag_is_that_of_every_growth_and_of_no_shrink() -> None:
    chances = Circumstances(lag=Lag.fixed(30.0)).chances("web")
    assert (chances.plugged_s(), chances.warm_s(), chances.offline_s()) == (30.0, 30.0, 0.0)


@pytest.mark.parametrize(("ratio", "in_a_row"), [(0.01, 1.0), (0.1, 1.0), (0.1, 6.0), (0.5, 3.0)])
def test_as_many_samples_are_missed_as_was_asked_for_and_as_long_in_a_row(
    ratio: float, in_a_row: float
) -> None:
    missing = Circumstances(missing_ratio=ratio, missing_in_a_row=in_a_row).chances("web").missing(200_000)
    rises = np.count_nonzero(np.diff(missing.astype(int)) == 1)
    assert missing.mean() == pytest.approx(ratio, rel=0.1)
    assert np.count_nonzero(missing) / rises == pytest.approx(in_a_row, rel=0.15)


def test_domains_have_luck_of_their_own() -> None:
    world = Circumstances(missing_ratio=0.5, missing_in_a_row=2.0)
    web, again, db = (world.chances(name).missing(1000) for name in ("web", "web", "db"))
    assert np.array_equal(web, again)
    assert not np.array_equal(web, db)


def test_more_of_one_mishap_leaves_the_others_as_they_were() -> None:
    calm = Circumstances(refused_removal_ratio=0.5).chances("web")
    rough = Circumstances(refused_removal_ratio=0.5, refused_onlining_ratio=0.5).chances("web")
    assert [calm.refuses_removal() for _ in range(50)] == [
        (rough.refuses_onlining(), rough.refuses_removal())[1] for _ in range(50)
    ]


def test_a_host_is_full_for_a_while_of_every_period() -> None:
    world = Circumstances(contention=Contention(stolen_ratio=0.2, every_s=60.0, for_s=20.0))
    stolen_ratio = world.stolen_ratio(12, 10.0)
    assert stolen_ratio is not None
    assert list(stolen_ratio) == [0.2, 0.2, 0, 0, 0, 0] * 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        pytest.param(lambda: Circumstances(missing_ratio=1.0), "missing_ratio cannot be 1", id="all missing"),
        pytest.param(
            lambda: Circumstances(missing_ratio=0.9, missing_in_a_row=2.0), "in a row", id="too few in a row"
        ),
        pytest.param(
            lambda: Circumstances(refused_onlining_ratio=-0.1), "refused_onlining_ratio", id="negative"
        ),
        pytest.param(lambda: Circumstances(host_vcpus=0), "at least 1", id="no host"),
        pytest.param(lambda: Circumstances(seed=-1), "a seed", id="seed"),
        pytest.param(lambda: Contention(stolen_ratio=1.0), "0.95", id="everything stolen"),
        pytest.param(
            lambda: Contention(stolen_ratio=0.1, every_s=5.0, for_s=6.0), "no shorter", id="longer than it"
        ),
    ],
)
def test_circumstances_that_make_no_sense_are_refused(wrong: type[Circumstances], sentence: str) -> None:
    with pytest.raises(BadCircumstances, match=sentence):
        wrong()
