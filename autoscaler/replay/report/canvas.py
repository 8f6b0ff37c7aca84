"""A sheet to draw on: one look for all pictures, without touching what else the process draws.

Invariant: no name from outside is taken for mathematics or for a control character, and none needs a letter
that the font lacks.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from autoscaler.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    *("#1a1a1a", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
)
"""Told apart by eyes of every kind: M. Okabe and K. Ito, "Color Universal Design", 2008."""
GREY = "#8a8a8a"
_LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.edgecolor": "#666666",
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,
}
_DOTS_PER_INCH = 130
_LAST_LATIN = 0x24F
_LONGEST_NAME = 40


def picture(width: float, height: float, draw: Callable[[Figure], None]) -> bytes:
    """A PNG of this size in inches; the process's own settings of matplotlib stay as they are."""
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        png = BytesIO()
        # Without the program's version in it, the same replay gives the same bytes.
        figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def drawable(name: str) -> str:
    """A name as it can be drawn: short, and each letter in the font."""
    plain = "".join(
        letter if ord(letter) <= _LAST_LATIN else letter.encode("ascii", "backslashreplace").decode()
        for letter in printable(name)
    )
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 3] + "..."
