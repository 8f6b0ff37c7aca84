"""What `autoscaler advise` shows: a line for each domain, then why, with all that was tried for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from autoscaler.cli.output import print_grid
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.values import write_ratio
from autoscaler.replay.report.blocks import Grid
from autoscaler.replay.report.tables import amount, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.replay.proposal import Advice, Measured, Tried

_LEGEND = (
    "What each would have cost a day, attained and kept: in the first two thirds of the history, which\n"
    "choose, -> in the last, which verifies. The first line of each table is what there is to be improved on."
)


def print_advices(advices: Sequence[Advice], promised: Mapping[str, float]) -> None:
    """Print all of it; `promised` is what is kept now, or would be, an objective for each domain."""
    print_grid(_table(advices))
    if any(advice.tried for advice in advices):
        typer.echo(f"\n{_LEGEND}")
    for advice in advices:
        typer.echo(f"\n{printable(advice.domain)}: {advice.why}")
        if advice.as_it_is is not None:
            print_grid(_tried(advice, advice.as_it_is, promised[advice.domain]))


def _table(advices: Sequence[Advice]) -> Grid:
    headings = ("Domain", "Advice", "Min", "Max", "Objective", "Prices", "Attained", "As it is", "Saved")
    return Grid(headings=headings, rows=tuple(map(_row, advices)), words=frozenset({0, 1, 5}))


def _row(advice: Advice) -> tuple[str, ...]:
    best, before = advice.best, advice.as_it_is
    if best is None or best.proposal is None or before is None:
        attained = "-" if before is None else percent(before.verifying.attained_ratio, 2)
        return advice.domain, "leave it", "-", "-", "-", "-", "-", attained, "-"
    proposal = best.proposal
    return (
        advice.domain,
        "change it",
        str(proposal.min_vcpus),
        str(proposal.max_vcpus),
        write_ratio(proposal.objective_ratio),
        f"{proposal.prices.vcpu_minute:g}/{proposal.prices.add:g}/{proposal.prices.remove:g}",
        percent(best.verifying.attained_ratio, 2),
        percent(before.verifying.attained_ratio, 2),
        percent(1 - best.verifying.j / before.verifying.j, 1),
    )


def _tried(advice: Advice, as_it_is: Tried, promised: float) -> Grid:
    headings = ("Tried", "Objective", "vCPU-hours a day", "Cost a day", "Attained", "Kept")
    rows = tuple(_candidate(one, promised, advice.best) for one in (as_it_is, *advice.tried))
    return Grid(headings=headings, rows=rows, words=frozenset({0}))


def _candidate(one: Tried, promised: float, best: Tried | None) -> tuple[str, ...]:
    def both(told: Callable[[Measured], str]) -> str:
        return f"{told(one.choosing)} -> {told(one.verifying)}"

    return (
        f"proposed: {one.name}" if one is best else one.name,
        write_ratio(promised if one.proposal is None else one.proposal.objective_ratio),
        both(lambda part: amount(part.vcpu_hours / part.days)),
        both(lambda part: amount(part.j / part.days)),
        both(lambda part: percent(part.attained_ratio, 2)),
        both(lambda part: "yes" if part.kept else "no"),
    )
