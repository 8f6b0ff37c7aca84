"""The command `run`: the service in the foreground, until it is told to stop."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.policyfile.problem import printable
from autoscaler.service.config import Config, load_config
from autoscaler.service.daemon import Service


def run(
    config_file: Annotated[
        Path, typer.Option("--config.file", metavar="FILE", help="The service's configuration.")
    ] = Path("/etc/vcpu-autoscaler/config.yaml"),
) -> None:
    """Run the service: watch the guests, hold their policies, serve metrics.

    SIGHUP reads the policies again; SIGTERM and SIGINT stop it and leave every guest as it is. Exit code 2
    where the configuration has errors, 1 where the service cannot start.
    """
    config = _config(config_file)
    log = logging.StreamHandler()
    log.setFormatter(_OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=config.log_level.upper(), handlers=[log])
    service = Service(config)
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()


class _OneLine(logging.Formatter):
    """Keeps a message on its line, and from steering a terminal: parts of it come from guests and files."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class calls it so
        """Return the line, without a traceback that may follow it."""
        return printable(super().formatMessage(record))


def _config(path: Path) -> Config:
    if not path.exists():
        typer.echo(
            f"autoscaler run: there is no configuration {printable(str(path))}: write one with the keys "
            "'connections' and 'policies', or name another by --config.file FILE",
            err=True,
        )
        raise typer.Exit(2)
    loaded = load_config(path)
    for problem in loaded.warnings:
        typer.echo(f"{problem.place}: warning: {problem.message}", err=True)
    for problem in loaded.errors:
        typer.echo(f"{problem.place}: error: {problem.message}", err=True)
    if loaded.config is None:
        raise typer.Exit(2)
    return loaded.config
