"""All pictures of a report, with what they show in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.replay.report.blocks import Shown
from autoscaler.replay.report.budget_picture import budget_picture
from autoscaler.replay.report.domain_picture import domain_picture
from autoscaler.replay.report.scatter_picture import scatter_picture
from autoscaler.replay.report.worst_picture import worst_picture
from autoscaler.replay.result import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.replay.result import Replayed


def pictures(
    replayed: Replayed, *, progress: Callable[[int, int], None]
) -> tuple[list[Shown], dict[str, bytes]]:
    """The captions in their order and the PNGs by file name; `progress` is told how many of how many."""
    shown: list[Shown] = []
    pngs: dict[str, bytes] = {}
    planned = list(_planned(replayed))
    for file, caption, draw in planned:
        pngs[file] = draw()
        shown.append(Shown(file=file, caption=caption))
        progress(len(shown), len(planned))
    return shown, pngs


def _planned(replayed: Replayed) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    policies = [standing for standing in replayed.standings if standing.kind is Kind.POLICY]
    labels = {standing.name: standing.label for standing in policies}
    worst = [drawn.policy.course.domain for drawn in replayed.drawn if drawn.worst]
    yield (
        "scatter.png",
        "Cost over the optimum's against the share of bad slices, each strategy a mark",
        lambda: scatter_picture(replayed.standings, replayed.terms),
    )
    if replayed.spent:
        yield (
            "budget.png",
            "Share of the error budget that is left as the trace goes on",
            lambda: budget_picture(replayed.spent, labels),
        )
    if worst:
        yield (
            "worst.png",
            "Error budget spent and cost over the optimum's of the domains that fare worst",
            lambda: worst_picture(worst, policies),
        )
    for number, domain in enumerate(replayed.drawn, start=1):
        name = domain.policy.course.domain
        yield (
            f"domain-{number:02}.png",
            f"Demand and vCPUs of {name}, {domain.title}",
            lambda domain=domain: domain_picture(domain),  # type: ignore[misc]
        )
