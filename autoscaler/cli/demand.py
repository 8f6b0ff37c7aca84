"""Where the demand of a replay comes from: files, a server, or made up; one of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from autoscaler.cli.progress import progress
from autoscaler.errors import JournalUnavailable
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.values import duration_s
from autoscaler.replay.findings import TraceError
from autoscaler.replay.generate import Kind, generate
from autoscaler.replay.halves import halves
from autoscaler.replay.reading.prometheus import from_prometheus
from autoscaler.replay.reading.read import Reading, read_traces
from autoscaler.service.journal_traces import journal_traces

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.replay.trace import Trace

_EVERY_KIND = _ALL = "all"
_HALVES = ("report", "tune", _ALL)
_FILES = "TRACE"
_OF = {
    "--since": ("--from-journal", "--from-prometheus"),
    "--metric": ("--from-prometheus",),
    "--timeout": ("--from-prometheus",),
    "--domains": ("--generate",),
    "--days": ("--generate",),
    "--format": (_FILES,),
    "--full-scale": (_FILES,),
    "--cost-per-request": (_FILES,),
    "--leave-out": (_FILES,),
}
"""Which demand these options are about, by where it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The options that say where it comes from, as they were given."""

    paths: list[Path]
    journal: Path | None
    prometheus: str | None
    since: str
    metric: str | None
    timeout: str
    leave_out: list[str]
    generate: str | None
    domains: int
    days: float
    shape: str | None
    full_scale_vcpus: float | None
    cost_per_request_vcpu_s: float | None
    step: str
    seed: int
    given: frozenset[str]
    """Options that were written on the command line, as against those that have their defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What was read."""

    traces: tuple[Trace, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]


def read_demand(sources: Sources, half: str = _ALL) -> Demand:
    """The traces of one half of the domains; what is wrong with them is printed and ends the command."""
    if half not in _HALVES:
        raise typer.BadParameter(f"choose one of {', '.join(_HALVES)}", param_hint="--half")
    ways = {
        _FILES: sources.paths or None,
        "--from-journal": sources.journal,
        "--from-prometheus": sources.prometheus,
        "--generate": sources.generate,
    }
    asked = [name for name, way in ways.items() if way is not None]
    if len(asked) != 1:
        raise typer.BadParameter(
            "say where the demand comes from: TRACE, --from-journal, --from-prometheus or --generate, "
            "one of them"
        )
    _refuse_without_use(sources.given, asked[0])
    step_s = _seconds(sources.step, "--step")
    try:
        reading = _read(sources, step_s)
    except (TraceError, JournalUnavailable) as error:
        for line in str(error).splitlines():
            typer.echo(f"autoscaler: {printable(line)}", err=True)
        raise typer.Exit(1) from error
    to_tune, to_report = halves(reading.traces, sources.seed)
    traces = {_ALL: reading.traces, "tune": to_tune, "report": to_report}[half]
    if not traces:
        message = f"none of the {len(reading.traces)} domains is in the half {half}"
        typer.echo(f"autoscaler: {message}; read more domains, or --half {_ALL}", err=True)
        raise typer.Exit(1)
    return Demand(traces=tuple(traces), sources=(_told(sources),), notes=reading.repairs)


def _refuse_without_use(given: frozenset[str], way: str) -> None:
    """An option that is about other demand than is read would be taken for heard."""
    for option in sorted(given & _OF.keys()):
        if way not in _OF[option]:
            raise typer.BadParameter(
                f"it is for {' and '.join(_OF[option])}, not for {way}", param_hint=option
            )


def _read(sources: Sources, step_s: float) -> Reading:
    if sources.generate is not None:
        return Reading(_made_up(sources, step_s), ())
    if sources.prometheus is not None:
        return _asked(sources.prometheus, sources, step_s)
    if sources.journal is not None:
        return _remembered(sources.journal, sources, step_s)
    absent = [path for path in sources.paths if not path.exists()]
    for path in absent:
        typer.echo(f"autoscaler: there is no {printable(str(path))}; name a file or a folder", err=True)
    if absent:
        raise typer.Exit(1)
    with progress("reading") as told:
        return read_traces(
            sources.paths,
            step_s=step_s,
            seed=sources.seed,
            shape=sources.shape,
            full_scale_vcpus=sources.full_scale_vcpus,
            cost_per_request_vcpu_s=sources.cost_per_request_vcpu_s,
            leave_out=sources.leave_out,
            progress=told,
        )


def _asked(url: str, sources: Sources, step_s: float) -> Reading:
    timeout_s = _seconds(sources.timeout, "--timeout")
    # The server's own clock may be ahead or behind: what it has not scraped yet is a gap at the end.
    end_s = time.time()
    start_s = end_s - _seconds(sources.since, "--since", longest="365d")
    with progress("reading") as told:
        return from_prometheus(
            url,
            start_s=start_s,
            end_s=end_s,
            step_s=step_s,
            seed=sources.seed,
            timeout_s=timeout_s,
            metric=sources.metric,
            progress=told,
        )


def _remembered(journal: Path, sources: Sources, step_s: float) -> Reading:
    since_s = _seconds(sources.since, "--since", longest="3650d")
    try:
        traces = journal_traces(journal, step_s=step_s, from_wall_s=time.time() - since_s)
    except ValueError as error:
        raise TraceError(f"{journal}: {error}") from error
    if not traces:
        raise TraceError(
            f"{journal}: it tells of no demand in that time: a service writes what it measured after ten "
            "minutes, and when it ends"
        )
    return Reading(traces, ())


def _seconds(text: str, option: str, *, longest: str = "1h") -> float:
    found, most_s = duration_s(text), duration_s(longest)
    if found is None or most_s is None or not 1 <= found <= most_s:
        raise typer.BadParameter(f"give a time from 1s to {longest}, such as 10s", param_hint=option)
    return found


def _made_up(sources: Sources, step_s: float) -> tuple[Trace, ...]:
    kinds = (
        list(Kind) if sources.generate == _EVERY_KIND else [kind for kind in Kind if kind == sources.generate]
    )
    if not kinds:
        raise typer.BadParameter(
            f"choose one of {', '.join(Kind)}, or {_EVERY_KIND}", param_hint="--generate"
        )
    return tuple(
        trace
        for kind in kinds
        for trace in generate(
            kind, domains=sources.domains, days=sources.days, step_s=step_s, seed=sources.seed
        )
    )


def _told(sources: Sources) -> str:
    if sources.generate is not None:
        return f"made up: {sources.generate}, seed {sources.seed}"
    if sources.journal is not None:
        return f"the journal {sources.journal}"
    if sources.prometheus is not None:
        return f"the Prometheus server {sources.prometheus}"
    return ", ".join(path.name or str(path) for path in sources.paths)
