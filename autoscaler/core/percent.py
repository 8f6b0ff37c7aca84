"""Shares as people read them: always rounded down, so that what is not whole never reads as whole.

Invariant: a share that is below another one that is told to as many places is told as less.
"""

from __future__ import annotations

from math import floor

_EXACT = 6
"""Places beyond those that are told: 0.57 is not quite 57 % in floating point."""


def percent(ratio: float, places: int = 2) -> str:
    """``75.81%``, ``0%``, ``100%``; below 0 where more was taken than there was."""
    scale = 10**places
    text = f"{floor(round(100 * ratio * scale, _EXACT)) / scale:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if places else text}%"
