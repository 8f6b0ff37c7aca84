"""The command `replay`: what policies would have made of recorded demand, before they are put in force."""

from pathlib import Path
from typing import Annotated

import typer

from autoscaler.cli import replay_options as options
from autoscaler.cli.extra import needs_extra
from autoscaler.cli.output import Output, OutputOption


def replay(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    traces: options.TracesArgument = None,
    *,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The policies to try, a file or a folder; without it, the default policy for every domain.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The policies to hold them against.", show_default=False),
    ] = None,
    lag: options.LagOption = None,
    lags: Annotated[
        str,
        typer.Option(
            metavar="SECONDS,...", help="Try these lags too, such as 10,30,60,300.", show_default=False
        ),
    ] = "",
    missing: options.MissingOption = 0.0,
    refused: options.RefusedOption = 0.0,
    stolen: options.StolenOption = 0.0,
    host_vcpus: options.HostVcpusOption = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Try the usual other rules, too.")
    ] = True,
    half: Annotated[
        str,
        typer.Option(
            metavar="report|tune|all", help="Only one half of the domains: tune on one, report on the other."
        ),
    ] = "all",
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write report.html, .md, .json and pictures to this folder.",
            show_default=False,
        ),
    ] = None,
    form: options.FormatOption = None,
    full_scale: options.FullScaleOption = None,
    cost_per_request: options.RequestCostOption = None,
    leave_out: options.LeaveOutOption = None,
    step: options.StepOption = "10s",
    journal: options.JournalOption = None,
    prometheus: options.PrometheusOption = None,
    since: options.HowFarBackOption = "7d",
    metric: options.MetricOption = None,
    timeout: options.TimeoutOption = "2m",
    generate: options.GenerateOption = None,
    domains: options.DomainsOption = 10,
    days: options.DaysOption = 7.0,
    seed: options.SeedOption = 0,
    jobs: options.JobsOption = None,
    scheduler: options.SchedulerOption = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="With --from-journal: simulate nothing; make the very decisions again that were made live, "
            "from the tape (the key tape_mib of journal).",
        ),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the service's own controller over recorded demand, and score what it would have done.

    Guests are simulated: demand that finds no vCPU waits, utilisation ends at the vCPUs that there are, and a
    vCPU takes its time to come. Beside the policies run an optimum that knows the future and the usual rules.

    With --strict it is shown instead that this version decides as the one did that ran.

    Exit code 0: done, and no promise newly broken; 1: no demand or no policies to go by, or errors in them,
    or with --strict a decision came out otherwise; 2: the new policy breaks an SLA that the one given by
    --against kept; 130: interrupted. Options that are wrong or do not fit together also end with 2, with
    "Error:" as the last line of what is said, and without any result.
    """
    if strict:
        from autoscaler.cli.strict import run_strict  # noqa: PLC0415 - as below

        raise typer.Exit(run_strict(journal, output))
    with needs_extra("replay"):
        # What follows needs the extra, and the service is not to load it.
        from autoscaler.cli.demand import Sources  # noqa: PLC0415
        from autoscaler.cli.replaying import Asked, run_replay  # noqa: PLC0415
        from autoscaler.cli.world import World  # noqa: PLC0415

        asked = Asked(
            sources=Sources(
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
            ),
            policy=policy,
            against=against,
            world=World(
                lag_s=lag, missing=missing, refused=refused, stolen=stolen, host_vcpus=host_vcpus, seed=seed
            ),
            lags=lags,
            baselines=baselines,
            half=half,
            report=report,
            jobs=jobs,
            scheduler=scheduler,
        )
        try:
            raise typer.Exit(run_replay(asked, output))
        except KeyboardInterrupt:
            typer.echo("autoscaler replay: interrupted; nothing was written", err=True)
            raise typer.Exit(130) from None
