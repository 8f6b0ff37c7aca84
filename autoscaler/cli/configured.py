"""The service's configuration, for the commands that run the service or give it orders."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from autoscaler.backends.systemd_journal import graded
from autoscaler.policyfile.problem import printable
from autoscaler.service.config import load_config

if TYPE_CHECKING:
    from autoscaler.policyfile.problem import Problem
    from autoscaler.service.config import Config, LoadedConfig

DEFAULT_CONFIG = Path("/etc/vcpu-autoscaler/config.yaml")

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config.file",
        metavar="FILE",
        help="The service's configuration.",
        readable=False,  # reading it says more than typer does
    ),
]
SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        help="The service's control socket, the only way to give it orders and on its own host only; without "
        "it, the one in the configured state directory.",
    ),
]


def read_config(path: Path, *, command: str) -> Config:
    """The configuration; what is wrong with it is printed and ends the command with exit code 2."""
    config = loaded_config(path, command=command).config
    assert config is not None
    return config


def loaded_config(path: Path, *, command: str) -> LoadedConfig:
    """The configuration with where it comes from, without an error; see `read_config`."""
    if is_missing(path):
        typer.echo(
            graded(
                f"autoscaler {command}: there is no configuration {printable(str(path))}: write one with the "
                "keys 'connections' and 'policies', or name another by --config.file FILE",
                logging.ERROR,
                sys.stderr,
            ),
            err=True,
        )
        raise typer.Exit(2)
    loaded = load_config(path)
    for problem in loaded.warnings:
        typer.echo(told(problem, logging.WARNING, sys.stderr), err=True)
    for problem in loaded.errors:
        typer.echo(told(problem, logging.ERROR, sys.stderr), err=True)
    if loaded.config is None:
        raise typer.Exit(2)
    return loaded


def told(problem: Problem, level: int, stream: TextIO | None) -> str:
    """A problem of a file as a line for people, fit for the journal where a unit runs the command."""
    severity = logging.getLevelName(level).lower()
    return graded(f"{problem.place}: {severity}: {problem.message}", level, stream)


def control_socket(config_file: Path, socket: Path | None, *, command: str) -> Path:
    """Where the service takes orders: the socket that was named, or the configured one."""
    return socket or read_config(config_file, command=command).control_socket


def is_missing(path: Path) -> bool:
    """Whether there is surely nothing."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        # It may be there; reading it will say why it cannot be read.
        return False
    return False
