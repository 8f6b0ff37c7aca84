"""The command `doctor`: says what keeps domains from being resized, and what to do about it."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.cli.arguments import complete_domain
from autoscaler.cli.configured import DEFAULT_CONFIG, is_missing, read_config
from autoscaler.cli.doctor_view import print_reports
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.core.named import virsh
from autoscaler.core.policy import PolicySet
from autoscaler.doctor.asking import Request
from autoscaler.doctor.exercise import exercised
from autoscaler.doctor.facts import DomainFacts, HostFacts, Way
from autoscaler.doctor.finding import Severity, note, worst
from autoscaler.doctor.gather_qmp import gather_qmp
from autoscaler.doctor.report import DomainReport, HostReport, report_of
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.load import policy_files
from autoscaler.policyfile.problem import printable
from autoscaler.ports import BackendUnavailable
from autoscaler.service.clock import SystemClock
from autoscaler.service.settings import Config, Connection, LibvirtConnection, QmpFolderConnection

_FALLBACK = "qemu:///system"


def doctor(
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
        typer.Option("-c", "--connect", metavar="URI", help="Look at this libvirt connection."),
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
            help=f"A configuration with connections and policies; {DEFAULT_CONFIG} where that is there.",
        ),
    ] = None,
    exercise: Annotated[
        bool,
        typer.Option("--exercise", help="Then add one vCPU to DOMAIN and take it back, each stage timed."),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at hosts and domains, and tell what keeps them from being resized and what to do about it.

    Changes no domain but with --exercise; guests' agents are asked, which libvirt notes as a taint. Without a
    configuration and options, LIBVIRT_DEFAULT_URI or qemu:///system is looked at.

    Exit code 0: nothing worse than notes; 1: warnings or errors; 2: wrong usage, or no such domain.
    """
    if exercise and domain is None:
        typer.echo("autoscaler doctor: --exercise changes a domain, so name it: DOMAIN --exercise", err=True)
        raise typer.Exit(2)
    config = _config(config_file, connect, qmp)
    request = Request(
        domain=domain,
        policies=_policies(config) if config.policies else None,
        limits=config.host,
        agent_timeout_s=config.agent_timeout_s,
    )
    reports = [_examine(connection, request, config, exercise=exercise) for connection in config.connections]
    gravest = worst(sum((report.everything for report in reports), ()))
    if output is Output.JSON:
        print_json({"worst": gravest, "hosts": [asdict(report) for report in reports]})
    else:
        print_reports(reports)
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
    raise typer.Exit(1 if gravest.rank > Severity.NOTE.rank else 0)


def _config(file: Path | None, uri: str | None, folder: Path | None) -> Config:
    """What to look at; a connection that was named is looked at without policies."""
    if file is not None and (uri is not None or folder is not None):
        typer.echo("autoscaler doctor: give --config.file, or a connection by -c or --qmp", err=True)
        raise typer.Exit(2)
    named: list[Connection] = []
    if uri is not None:
        named.append(LibvirtConnection(uri))
    if folder is not None:
        named.append(QmpFolderConnection(folder.absolute()))
    if named:
        return Config(connections=tuple(named), policies=())
    if file is not None or not is_missing(DEFAULT_CONFIG):
        return read_config(file or DEFAULT_CONFIG, command="doctor")
    fallback = LibvirtConnection(os.environ.get("LIBVIRT_DEFAULT_URI") or _FALLBACK)
    return Config(connections=(fallback,), policies=())


def _policies(config: Config) -> PolicySet | None:
    files, errors = policy_files(config.policies)
    loaded = load_policies(files)
    if errors or loaded.policy_set is None:
        typer.echo(
            "autoscaler doctor: the policies have errors, so domains are looked at without them; see "
            "`autoscaler check`",
            err=True,
        )
        return None
    return loaded.policy_set


def _examine(connection: Connection, request: Request, config: Config, *, exercise: bool) -> HostReport:
    host, domains = _gather(connection, request)
    report = report_of(host, domains)
    if not exercise:
        return report
    pairs = zip(domains, report.domains, strict=True)
    return replace(report, domains=tuple(_exercised(connection, *pair, config) for pair in pairs))


def _gather(connection: Connection, request: Request) -> tuple[HostFacts, Sequence[DomainFacts]]:
    clock = SystemClock()
    if not isinstance(connection, LibvirtConnection):
        return gather_qmp(connection, request, clock)
    try:
        # Imported late: a host that only runs bare QEMU needs no libvirt.
        from autoscaler.doctor.gather_libvirt import gather_libvirt  # noqa: PLC0415
    except BackendUnavailable as error:
        return HostFacts(label=connection.label, way=Way.LIBVIRT, trouble=str(error)), ()
    return gather_libvirt(connection, request, clock)


def _exercised(
    connection: Connection, domain: DomainFacts, report: DomainReport, config: Config
) -> DomainReport:
    if domain.view is None or worst(report.findings) is Severity.ERROR:
        why = "it does not run" if domain.view is None else "mend the errors above first"
        return report.and_also(note("exercise", "it was not exercised", why))
    return report.and_also(exercised(connection, domain, clock=SystemClock(), wait=time.sleep, config=config))
