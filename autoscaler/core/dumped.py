"""What is dumped for a later run, and read back by it: nothing is taken from a state file unchecked.

Invariant: whatever stands there, the answer is a value in its range or a ``ValueError``, never another error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_S = 1e10
"""No age or span is longer: three centuries."""


def ago_s(now_s: float, then_s: float) -> float:
    """How long ago something was, to the millisecond: what a clock that starts anew can go on from."""
    return max(0.0, round(now_s - then_s, 3))


def number(dumped: Mapping[str, object], key: str, low: float, high: float) -> float:
    """The number under this key, if it lies within these bounds."""
    value = dumped.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(key, value, f"a number from {low:g} to {high:g}")
    return float(value)


def number_or_none(dumped: Mapping[str, object], key: str, low: float, high: float) -> float | None:
    """The number under this key, if it lies within these bounds, or None."""
    return None if dumped.get(key) is None else number(dumped, key, low, high)


def whole(dumped: Mapping[str, object], key: str, low: int, high: int) -> int:
    """The whole number under this key, if it lies within these bounds."""
    value = dumped.get(key)
    if not _is_whole(value, low, high):
        raise _wrong(key, value, f"a whole number from {low} to {high}")
    return value


def text(dumped: Mapping[str, object], key: str) -> str:
    """The text under this key."""
    value = dumped.get(key)
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    return value


def branch(dumped: Mapping[str, object], key: str) -> Mapping[str, object]:
    """What a part of the whole dumped under this key."""
    value = dumped.get(key)
    if not isinstance(value, dict):
        raise _wrong(key, value, "a mapping")
    return value


def branches(dumped: Mapping[str, object], key: str, most: int) -> list[Mapping[str, object]]:
    """The mappings under this key, at most so many."""
    value = dumped.get(key)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, dict) for one in value):
        raise _wrong(key, value, f"a list of at most {most} mappings")
    return value


def wholes(dumped: Mapping[str, object], key: str, most: int, high: int) -> list[int]:
    """The whole numbers from 0 under this key, at most so many."""
    value = dumped.get(key)
    if not isinstance(value, list) or len(value) > most or not all(_is_whole(one, 0, high) for one in value):
        raise _wrong(key, value, f"a list of at most {most} whole numbers up to {high}")
    return value


def _is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _wrong(key: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"{key} is {str(value)[:40]!r}, not {wanted}")
