"""The command `bounds`: what the policies allow at most, for the process that changes guests."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from autoscaler.actuator.bounds import Charter, bounds_of
from autoscaler.actuator.bounds_file import written
from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config, told
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.load import fingerprint
from autoscaler.service.config import load_config
from autoscaler.service.policy_watch import PolicyWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Write it again whenever the configuration or the policies change, until Ctrl-C."
        ),
    ] = False,
) -> None:
    """Print what the policies allow at most, and the connections, for `autoscaler-actuator`.

    Exit code 0: printed or written; 1: the policies have errors, or the file could not be written, and what
    was there before is as it was; 2: the configuration has errors, or wrong usage. With --follow, what has
    errors is told, and awaited until it is mended.
    """
    if follow:
        if output is None:
            typer.echo(
                "autoscaler bounds: --follow writes a file again and again: add --output FILE", err=True
            )
            raise typer.Exit(2)
        _follow(config_file, output)
    text = _text(config_file)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


def _follow(config_file: Path, output: Path) -> NoReturn:
    while True:
        paths = _read_from(config_file)
        # Before they are read: what is edited meanwhile is another than this.
        seen = fingerprint(paths)
        if _read_from(config_file) != paths:
            continue
        with suppress(typer.Exit):
            _write(output, _text(config_file))
        _await_change(paths, seen)


def _read_from(config_file: Path) -> Sequence[Path]:
    """All that the bounds are made from; while the configuration has errors, itself alone."""
    config = load_config(config_file).config
    return (config_file, *(() if config is None else config.policies))


def _await_change(paths: Sequence[Path], seen: str) -> None:
    changed = threading.Event()
    watch = PolicyWatch(paths, seen=lambda: seen, changed=changed.set)
    watch.start()
    try:
        changed.wait()
    finally:
        watch.close()


def _text(config_file: Path) -> str:
    config = read_config(config_file, command="bounds")
    loaded = load_policies(config.policies)
    for problem in loaded.errors:
        typer.echo(told(problem, logging.ERROR, sys.stderr), err=True)
    if loaded.policy_set is None:
        raise typer.Exit(1)
    return written(
        Charter(
            connections=config.connections,
            agent_timeout_s=config.agent_timeout_s,
            bounds=tuple(bounds_of(policy) for policy in loaded.policy_set.policies),
        )
    )


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
