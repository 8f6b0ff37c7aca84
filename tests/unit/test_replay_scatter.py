"""The picture of cost against violation: every label can be read, wherever the marks lie."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from autoscaler.replay.report.scatter_picture import draw_scatter
from autoscaler.replay.result import Kind, Standing
from tests.fakes.replays import replayed

FOUND = replayed("web-1")
USUAL = {
    "load1/load5 blend at 0.9": (0.942, 0.3258),
    "VPA histogram P90": (0.92, 0.1093),
    "target tracking at 65 %": (1.063, 0.0326),
    "threshold +-1 at 80/20 every 300 s": (1.195, 0.033),
    "HPA v2 at 70 %": (1.284, 0.0068),
    "HPA v2 at 65 %": (1.375, 0.0056),
    "HPA v2 at 60 %": (1.448, 0.0053),
    "HPA v2 at 50 %": (1.665, 0.0048),
    "static P99.5 + 20 %": (4.159, 0.0026),
    "static peak": (5.039, 0.0011),
    "policy": (1.23, 0.0037),
    "optimum": (1.0, 0.0),
}
"""By label, J over the optimum and the share of bad slices."""


def scattered(places: dict[str, tuple[float, float]]) -> tuple[list[Bbox], list[tuple[float, float]]]:
    """Where the labels are drawn, the objective's among them, and where the marks are, both in dots."""
    figure = Figure(figsize=(9, 5.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    standings = [_standing(label, *place) for label, place in places.items()]
    draw_scatter(figure, standings, FOUND.terms)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = [text for text in axes.texts if isinstance(text, Annotation)]
    assert len(texts) == len(places) + 1
    marks = [
        axes.transData.transform((standing.score.j_over_optimum, 100 * standing.score.bad_ratio))
        for standing in standings
    ]
    return [Text.get_window_extent(text) for text in texts], [(float(x), float(y)) for x, y in marks]


def _standing(label: str, j_over_optimum: float, bad_ratio: float) -> Standing:
    kind = {"policy": Kind.POLICY, "optimum": Kind.OPTIMUM}.get(label, Kind.BASELINE)
    score = replace(FOUND.standings[0].score, j_over_optimum=j_over_optimum, bad_ratio=bad_ratio)
    return Standing(name=label, label=label, kind=kind, score=score)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param((2.228, 0.0229), id="above the objective"),
        pytest.param((4.6, 0.0103), id="under the objective's name"),
        pytest.param((4.6, 0.0125), id="on the objective's name"),
        pytest.param((1.4, 0.0055), id="amid others"),
    ],
)
def test_no_label_is_over_another_or_over_a_mark(last: tuple[float, float]) -> None:
    boxes, marks = scattered(USUAL | {"VPA histogram P99": last})
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert not [(box, mark) for box in boxes for mark in marks if box.contains(*mark)]


def test_labels_for_which_there_is_no_room_are_drawn_all_the_same() -> None:
    boxes, _ = scattered({f"policy number {number}": (1.2, 0.004) for number in range(40)})
    assert len(boxes) == 41
