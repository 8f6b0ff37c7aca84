"""What one host learns of itself from the changes of its guests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.service.settings import HostLimits
from autoscaler.service.shares import Shares
from tests.fakes.examples import OPERATION


@pytest.mark.parametrize("held", [False, True])
def test_a_growth_that_something_held_teaches_nothing(*, held: bool) -> None:
    shares = Shares(HostLimits(), DeadlineSettings())
    for _ in range(50):
        shares.learn(replace(OPERATION, online_s=OPERATION.requested_s + 40.0, held=held))
    assert shares.delay.typical_s == (0.0 if held else 40.0)
