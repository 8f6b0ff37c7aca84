"""The command `autoscaler`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler import __version__
from autoscaler.backends.systemd_journal import graded
from autoscaler.cli.advise import advise
from autoscaler.cli.audit import audit_app
from autoscaler.cli.bounds import bounds
from autoscaler.cli.check import check
from autoscaler.cli.config import config_app
from autoscaler.cli.demo import demo
from autoscaler.cli.doctor import doctor
from autoscaler.cli.explain import explain
from autoscaler.cli.lab import lab_app
from autoscaler.cli.orders import pause, resume, set_vcpus
from autoscaler.cli.output import say_when_output_is_lost
from autoscaler.cli.plan import plan
from autoscaler.cli.queries import events, list_domains, show, status
from autoscaler.cli.readable import ReadableCommand
from autoscaler.cli.reload import reload
from autoscaler.cli.replay import replay
from autoscaler.cli.rules import rules
from autoscaler.cli.run import run
from autoscaler.cli.schema import schema
from autoscaler.cli.slo import slo
from autoscaler.cli.top import top
from autoscaler.cli.usage import usage
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    help="Give running KVM guests the vCPUs that their load needs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(name: str, command: Callable[..., None], short_help: str, *examples: str) -> None:
    """Add a command: a line for the list of commands, and examples for the end of its own help."""
    lines = ("Examples:", *(f"  autoscaler {example}" for example in examples))
    # The mark in front keeps the lines as they are.
    epilog = "\b\n" + "\n".join(lines)
    app.command(name, cls=ReadableCommand, short_help=short_help, epilog=epilog)(command)


_add("run", run, "Run the service.", "run", "run --config.file ./config.yaml")
_add("reload", reload, "Read the policies again.", "reload", "reload --config.file ./config.yaml")
_add(
    *(
        "pause",
        pause,
        "Begin no change any more.",
        "pause web-1",
        "pause web-1 --for 2h",
        "pause --all --for 30m",
    )
)
_add("resume", resume, "End a pause or a held count.", "resume web-1", "resume --all")
_add(*("set", set_vcpus, "Bring a domain to a count and hold it.", "set web-1 4", "set web-1 4 --hold 8h"))
_add(
    "check",
    check,
    "Find errors in policies and configurations.",
    "check",
    "check -c qemu:///system",
    "check --config.file /etc/vcpu-autoscaler/config.yaml",
)
_add(
    *(
        "schema",
        schema,
        "Print JSON Schemas of policies and of answers.",
        "schema > policies/schema.json",
        "schema list",
    )
)
_add(
    *(
        "doctor",
        doctor,
        "Say what keeps domains from being resized.",
        "doctor",
        "doctor web-1 -c qemu:///system",
        "doctor web-1 --exercise",
    )
)
_add("status", status, "Say whether the service is well.", "status", "status --output json")
_add("list", list_domains, "List the governed domains.", "list", "list --server http://127.0.0.1:9753")
_add("show", show, "Show all that is known of one domain.", "show web-1", "show web-1 --output json")
_add("explain", explain, "Tell why a domain has its size.", "explain web-1", "explain web-1 --at '02:15'")
_add("slo", slo, "Show the service levels and their error budgets.", "slo", "slo web-1 --output json")
_add(
    "plan", plan, "Show what edited policies would change.", "plan ./policies", "plan web.yaml --output json"
)
_add("top", top, "Watch all domains on one screen.", "top", "top --sort budget --filter web-")
_add(
    *(
        "usage",
        usage,
        "Print vCPU-hours by domain and day.",
        "usage web-1 --from 2026-03-01 --to 2026-03-31",
        "usage --output csv",
    )
)
_add("events", events, "Print what was decided, and why.", "events web-1 --limit 50", "events --follow")
_add(
    *(
        "replay",
        replay,
        "Try policies on recorded demand.",
        "replay traces/ --report ./report",
        "replay demand.csv --policy new.yaml --against old.yaml",
        "replay --from-prometheus http://127.0.0.1:9090 --since 14d --policy new.yaml",
        "replay --generate diurnal --domains 20 --days 7 --lags 10,30,60,300",
    )
)
_add(
    *(
        "advise",
        advise,
        "Propose policies from recorded demand.",
        "advise demand.csv",
        "advise traces/ --policy current.yaml --yaml proposed.yaml",
    )
)
_add(
    "rules",
    rules,
    "Print Prometheus rules for the policies.",
    "rules >rules.new && mv rules.new vcpu-autoscaler.rules.yaml",
    "rules ./policies --runbooks https://wiki.example.net/vcpus",
)
_add(
    "bounds",
    bounds,
    "Print what the actuator may do.",
    "bounds",
    "bounds --output /run/vcpu-autoscaler-bounds/bounds.json",
)
_add("demo", demo, "Watch it work on a real guest.", "demo", "demo --backend qmp --keep")
app.add_typer(audit_app, name="audit")
app.add_typer(config_app, name="config")
app.add_typer(lab_app, name="lab")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"autoscaler {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; an error that has a sentence is printed as that, without a traceback."""
    say_when_output_is_lost()
    try:
        try:
            app()
        finally:
            # What is only lost now counts as well.
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(1)
    except AutoscalerError as error:
        typer.echo(graded(f"autoscaler: {printable(str(error))}", logging.ERROR, sys.stderr), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
