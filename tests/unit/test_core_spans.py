"""Times as people say them."""

from __future__ import annotations

import pytest

from autoscaler.core.spans import left_span, short_span, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (45.0, "45 s"),
        (60.0, "1 min"),
        (90.0, "1.5 min"),
        (3599.0, "1 h"),
        (25_920.0, "7.2 h"),
        (86_400.0, "1 d"),
        (30 * 86_400.0, "30 d"),
    ],
)
def test_a_time_is_told_in_its_largest_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_where_there_is_little_room_it_has_no_blanks() -> None:
    assert [short_span(seconds) for seconds in (45.0, 720.0, 25_920.0)] == ["45s", "12m", "7.2h"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (0.3, "0 s"),
        (59.99, "59.9 s"),
        (3599.0, "59.9 min"),
        (25_860.0, "7.1 h"),
        (25_920.0, "7.2 h"),
        (25_920 * 0.98, "7 h"),
    ],
)
def test_what_is_left_is_never_told_as_more(seconds: float, said: str) -> None:
    assert left_span(seconds) == said
