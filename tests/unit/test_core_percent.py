"""Shares as people read them."""

from __future__ import annotations

import pytest

from autoscaler.core.percent import percent


@pytest.mark.parametrize(
    ("ratio", "places", "said"),
    [
        (1.0, 2, "100%"),
        (0.0, 2, "0%"),
        (0.57, 2, "57%"),
        (0.7581, 2, "75.81%"),
        (0.99999, 2, "99.99%"),
        (0.989999, 2, "98.99%"),
        (0.99995, 4, "99.995%"),
        (0.9977, 0, "99%"),
        (-0.004, 0, "-1%"),
    ],
)
def test_a_share_is_rounded_down(ratio: float, places: int, said: str) -> None:
    assert percent(ratio, places) == said
