"""One domain's demand as somebody recorded it, before it lies on a grid.

Invariant: every value is a count of vCPUs that a guest can want, or NaN where the row says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """The rows of one domain, in the order of the file; arrays have the shape (rows,)."""

    domain: str
    place: str
    """The file, or the server."""
    lines: npt.NDArray[np.int32] | None
    """Where each row stands; None: the place has no lines."""
    begin_s: npt.NDArray[np.float64]
    """Seconds since the epoch at which what the row says begins."""
    lasting_s: npt.NDArray[np.float64] | None
    """For how long it holds; None: the rows do not say, and it is until the next row."""
    demand_vcpus: npt.NDArray[np.float64]
    """The mean over that time; NaN: not known."""
    vcpus: int
    """The most vCPUs that the domain had; 0: nothing was said of that."""
    maximum: int
    """The most that it can have, as stated; 0: nothing was said of that."""

    def line(self, row: int) -> int | None:
        """Where the row stands."""
        return None if self.lines is None else int(self.lines[row])
