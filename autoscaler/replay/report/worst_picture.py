"""The domains that fare worst under the policy: what they spent of their error budget, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.report.canvas import BLUE, ORANGE, RED, drawable, picture
from autoscaler.replay.result import AGAINST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from autoscaler.replay.result import Standing

_BAR = 0.38


def worst_picture(domains: Sequence[str], policies: Sequence[Standing]) -> bytes:
    """A PNG; `policies` are the new one and, where there is one, the old one."""
    rows = [{row.domain: row for row in policy.score.domains} for policy in policies]

    def draw(figure: Figure) -> None:
        spent, cost = figure.subplots(1, 2, sharey=True, width_ratios=(1.2, 1))
        for number, (policy, by_name) in enumerate(zip(policies, rows, strict=True)):
            found = [by_name[name] for name in domains]
            color = ORANGE if policy.name == AGAINST else BLUE
            label = policy.label if len(policies) > 1 else ""
            _bars(spent, [100 * row.budget_spent_ratio for row in found], number, len(policies), color, label)
            _bars(cost, [row.j_over_optimum for row in found], number, len(policies), color, "")
        spent.axvline(100, color=RED, linewidth=1.2, linestyle=(0, (5, 4)))
        spent.set_xlabel("error budget spent, %")
        cost.axvline(1, color=RED, linewidth=1.2, linestyle=(0, (5, 4)))
        cost.set_xlabel("cost over the optimum's")
        spent.set_yticks(np.arange(len(domains)))
        spent.set_yticklabels([drawable(name) for name in domains], fontsize=10)
        spent.set_ylim(len(domains) - 0.5, -0.5)
        for axes in (spent, cost):
            axes.grid(visible=False, axis="y")
        figure.suptitle(
            "The domains that fare worst (beyond 100 % the promise is broken)", x=0.01, ha="left", fontsize=12
        )
        if len(policies) > 1:
            figure.legend(loc="outside lower center", ncols=2, fontsize=10)

    return picture(9, 1.7 + 0.42 * len(domains), draw)


def _bars(axes: Axes, values: Sequence[float], number: int, of: int, color: str, label: str) -> None:
    height = 2 * _BAR / of
    at = np.arange(len(values)) + (number - (of - 1) / 2) * height
    axes.barh(at, np.nan_to_num(np.array(values)), height=height, color=color, label=label)
