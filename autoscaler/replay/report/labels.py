"""Where the labels of a picture stand: over no mark, no other label and no line, as far as there is room.

Labels are placed one after the other, each where it hides least; what is placed stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    Points = npt.NDArray[np.float64]

Place = TypeVar("Place")

_MARK = 9
"""Half the side of a mark, in dots."""
_ON_A_LINE = np.linspace(0, 1, 40)[:, np.newaxis]


class Labels:
    """What is taken of a picture that has its marks and its scales already; all in dots."""

    def __init__(self, axes: Axes, figure: Figure) -> None:
        # Labels take no part in the layout: it has to stand before they are placed.
        figure.draw_without_rendering()
        self._axes, self._figure = axes, figure
        self._boxes: list[Bbox] = []
        self._lines: list[Points] = []

    def keep_mark(self, at: tuple[float, float]) -> None:
        """Have no label over the mark that is there, in the scales' own units."""
        self._boxes.append(_around(self._axes.transData.transform(at)))

    def keep_level(self, value: float) -> None:
        """Have no label over the line across the picture at this height, where another place will do."""
        height = self._axes.transData.transform((self._axes.get_xlim()[0], value))[1]
        box = self._axes.bbox
        self._lines.append(_line(np.array([box.x0, height]), np.array([box.x1, height])))

    def place(self, write: Callable[[Place], Annotation], places: Sequence[Place]) -> None:
        """Write a label where it hides least, in the first such place."""
        best = min(places, key=lambda place: self._hidden(write, place))
        text = write(best)
        box, line = self._measured(text)
        self._boxes.append(box)
        self._lines.append(line)

    def _hidden(self, write: Callable[[Place], Annotation], place: Place) -> tuple[int, int]:
        """How much would be hidden: marks, labels and what is outside; then lines."""
        text = write(place)
        box, line = self._measured(text)
        text.remove()
        outside = not (self._axes.bbox.x0 <= box.x0 and box.x1 <= self._figure.bbox.x1)
        outside |= not (self._axes.bbox.y0 <= box.y0 and box.y1 <= self._axes.bbox.y1)
        return (
            outside + sum(box.overlaps(other) for other in self._boxes),
            sum(_crosses(other, box) for other in self._lines)
            + sum(_crosses(line, other) for other in self._boxes),
        )

    def _measured(self, text: Annotation) -> tuple[Bbox, Points]:
        """The room that a label takes, and its line to the mark, without what is beneath either."""
        canvas = self._figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        text.update_positions(canvas.get_renderer())  # type: ignore[no-untyped-call]
        # Without the line to the mark.
        box = Text.get_window_extent(text)
        if text.arrow_patch is None:
            return box, np.empty((0, 2))
        mark = self._axes.transData.transform(text.xy)
        line = _line(np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2]), mark)
        return box, line[~_within(line, box) & ~_within(line, _around(mark))]


def _around(at: Sequence[float] | Points) -> Bbox:
    return Bbox.from_bounds(at[0] - _MARK, at[1] - _MARK, 2 * _MARK, 2 * _MARK)


def _line(begin: Points, end: Points) -> Points:
    """Points on a line, shape (points, 2), so close that no label fits between them."""
    return begin + (end - begin) * _ON_A_LINE


def _within(points: Points, box: Bbox) -> npt.NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    inside: npt.NDArray[np.bool_] = (box.x0 <= x) & (x <= box.x1) & (box.y0 <= y) & (y <= box.y1)
    return inside


def _crosses(points: Points, box: Bbox) -> bool:
    return bool(_within(points, box).any())
