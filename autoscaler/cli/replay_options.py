"""The options by which `replay` and `advise` are told where the demand comes from, said once for both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def given(context: typer.Context) -> frozenset[str]:
    """The options that were written on the command line."""
    found = (
        parameter.opts[0]
        for parameter in context.command.params
        if (source := context.get_parameter_source(parameter.name or "")) and source.name == "COMMANDLINE"
    )
    return frozenset(found)


TracesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="TRACE",
        help="Files of recorded demand, or folders of them; policies/replay.md has the formats.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="The files' format, where it is not to be recognised."),
]
FullScaleOption = Annotated[
    float | None,
    typer.Option("--full-scale", metavar="VCPUS", help="How many vCPUs 100 % are, in files of percent."),
]
RequestCostOption = Annotated[
    float | None,
    typer.Option(
        "--cost-per-request", metavar="SECONDS", help="vCPU-seconds of a request, in files of requests."
    ),
]
StepOption = Annotated[
    str, typer.Option("--step", metavar="TIME", help="The controller's interval, and the step of the replay.")
]
PrometheusOption = Annotated[
    str | None,
    typer.Option("--from-prometheus", metavar="URL", help="Read the demand from this Prometheus server."),
]
JournalOption = Annotated[
    Path | None,
    typer.Option(
        "--from-journal",
        metavar="FILE",
        help="Read the demand from the service's journal, journal.sqlite in its state directory.",
        show_default=False,
    ),
]
HowFarBackOption = Annotated[
    str,
    typer.Option(
        "--since", metavar="TIME", help="With --from-prometheus or --from-journal: how far back to read."
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="With --from-prometheus: this metric; without it, the first there is.",
    ),
]
TimeoutOption = Annotated[
    str,
    typer.Option("--timeout", metavar="TIME", help="With --from-prometheus: all answers within this time."),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out",
        metavar="PATTERN",
        help="Names of files in folders that are not read.",
        show_default=False,
    ),
]
GenerateOption = Annotated[
    str | None,
    typer.Option(
        "--generate",
        metavar="KIND",
        help="Make the demand up: diurnal, bursty, flash-crowd, batch, idle-with-spikes, or all of them.",
    ),
]
DomainsOption = Annotated[
    int, typer.Option("--domains", min=1, max=100_000, help="With --generate: how many domains of each kind.")
]
DaysOption = Annotated[
    float, typer.Option("--days", min=0.01, max=1000, help="With --generate: how many days.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Of everything that is left to chance; the same gives the same.")
]
LagOption = Annotated[
    float | None,
    typer.Option(
        "--lag",
        metavar="SECONDS",
        min=0,
        max=3600,
        help="From a decision to a vCPU that runs; without it, as measured in the lab.",
        show_default=False,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs", min=1, max=1024, help="How many processes; without it, one a CPU.", show_default=False
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="URL", help="Run on the Dask cluster of this scheduler: tcp://..."),
]
MissingOption = Annotated[
    float,
    typer.Option(
        "--missing", metavar="PERCENT", min=0, max=99, help="Share of the samples that do not come."
    ),
]
RefusedOption = Annotated[
    float,
    typer.Option(
        "--refused", metavar="PERCENT", min=0, max=99, help="Share of the moves that guests refuse."
    ),
]
StolenOption = Annotated[
    float,
    typer.Option(
        "--stolen",
        metavar="PERCENT",
        min=0,
        max=95,
        help="Share of their time that the host withholds from vCPUs.",
    ),
]
HostVcpusOption = Annotated[
    int | None,
    typer.Option(
        "--host-vcpus",
        metavar="VCPUS",
        min=1,
        help="Put all domains on one host of so many vCPUs; without it, none is in another's way.",
        show_default=False,
    ),
]
