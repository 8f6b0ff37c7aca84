"""How far floating point may miss a whole number, so that nothing is rounded past what was meant."""

from __future__ import annotations

from typing import Final

ROUNDING: Final = 1e-9
"""Added before rounding down and taken off before rounding up: keeps whole what is but for its last bit."""
