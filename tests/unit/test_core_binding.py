"""What keeps a domain from any other size, in words with figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.binding import limit_of, sentence_of
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.core.stabilize import Clamp
from tests.fakes.examples import DECISION


@pytest.mark.parametrize(
    ("reason", "before", "after", "said"),
    [
        (Reason.AT_MAX, 9, 8, "the domain can have at most 8"),
        (Reason.AT_MAX, 9, 6, "policy 'web' allows at most 6"),
        (Reason.AT_MIN, 1, 2, "policy 'web' allows no fewer than 2"),
        (Reason.SCHEDULE, 1, 4, "schedule 'day' or 'sale' allows no fewer than 4"),
        (Reason.SCHEDULE, 9, 4, "schedule 'day' or 'sale' allows at most 4"),
        (Reason.HOLD, 2, 4, "4 were needed a short while ago and are kept"),
        (Reason.STEP, 16, 8, "one move is 4 vCPUs at most (limits.up.step)"),
        (Reason.STEP, 1, 3, "one move is 1 vCPU at most (limits.down.step)"),
        (Reason.COOLDOWN, 6, 4, "the last change is too recent (limits.up.cooldown)"),
        (Reason.COOLDOWN, 3, 4, "the last change is too recent (limits.down.cooldown)"),
        (Reason.HOST_FULL, 6, 4, SENTENCES[Reason.HOST_FULL]),
    ],
)
def test_a_limit_is_told_with_what_it_is_and_how_much_it_allows(
    reason: Reason, before: int, after: int, said: str
) -> None:
    clamp = Clamp(reason, before, after)
    assert limit_of(clamp, online=4, policy="web", schedules=("day", "sale"), maximum=8) == said


def test_a_decision_is_told_by_the_limit_that_made_the_difference() -> None:
    clamps = (Clamp(Reason.HOLD, 1, 3), Clamp(Reason.AT_MIN, 3, 4))
    decision = replace(DECISION, reason=Reason.AT_MIN, clamps=clamps)
    assert sentence_of(decision) == "policy 'web' allows no fewer than 4"
    assert sentence_of(replace(decision, reason=Reason.STEADY)) == SENTENCES[Reason.STEADY]
