"""How names and columns are made to fit into a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autoscaler.cli.fitting import LEAST, fitted, shortened

WIDE = "\N{CJK UNIFIED IDEOGRAPH-6F22}"


@pytest.mark.parametrize(
    ("text", "width", "found"),
    [
        ("web-1", 5, "web-1"),
        ("web-1", 4, "we\u20261"),
        ("web-frontend-01", 9, "web-\u2026d-01"),
        ("web-1", 1, "\u2026"),
        (WIDE * 4, 8, WIDE * 4),
        (WIDE * 5, 8, f"{WIDE * 2}\u2026{WIDE}"),
    ],
)
def test_a_name_that_is_too_long_keeps_both_its_ends(text: str, width: int, found: str) -> None:
    assert shortened(text, width) == found


@given(st.text(max_size=40), st.integers(1, 40))
def test_no_name_is_wider_than_it_may_be(text: str, width: int) -> None:
    assert cell_len(shortened(text, width)) <= width


@pytest.mark.parametrize(
    ("widths", "fixed", "room", "found"),
    [
        pytest.param([10, 6], [False, True], 20, [10, 6], id="there is room"),
        pytest.param([200, 9, 6], [False, False, True], 35, [20, 9, 6], id="the widest gives way"),
        pytest.param([200, 30, 6], [False, False, True], 36, [15, 15, 6], id="and then all do"),
        pytest.param([200, 60], [False, True], 40, [LEAST, 60], id="figures keep theirs"),
        pytest.param([5, 60], [False, True], 40, [5, 60], id="what is narrow stays"),
    ],
)
def test_the_widest_columns_give_way(
    widths: list[int], fixed: list[bool], room: int, found: list[int]
) -> None:
    assert fitted(widths, fixed, room) == found


def test_a_column_keeps_the_least_that_it_can_do_with() -> None:
    assert fitted([30, 20, 6], [False, False, True], 34, least=[8, 16, 6]) == [12, 16, 6]
