"""What one host learns of itself from the changes of its guests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.core.model import HostView
from autoscaler.service.settings import HostLimits
from autoscaler.service.shares import Shares
from tests.fakes.examples import OPERATION


@pytest.mark.parametrize("held", [False, True])
def test_a_growth_that_something_held_teaches_nothing(*, held: bool) -> None:
    shares = Shares(HostLimits(), DeadlineSettings())
    for _ in range(50):
        shares.learn(replace(OPERATION, online_s=OPERATION.requested_s + 40.0, held=held))
    assert shares.delay.typical_s == (0.0 if held else 40.0)


@pytest.mark.parametrize(
    ("most_vcpus", "changes", "pressure_ratio", "plenty"),
    [
        pytest.param(12, 3, 0.0, True, id="enough for all"),
        pytest.param(13, 3, 0.0, False, id="too few vCPUs beside those that no policy governs"),
        pytest.param(12, 4, 0.0, False, id="too many changes"),
        pytest.param(12, 3, 0.9, False, id="a host that is pressed"),
    ],
)
def test_a_host_has_plenty_only_where_nobody_need_be_weighed_against_others(
    most_vcpus: int, changes: int, pressure_ratio: float, *, plenty: bool
) -> None:
    shares = Shares(HostLimits(overcommit=4.0, operations_per_minute=3), DeadlineSettings())
    shares.see("h", HostView(at_s=0.0, cpus=4, pressure_ratio=pressure_ratio), others_vcpus=4)
    assert shares.has_plenty(most_vcpus, changes, 0.0) == plenty
