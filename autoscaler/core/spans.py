"""Times as people say them, in one unit: ``45 s``, ``12 min``, ``7.2 h``, ``30 d``."""

from __future__ import annotations

from math import floor

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_EXACT = 6
"""Places after which a figure is rounded before it is cut: 0.3 is not quite 3 tenths in floating point."""
_LEAST = 0.95
"""Units: 59 min 40 s are an hour, not 59.7 min."""


def span(seconds: float) -> str:
    """A time of that many seconds, to a tenth of its unit at most."""
    for unit_s, unit in _UNITS:
        if seconds >= _LEAST * unit_s:
            return f"{seconds / unit_s:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def left_span(seconds: float) -> str:
    """What is left of a time, rounded down, so that it never reads as more."""
    for unit_s, unit in (*_UNITS, (1.0, "s")):
        if seconds >= unit_s:
            return f"{floor(round(10 * seconds / unit_s, _EXACT)) / 10:g} {unit}"
    return "0 s"


def short_span(seconds: float) -> str:
    """The same for where there is little room: ``12m``, ``7.2h``."""
    return span(seconds).replace(" min", "m").replace(" ", "")
