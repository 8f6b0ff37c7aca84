"""Times as people say them, in one unit: ``45 s``, ``12 min``, ``7.2 h``, ``30 d``."""

from __future__ import annotations

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
_LEAST = 0.95
"""Units: 59 min 40 s are an hour, not 59.7 min."""


def span(seconds: float) -> str:
    """A time of that many seconds, to a tenth of its unit at most."""
    for unit_s, unit in _UNITS:
        if seconds >= _LEAST * unit_s:
            return f"{seconds / unit_s:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def short_span(seconds: float) -> str:
    """The same for where there is little room: ``12m``, ``7.2h``."""
    return span(seconds).replace(" min", "m").replace(" ", "")
