"""The command `demo`: the whole loop on a real guest, in a few minutes, leaving nothing behind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoscaler.cli.demo_view import LiveView, PlainView
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.lab.demo import run_demo
from autoscaler.lab.demo_story import Backend
from autoscaler.lab.errors import NotPossibleHere
from autoscaler.lab.stopping import exit_when_told
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.lab.demo_story import Move, Report

_STAGES = ("accepted", "present", "online", "relieved")


def demo(
    *,
    backend: Annotated[
        Backend, typer.Option(help="Talk to QEMU by libvirt, or by raw QMP.")
    ] = Backend.LIBVIRT,
    keep: Annotated[bool, typer.Option("--keep", help="Go on until Ctrl-C.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Boot a small guest, load it, and watch the service add vCPUs and take them back.

    Nothing of yours is touched: the guest, the service and their files are the demo's own and end with it.
    With --output json one object is printed at the end, and progress goes to standard error. Exit code 0
    where the guest got what it needed and gave it back; 2 where this host lacks something.
    """
    as_json = output is Output.JSON
    console = Console(stderr=as_json)
    live = not as_json and sys.stdout.isatty()
    reports: list[Report] = []
    try:
        with exit_when_told(), (LiveView if live else PlainView)(console) as view:
            run_demo(backend, view, done=reports.append, keep=keep)
    except NotPossibleHere as error:
        typer.echo(f"autoscaler: {printable(str(error))}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        if not reports:
            raise typer.Exit(130) from None
    report = reports[0]
    if as_json:
        print_json(_plain(report))
    else:
        summarise(report, console)
    raise typer.Exit(0 if report.ok else 1)


def _plain(report: Report) -> dict[str, object]:
    return {
        "backend": report.backend,
        "accel": report.accel,
        "qemu_version": report.versions.qemu,
        "libvirt_version": report.versions.libvirt,
        "agent_version": report.versions.agent,
        "moves": [
            {
                "at_s": round(move.at_s, 3),
                "from": move.from_vcpus,
                "to": move.to_vcpus,
                "reason": move.reason,
                "stages": {
                    f"{stage}_s": round(move.stages_s[stage], 3) if stage in move.stages_s else None
                    for stage in _STAGES
                },
            }
            for move in report.moves
        ],
        "plugged_max": report.plugged_max,
        "online_max": report.online_max,
        "online_end": report.online_end,
        "metrics_samples": report.metrics_samples,
        "ok": report.ok,
    }


def summarise(report: Report, console: Console) -> None:
    """Print what the demonstration showed, and what to do next."""
    console.print()
    if report.moves:
        _tell_moves(report.moves, console)
    else:
        console.print("The service did not change the guest.")
    versions = report.versions
    libvirt = "" if versions.libvirt is None else f", libvirt {versions.libvirt}"
    sizes = f"vCPUs online: {report.online_max} at most, {report.online_end} at the end; "
    sizes += f"plugged: {report.plugged_max}, each kept for the next growth."
    for line in (
        "",
        f"QEMU {versions.qemu} ({report.accel}){libvirt}, guest agent {versions.agent}",
        sizes,
        f"Metrics were at {report.metrics_url}: {report.metrics_samples} samples in the last scrape.",
        "",
        "What next: the policy that ran is policies/demo.yaml, and policies/README.md explains each key;",
        f"`{sys.argv[0]} lab up web-1` boots a guest to play with,",
        f"`{sys.argv[0]} run --help` tells of the service.",
    ):
        console.print(Text(line), soft_wrap=True)
    if not report.ok:
        why = report.held_back or "see the lines above"
        console.print(Text(f"It did not go as it should: {why}.", style="bold red"), soft_wrap=True)
        console.print("Other work on this host can be the cause: try again when it idles.")


def _tell_moves(moves: Iterable[Move], console: Console) -> None:
    table = Table(title="What the service did", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("at", "vCPUs", "why", *_STAGES):
        table.add_column(heading)
    for move in moves:
        stages = (f"{move.stages_s[stage]:.2f} s" if stage in move.stages_s else "-" for stage in _STAGES)
        change = f"{move.from_vcpus} -> {move.to_vcpus}"
        table.add_row(f"{move.at_s:.1f} s", change, SENTENCES[Reason(move.reason)], *stages)
    console.print(table)
    for line in (
        "",
        "Seconds from the request. accepted: the hypervisor, or for vCPUs kept plugged the agent, took it;",
        "present: the guest's kernel lists the vCPUs; online: it runs them; relieved: the load fits.",
    ):
        console.print(Text(line), soft_wrap=True)
