"""The service's log: a line for each message, in one of three forms, whatever names and errors hold.

Invariant: a message is one line, and nothing in it steers a terminal, ends the line or passes for a key; of
an error's traceback, which takes lines of its own in the form for people, each is indented. The keys of
`logfmt` and `json` are ``time``, ``level``, ``message``, ``domain`` where it is about one, and ``error``
where there was a traceback.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from autoscaler.backends.systemd_journal import WithPriority, is_journal
from autoscaler.core.printable import printable
from autoscaler.service.settings import LogFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.service.settings import LogLevel

_BARE = re.compile(r"[\w.:@/+-]+", re.ASCII)
"""What needs no quotes as a value of logfmt."""


def begin_logging(
    level: LogLevel, form: LogFormat, *, stream: TextIO, environment: Mapping[str, str]
) -> None:
    """Write to this stream from now on; where it is systemd's journal, each line begins with its priority."""
    lines = logging.StreamHandler(stream)
    formatter = _FORMS[form]()
    lines.setFormatter(WithPriority(formatter) if is_journal(stream, environment) else formatter)
    logging.basicConfig(level=level.upper(), handlers=[lines])


class TextLines(logging.Formatter):
    """For people: level and message, then the lines of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        lines = [f"{record.levelname} {record.getMessage()}", *(f"    {line}" for line in _traceback(record))]
        return "\n".join(map(printable, lines))


class LogfmtLines(logging.Formatter):
    """For programs: ``key=value``, in quotes as in JSON where it is not plain."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return " ".join(
            f"{key}={value if _BARE.fullmatch(value) else _quoted(value)}"
            for key, value in _keys_of(record).items()
        )


class JsonLines(logging.Formatter):
    """For programs: one JSON object, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return _quoted(_keys_of(record))


_FORMS = {LogFormat.TEXT: TextLines, LogFormat.LOGFMT: LogfmtLines, LogFormat.JSON: JsonLines}


def _keys_of(record: logging.LogRecord) -> dict[str, str]:
    at = datetime.fromtimestamp(record.created, UTC)
    domain = getattr(record, "domain", None)
    error = "\n".join(_traceback(record))
    return {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        "level": record.levelname.lower(),
        "message": record.getMessage(),
        **({} if domain is None else {"domain": str(domain)}),
        **({"error": error} if error else {}),
    }


def _quoted(value: object) -> str:
    """As JSON, in printable ASCII: JSON itself leaves one control character as it is."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    return logging.Formatter().formatException(record.exc_info).splitlines()
