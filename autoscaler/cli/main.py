"""The command `autoscaler`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from autoscaler import __version__
from autoscaler.cli.check import check
from autoscaler.cli.demo import demo
from autoscaler.cli.lab import lab_app
from autoscaler.cli.queries import events, list_domains, show, status
from autoscaler.cli.run import run
from autoscaler.policyfile.problem import printable
from autoscaler.ports import AutoscalerError

app = typer.Typer(
    help="Hold the SLA of running KVM guests with the fewest vCPUs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(check)
app.command()(status)
app.command("list")(list_domains)
app.command()(show)
app.command()(events)
app.command()(demo)
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
    try:
        app()
    except AutoscalerError as error:
        typer.echo(f"autoscaler: {printable(str(error))}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
