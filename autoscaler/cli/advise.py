"""The command `advise`: what policy would suit each domain, by its own history."""

from pathlib import Path
from typing import Annotated

import typer

from autoscaler.cli import replay_options as options
from autoscaler.cli.extra import needs_extra
from autoscaler.cli.output import Output, OutputOption


def advise(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    traces: options.TracesArgument = None,
    *,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The policies in force, a file or a folder; without it, fixed counts are held against.",
            show_default=False,
        ),
    ] = None,
    yaml: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the proposals as a policy file, which must not exist.",
            show_default=False,
        ),
    ] = None,
    lag: options.LagOption = None,
    form: options.FormatOption = None,
    full_scale: options.FullScaleOption = None,
    cost_per_request: options.RequestCostOption = None,
    leave_out: options.LeaveOutOption = None,
    step: options.StepOption = "10s",
    journal: options.JournalOption = None,
    prometheus: options.PrometheusOption = None,
    since: options.HowFarBackOption = "14d",
    metric: options.MetricOption = None,
    timeout: options.TimeoutOption = "2m",
    generate: options.GenerateOption = None,
    domains: options.DomainsOption = 10,
    days: options.DaysOption = 7.0,
    seed: options.SeedOption = 0,
    jobs: options.JobsOption = None,
    scheduler: options.SchedulerOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Propose a minimum, a maximum, an objective and prices for each domain, or say to leave it.

    A few candidates are rehearsed over each domain's history with the service's own controller. The first two
    thirds of it choose, the last third verifies. A domain is to be left as it is where a change would save
    less than 5 %, where nothing kept its promise, or where the last third does not confirm the choice.

    Exit code 0: done; 1: no demand or no policies to go by, or errors in them; 2: used wrongly;
    130: interrupted.
    """
    with needs_extra("advise"):
        # What follows needs the extra, and the service is not to load it.
        from autoscaler.cli.advising import Asked, run_advise  # noqa: PLC0415
        from autoscaler.cli.demand import Sources  # noqa: PLC0415

        sources = Sources(
            paths=traces or [],
            shape=form,
            full_scale_vcpus=full_scale,
            cost_per_request_vcpu_s=cost_per_request,
            step=step,
            journal=journal,
            prometheus=prometheus,
            since=since,
            metric=metric,
            timeout=timeout,
            leave_out=leave_out or [],
            generate=generate,
            domains=domains,
            days=days,
            seed=seed,
            given=options.given(context),
        )
        asked = Asked(sources=sources, policy=policy, yaml=yaml, lag_s=lag, jobs=jobs, scheduler=scheduler)
        try:
            run_advise(asked, output)
        except KeyboardInterrupt:
            typer.echo("autoscaler advise: interrupted; nothing was written", err=True)
            raise typer.Exit(130) from None
