"""The parts of the program that need more than the service: a command says which, instead of a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTRAS = {"numpy": "replay", "matplotlib": "replay", "pyarrow": "parquet", "distributed": "dask"}
"""By module, what installs it."""


@contextmanager
def needs_extra(command: str) -> Iterator[None]:
    """Within the block, a module of an extra that is not there ends the command with what installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        typer.echo(
            f"autoscaler {command}: this needs {module}: pip install 'vcpu-autoscaler[{_EXTRAS[module]}]'",
            err=True,
        )
        raise typer.Exit(1) from error
