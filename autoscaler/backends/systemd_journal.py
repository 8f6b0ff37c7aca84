"""Lines for systemd's journal, each with its priority at its start, so that what is grave is found there.

Invariant: where a stream is not the journal, what is written to it is as it was.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
"""By the level, those of syslog, as the journal reads them."""


def is_journal(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether a stream is the one that systemd connected to its journal."""
    try:
        found = os.fstat(stream.fileno()) if stream is not None else None
    except (OSError, ValueError):
        return False
    return found is not None and environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def graded(text: str, level: int, stream: TextIO | None) -> str:
    """What a command says to a stream: in the journal, each line has the priority of its level."""
    return _with_priority(text, level) if is_journal(stream, os.environ) else text


class WithPriority(logging.Formatter):
    """The lines of another formatter, each with the priority of its record: ``<4>``."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        return _with_priority(self._lines.format(record), record.levelno)


def _with_priority(text: str, level: int) -> str:
    priority = next((priority for grave, priority in _PRIORITIES.items() if level >= grave), 7)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))
