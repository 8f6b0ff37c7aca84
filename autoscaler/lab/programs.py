"""Runs the host's programs for the lab: with a deadline, in the C locale, never through a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from autoscaler.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find(*names: str) -> str | None:
    """Return the path of the first of these programs on the host; an ordinary user's PATH lacks sbin."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def run(
    command: Sequence[str], *, timeout_s: float = 60.0, folder: Path | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` in `folder` and return what came of it, whatever its exit code.

    Raises:
        LabError: the program is not on this host, or did not end within `timeout_s`.
    """
    program = find(command[0])
    if program is None:
        raise LabError(f"{command[0]} is not on this host: install the package that has it.")
    try:
        return subprocess.run(  # noqa: S603 - a list of words made by the lab, no shell
            [program, *command[1:]],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=folder,
            timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{command[0]} did not end within {timeout_s:.0f} s.") from error
