"""Cleans up after a process that is killed and cannot do so itself.

A second process waits at the end of a pipe, which ends with the first however that ends. Invariant: it
touches only the one folder that it was given and processes whose command line names a file below it; after a
clean end the folder is gone, and it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab import process

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKS = 5
_PACE_S = 0.2
"""Between two looks: a guest may have been about to start."""


@contextlib.contextmanager
def cleaned_up_after(folder: Path) -> Iterator[None]:
    """Have `folder`, which the block removes at its end, go with all that runs from it, whatever happens."""
    # Away from the terminal, whose Ctrl-C and closing are meant for the block.
    command = [sys.executable, "-m", __name__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - this module
        yield


def clean_up(folder: Path) -> None:
    """End all that runs from `folder`, and remove it."""
    for _ in range(_LOOKS):
        process.kill_all(os.fsencode(folder) + b"/")
        time.sleep(_PACE_S)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    if Path(sys.argv[1]).exists():
        clean_up(Path(sys.argv[1]))
