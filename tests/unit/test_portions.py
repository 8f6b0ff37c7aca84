"""Texts that are made while they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autoscaler.service.portions import Portions

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = "x" * 70_000


def test_all_who_ask_get_the_same_portions_of_a_text_that_is_made_once() -> None:
    made: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("a", LONG, "é"):
            made.append(piece)
            yield piece

    portions = Portions(pieces())
    early, late = iter(portions), iter(portions)
    first = next(early)
    assert made == ["a", LONG]
    assert b"".join(late) == f"a{LONG}é".encode() == first + b"".join(early)
    assert made == ["a", LONG, "é"]


def test_nobody_takes_a_text_for_whole_that_could_not_be_made_to_its_end() -> None:
    def pieces() -> Iterator[str]:
        yield LONG
        raise ZeroDivisionError

    portions = Portions(pieces())
    for _ in range(2):
        asked = iter(portions)
        assert next(asked) == LONG.encode()
        with pytest.raises(ZeroDivisionError):
            next(asked)
