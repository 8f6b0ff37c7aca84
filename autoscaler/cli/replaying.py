"""What `autoscaler replay` does once its options are read: demand in, everything tried, the result told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from autoscaler import __version__
from autoscaler.cli.demand import Sources, read_demand
from autoscaler.cli.everywhere import on_every_domain
from autoscaler.cli.output import Output, print_grid, print_json
from autoscaler.cli.progress import progress
from autoscaler.cli.tried_policies import TriedPolicies, read_policies, unmatched
from autoscaler.cli.world import World, told
from autoscaler.policyfile.problem import printable
from autoscaler.replay.gather import from_worst, gather
from autoscaler.replay.report.document import document
from autoscaler.replay.report.sections import facts, outcome
from autoscaler.replay.report.tables import changes_table, lags_table, standings_table
from autoscaler.replay.result import AGAINST, POLICY, Drawn, Terms
from autoscaler.service.trial import Trial, TrialPart, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autoscaler.cli.demand import Demand
    from autoscaler.replay.judged import Tried
    from autoscaler.replay.result import Replayed
    from autoscaler.replay.trace import Trace

_BROKEN = 2
"""Exit code: a promise that was kept is not kept any more."""
_MOST_DRAWN = 12
_MOST_TOLD = 20
_LONGEST_LAG_S = 3600
_OPTIMUM = (
    "the fewest priced cost with no slice bad, all demand known beforehand, counts changing between slices; "
    "where a slice leaves work that breaks the next, what mends it may cost more than the least"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were given."""

    sources: Sources
    policy: Path | None
    against: Path | None
    world: World
    lags: str
    baselines: bool
    half: str
    report: Path | None
    jobs: int | None
    scheduler: str | None


def run_replay(asked: Asked, output: Output) -> int:
    """Do it, print it, write the report, and return the exit code."""
    if asked.report is not None:
        from autoscaler.replay.report.folder import look_at  # noqa: PLC0415 - needs matplotlib

        look_at(asked.report)
    sets = {POLICY: read_policies(asked.policy, "--policy", command="replay")}
    if asked.against is not None:
        sets[AGAINST] = read_policies(asked.against, "--against", command="replay")
    demand = read_demand(asked.sources, asked.half)
    notes = [
        *demand.notes,
        *(note for found in sets.values() for note in (*found.notes, *unmatched(found, demand.traces))),
    ]
    for note in notes:
        typer.echo(f"autoscaler replay: {note}", err=True)
    traces = [trace for trace in demand.traces if all(found.governs(trace.domain) for found in sets.values())]
    if not traces:
        typer.echo("autoscaler replay: no domain is left that the policies govern", err=True)
        return 1
    trial = Trial(
        policies={name: found.policies for name, found in sets.items()},
        circumstances=asked.world.circumstances(),
        baselines=asked.baselines,
        lags=_lags(asked.lags),
    )
    tried = on_every_domain(
        "replaying",
        traces,
        trial.circumstances,
        lambda group: TrialPart(group, trial),
        jobs=asked.jobs,
        scheduler=asked.scheduler,
    )
    labels = _labels(sets)
    drawn = _drawn(traces, trial, tried) if asked.report is not None else []
    replayed = gather(tried, _terms(traces, trial, demand, asked, notes), labels, drawn)
    if asked.report is not None:
        _report(replayed, asked.report)
    _print(replayed, output)
    return _BROKEN if replayed.broken else 0


def _lags(text: str) -> tuple[float, ...]:
    try:
        lags = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        lags = (-1.0,)
    if any(not 0 <= lag_s <= _LONGEST_LAG_S for lag_s in lags):
        raise typer.BadParameter("give seconds from 0 to 3600, such as 10,30,60,300", param_hint="--lags")
    return lags


def _labels(sets: Mapping[str, TriedPolicies]) -> dict[str, str]:
    return {name: found.label + (" (old)" if name == AGAINST else "") for name, found in sets.items()}


def _drawn(traces: Sequence[Trace], trial: Trial, tried: Sequence[Tried]) -> list[Drawn]:
    """The domains that fare worst, and the one in the middle; their courses are made again."""
    ranked = [one.domain for one in from_worst(tried)]
    titles = {
        name: f"worst {place} of {len(ranked)}" for place, name in enumerate(ranked[:_MOST_DRAWN], start=1)
    }
    worst = set(titles)
    if len(ranked) > _MOST_DRAWN:
        titles[ranked[len(ranked) // 2]] = "the domain in the middle"
    for name in titles.keys() & {trace.domain for trace in traces if trace.interpolated}:
        titles[name] += ", interpolated"
    with progress("replaying what is drawn") as tell:
        courses = draw(traces, list(titles), trial, tell)
    return [
        Drawn(
            title=title, worst=name in worst, policy=courses[name][POLICY], against=courses[name].get(AGAINST)
        )
        for name, title in titles.items()
    ]


def _terms(
    traces: Sequence[Trace], trial: Trial, demand: Demand, asked: Asked, notes: Sequence[str]
) -> Terms:
    days = [trace.span_s / 86400 for trace in traces]
    made_up = [trace for trace in traces if trace.interpolated]
    objectives = {trial.judging(trace.domain)[0].objective_ratio for trace in traces}
    return Terms(
        version=__version__,
        sources=demand.sources,
        half=asked.half,
        domains=len(traces),
        domain_days=sum(days),
        step_s=traces[0].step_s,
        lag_s=trial.circumstances.lag.plugged.at(0.5),
        seed=trial.circumstances.seed,
        interpolated_ratio=sum(trace.span_s / 86400 for trace in made_up) / sum(days),
        interpolated=tuple(trace.domain for trace in made_up),
        objective_ratio=objectives.pop() if len(objectives) == 1 else None,
        circumstances=told(trial.circumstances),
        optimum=_OPTIMUM,
        notes=tuple(notes),
    )


def _report(replayed: Replayed, folder: Path) -> None:
    from autoscaler.replay.report.folder import write_report  # noqa: PLC0415 - needs matplotlib

    with progress("drawing") as tell:
        write_report(replayed, folder, progress=tell)
    typer.echo(f"autoscaler replay: the report is in {printable(str(folder))}", err=True)


def _print(replayed: Replayed, output: Output) -> None:
    if output is Output.JSON:
        print_json(document(replayed))
        return
    labels = {standing.name: standing.label for standing in replayed.standings}
    for name, value in facts(replayed):
        typer.echo(f"{name}: {printable(value)}")
    typer.echo()
    print_grid(standings_table(replayed.standings))
    if replayed.changes is not None:
        typer.echo()
        print_grid(changes_table(replayed.changes[:_MOST_TOLD], replayed.terms.interpolated))
        left = len(replayed.changes) - _MOST_TOLD
        if left > 0:
            typer.echo(f"and {left} more: --output json and --report have them all")
    if replayed.lags:
        typer.echo()
        print_grid(lags_table(replayed.lags, labels))
    for sentence in outcome(replayed):
        typer.echo(f"\n{printable(sentence.text)}")
