"""Which counts, found when the service starts, were set by somebody else while it was away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest

from autoscaler.core.by_hand import ByHand, Counts
from autoscaler.core.operation import Operation, Outcome
from autoscaler.core.reason import Reason
from tests.fakes.examples import SAMPLE

BOOT_S = 1_700_000_000.0
NOW_S, AWAY_S = 10_000.0, 600.0
STUCK = Operation(
    decision_id=1,
    from_vcpus=1,
    to_vcpus=3,
    reason=Reason.DEMAND_HIGH,
    requested_s=NOW_S - 7_000.0,
    outcome=Outcome.STUCK,
)
REMOVAL = replace(STUCK, from_vcpus=3, to_vcpus=2, unplugs=True)
DONE = replace(STUCK, outcome=Outcome.DONE)


def changed(plugged: int, online: int, past: Sequence[Operation]) -> bool:
    """Whether these counts are somebody else's, after 3 plugged and 1 online were seen last."""
    dumped = {"counts": asdict(Counts(3, 1, BOOT_S))}
    by_hand = ByHand.restore(dumped, plugged, NOW_S, away_s=AWAY_S, past=past)
    return by_hand.changed_meanwhile(plugged, replace(SAMPLE, boot_s=BOOT_S, online=frozenset(range(online))))


@pytest.mark.parametrize(
    ("plugged", "online", "past", "somebody_elses"),
    [
        pytest.param(3, 1, [], False, id="nothing changed"),
        pytest.param(3, 2, [], True, id="nothing of ours"),
        pytest.param(3, 3, [STUCK], False, id="ours came true late"),
        pytest.param(3, 2, [STUCK], False, id="half of ours came true late"),
        pytest.param(4, 1, [STUCK], True, id="more than ours was to bring"),
        pytest.param(4, 3, [STUCK], True, id="one of two counts is beyond ours"),
        pytest.param(3, 2, [DONE], True, id="ours was over"),
        pytest.param(2, 1, [REMOVAL], False, id="a vcpu that was asked for went"),
        pytest.param(3, 2, [replace(STUCK, outcome=None)], False, id="ours was open at the kill"),
        pytest.param(1, 1, [REMOVAL], True, id="one more went than was asked for"),
        pytest.param(3, 2, [REMOVAL], True, id="a removal brings nothing online"),
    ],
)
def test_a_count_is_somebody_elses_where_no_change_of_ours_leads_to_it(
    plugged: int, online: int, past: Sequence[Operation], *, somebody_elses: bool
) -> None:
    assert changed(plugged, online, past) is somebody_elses


@pytest.mark.parametrize(
    ("before", "online", "somebody_elses"),
    [
        pytest.param(4, {0, 1, 2}, False, id="all were online"),
        pytest.param(3, {0, 1, 2}, False, id="it was offline"),
        pytest.param(3, {0, 1}, False, id="it was online and a higher one was not"),
        pytest.param(3, {0}, True, id="more went than was asked for"),
    ],
)
def test_a_vcpu_that_was_asked_for_takes_its_online_vcpu_along(
    before: int, online: set[int], *, somebody_elses: bool
) -> None:
    dumped = {"counts": asdict(Counts(4, before, BOOT_S))}
    removal = replace(REMOVAL, from_vcpus=4, to_vcpus=3, outcome=Outcome.SUPERSEDED)
    by_hand = ByHand.restore(dumped, 3, NOW_S, away_s=AWAY_S, past=[removal])
    sample = replace(SAMPLE, boot_s=BOOT_S, online=frozenset(online))
    assert by_hand.changed_meanwhile(3, sample) is somebody_elses


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param({"ago_s": 60.0, "plugged": 2}, id="another count is plugged now"),
        pytest.param({"ago_s": "60", "plugged": 3}, id="no time"),
        pytest.param({"ago_s": -60.0, "plugged": 3}, id="a time to come"),
        pytest.param({"ago_s": 60.0, "plugged": True}, id="no count"),
        pytest.param(["ago_s"], id="nothing of the kind"),
    ],
)
def test_what_was_noticed_counts_only_where_it_can_be_read_and_as_many_are_plugged(kept: object) -> None:
    good = ByHand.restore({"by_hand": {"ago_s": 60.0, "plugged": 3}}, 3, NOW_S, away_s=AWAY_S, past=[])
    assert good.since_s == NOW_S - AWAY_S - 60.0
    assert ByHand.restore({"by_hand": kept}, 3, NOW_S, away_s=AWAY_S, past=[]).since_s is None
