"""The command `bounds`: what the policies allow at most, for the process that changes guests."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.actuator.bounds import Charter, bounds_of
from autoscaler.actuator.bounds_file import written
from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.load import policy_files

_MODE = 0o644


class NotWritten(AutoscalerError):
    """The file could not be written; the one before is as it was."""


def bounds(
    config_file: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Write this file, whole or not at all; without it, print."
        ),
    ] = None,
) -> None:
    """Print what the policies allow at most, and the connections, for `autoscaler-actuator`.

    Exit code 0: printed or written; 1: the policies have errors, or the file could not be written, and what
    was there before is as it was; 2: the configuration has errors.
    """
    config = read_config(config_file, command="bounds")
    files, errors = policy_files(config.policies)
    loaded = load_policies(files)
    for problem in (*errors, *loaded.errors):
        typer.echo(f"{problem.place}: error: {problem.message}", err=True)
    if errors or loaded.errors or loaded.policy_set is None:
        raise typer.Exit(1)
    text = written(
        Charter(
            connections=config.connections,
            agent_timeout_s=config.agent_timeout_s,
            bounds=tuple(bounds_of(policy) for policy in loaded.policy_set.policies),
        )
    )
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


def _write(path: Path, text: str) -> None:
    """Put a file in the place of the one that is there, for everybody to read."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                os.fchmod(file.fileno(), _MODE)
            Path(name).replace(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise NotWritten(
            f"the bounds {path} cannot be written ({error.strerror}): run this as root"
        ) from error
