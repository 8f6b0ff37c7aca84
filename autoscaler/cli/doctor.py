"""The command `doctor`: says what keeps domains from being resized, and what to do about it."""

import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.cli.arguments import complete_domain
from autoscaler.cli.bundle import write_bundle
from autoscaler.cli.configured import DEFAULT_CONFIG
from autoscaler.cli.doctor_view import print_reports
from autoscaler.cli.examining import Examined, chosen_config, examined, policies_of
from autoscaler.cli.fixing import fix as mend
from autoscaler.cli.interruptible import interruptible
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.cli.uris import checked_uri
from autoscaler.core.named import virsh
from autoscaler.doctor.asking import Request
from autoscaler.doctor.exercise import exercised
from autoscaler.doctor.facts import DomainFacts
from autoscaler.doctor.finding import Severity, note, worst
from autoscaler.doctor.report import DomainReport
from autoscaler.policyfile.problem import printable
from autoscaler.service.clock import SystemClock
from autoscaler.service.settings import Config, Connection, LibvirtConnection


def doctor(  # noqa: PLR0913 - each is an option of the command
    domain: Annotated[
        str | None,
        typer.Argument(
            help="A domain's name or UUID, running or not; without, all that run.",
            autocompletion=complete_domain,
        ),
    ] = None,
    *,
    connect: Annotated[
        str | None,
        typer.Option(
            "-c", "--connect", metavar="URI", callback=checked_uri, help="Look at this libvirt connection."
        ),
    ] = None,
    qmp: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Look at the guests NAME/qmp.sock of this folder."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config.file",
            metavar="FILE",
            readable=False,  # reading it says more than typer does
            help=f"A configuration with connections and policies; {DEFAULT_CONFIG} where that is there.",
        ),
    ] = None,
    exercise: Annotated[
        bool,
        typer.Option("--exercise", help="Then add one vCPU to DOMAIN and take it back, each stage timed."),
    ] = False,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Then show what would mend DOMAIN's definition, and ask."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Let --fix apply it without asking.")] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Also write a support archive (tar.gz) without secrets."
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at hosts and domains, and tell what keeps them from being resized and what to do about it.

    Changes no domain but with --exercise and --fix; guests' agents are asked, which libvirt notes as a taint.
    Without a configuration and options, LIBVIRT_DEFAULT_URI or qemu:///system is looked at.

    Exit code 0: nothing worse than notes; 1: warnings or errors; 2: wrong usage, no such domain, or several
    of which one was to be changed; 130, 143: Ctrl-C or SIGTERM ended an exercise.
    """
    misused = _misused(domain, output, exercise=exercise, fix=fix, yes=yes)
    if misused:
        typer.echo(f"autoscaler doctor: {misused}", err=True)
        raise typer.Exit(2)
    config = chosen_config(config_file, connect, qmp)
    request = Request(
        domain=domain,
        policies=policies_of(config),
        limits=config.host,
        agent_timeout_s=config.agent_timeout_s,
        actuator=config.actuator,
    )
    looked_at = examined(config.connections, request)
    several = _several(domain, looked_at) if exercise or fix else ""
    if several:
        typer.echo(printable(f"autoscaler doctor: {several}"), err=True)
        raise typer.Exit(2)
    codes: list[int] = []
    if exercise:
        looked_at = [
            it.with_domains(partial(_exercised, it.connection, config=config, codes=codes))
            for it in looked_at
        ]
    reports = [it.report for it in looked_at]
    gravest = worst(sum((report.everything for report in reports), ()))
    answer = {"worst": gravest, "hosts": [asdict(report) for report in reports]}
    if output is Output.JSON:
        print_json(answer)
    else:
        print_reports(reports)
    if bundle is not None:
        own = connect is None and qmp is None
        _bundle(bundle, answer, config, (config_file or DEFAULT_CONFIG) if own else None)
    if domain is not None and not any(report.domains for report in reports):
        places = ", ".join(report.label for report in reports)
        looking = [
            f"`{virsh(it.uri, 'list', '--all')}`"
            for it in config.connections
            if isinstance(it, LibvirtConnection)
        ]
        see = f"; see {' and '.join(looking)}" if looking else ""
        typer.echo(printable(f"autoscaler doctor: no domain {domain!r} was found at {places}{see}"), err=True)
        raise typer.Exit(1 if any(report.is_down for report in reports) else 2)
    if any(codes):
        raise typer.Exit(max(codes))
    pairs = [pair for it in looked_at for pair in zip(it.domains, it.report.domains, strict=True)]
    went_well = [mend(*pair, yes=yes) for pair in pairs if fix]
    if not all(went_well):
        raise typer.Exit(1)
    raise typer.Exit(1 if gravest.rank > Severity.NOTE.rank else 0)


def _bundle(path: Path, answer: object, config: Config, config_file: Path | None) -> None:
    try:
        write_bundle(path, answer, config, config_file)
    except OSError as error:
        advice = "name another file" if isinstance(error, FileExistsError) else "see its folder"
        typer.echo(
            printable(f"autoscaler doctor: {path} was not written ({error.strerror}): {advice}"), err=True
        )
        raise typer.Exit(2) from None
    typer.echo(
        printable(
            f"autoscaler doctor: {path} has what was found, versions, configuration, policies, decisions, "
            "metrics and log, without secrets; its README.txt says more. Look it over before you hand it on."
        ),
        err=True,
    )


def _misused(domain: str | None, output: Output, *, exercise: bool, fix: bool, yes: bool) -> str:
    """What is wrong with these options together; empty: nothing."""
    if domain is None and (exercise or fix):
        option = "--exercise" if exercise else "--fix"
        return f"{option} changes a domain, so name it: DOMAIN {option}"
    if fix and exercise:
        return "give --exercise or --fix: one is about the domain that runs, the other about its next start"
    if fix and output is Output.JSON:
        return "--fix shows a difference to people; without it, `fix` in the JSON says what to do"
    return "--yes goes with --fix" if yes and not fix else ""


def _several(called: str | None, looked_at: list[Examined]) -> str:
    """Why what was found does not say which domain is to be changed; empty: it does."""
    found = [domain for it in looked_at for domain in it.domains]
    if len(found) <= 1:
        return ""
    uuids = [domain.uuid for domain in found]
    places = ", ".join(f"{domain.uuid or 'one without a UUID'} at {domain.host.label}" for domain in found)
    tells_apart = all(uuids) and len({*uuids}) == len(uuids)
    give = f"{'its UUID, or ' if tells_apart else ''}its connection by -c URI or --qmp FOLDER"
    return (
        f"{called!r} is {len(found)} domains, and only one is changed at a time: {places}. "
        f"Nothing was changed; to say which is meant, give {give}"
    )


def _exercised(
    connection: Connection, domain: DomainFacts, report: DomainReport, *, config: Config, codes: list[int]
) -> DomainReport:
    if domain.view is None or worst(report.findings) is Severity.ERROR or any(codes):
        why = "it does not run" if domain.view is None else "mend the errors above first"
        why = "an exercise before it was stopped" if any(codes) else why
        return report.and_also(note("exercise", "it was not exercised", why))
    finding, code = interruptible(
        lambda stop: exercised(
            connection, domain, clock=SystemClock(), wait=time.sleep, config=config, stop=stop
        )
    )
    codes.append(code)
    return report.and_also(finding)
