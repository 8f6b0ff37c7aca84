"""A message of the log is a line with the same keys, whatever hostile names and errors it holds."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from autoscaler.backends.systemd_journal import WithPriority, is_journal
from autoscaler.service.log_lines import (
    JsonLines,
    LogfmtLines,
    TextLines,
    begin_logging,
)
from autoscaler.service.settings import LogFormat, LogLevel

HOSTILE = 'web\n<0>ERROR all is lost\x1b[2J\x7f\u2028" level=error\r\u202e'
FORMATS = (TextLines(), LogfmtLines(), JsonLines())


def record(message: str, *, level: int = logging.WARNING, domain: str | None = None) -> logging.LogRecord:
    made = logging.LogRecord("autoscaler", level, __file__, 1, "%s", (message,), None)
    made.created = 1_800_000_000.0625
    if domain is not None:
        made.domain = domain
    return made


def with_error(message: str) -> logging.LogRecord:
    made = record("it broke", level=logging.ERROR)
    try:
        raise ValueError(message)  # noqa: TRY301 - it is caught for its traceback
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_each_format_has_its_form() -> None:
    told = record("web-1: no agent", domain="web-1")
    text, logfmt, plain = (lines.format(told) for lines in FORMATS)
    assert text == "WARNING web-1: no agent"
    assert logfmt == 'time=2027-01-15T08:00:00.062Z level=warning message="web-1: no agent" domain=web-1'
    assert list(json.loads(plain).items()) == [
        ("time", "2027-01-15T08:00:00.062Z"),
        ("level", "warning"),
        ("message", "web-1: no agent"),
        ("domain", "web-1"),
    ]


@pytest.mark.parametrize("lines", FORMATS)
def test_a_hostile_name_ends_no_line_and_steers_no_terminal(lines: logging.Formatter) -> None:
    line = lines.format(record(HOSTILE, domain=HOSTILE))
    assert line.isprintable()
    assert not line.startswith("<")


def test_a_hostile_name_passes_for_no_key() -> None:
    line = LogfmtLines().format(record(HOSTILE, domain=HOSTILE))
    decoder, found = json.JSONDecoder(), {}
    while line:  # as who reads logfmt does
        key, _, line = line.partition("=")
        if line.startswith('"'):
            found[key], end = decoder.raw_decode(line)
            line = line[end + 1 :]
        else:
            found[key], _, line = line.partition(" ")
    assert list(found) == ["time", "level", "message", "domain"]
    assert (found["level"], found["message"], found["domain"]) == ("warning", HOSTILE, HOSTILE)
    assert json.loads(JsonLines().format(record(HOSTILE)))["message"] == HOSTILE


def test_the_traceback_of_an_error_passes_for_no_message() -> None:
    lines = TextLines().format(with_error(HOSTILE)).split("\n")
    assert lines[0] == "ERROR it broke"
    assert all(line.startswith("    ") and line.isprintable() for line in lines[1:])
    for one_line in (LogfmtLines(), JsonLines()):
        assert one_line.format(with_error(HOSTILE)).isprintable()
    error = json.loads(JsonLines().format(with_error("a cause")))["error"]
    assert error.endswith("ValueError: a cause")


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
        (5, 7),
    ],
)
def test_each_line_for_systemds_journal_begins_with_its_priority(level: int, priority: int) -> None:
    assert WithPriority(TextLines()).format(record("a", level=level)).startswith(f"<{priority}>")
    lines = WithPriority(TextLines()).format(with_error(HOSTILE)).split("\n")
    assert all(line.startswith("<3>") for line in lines)


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w+") as file:
        yield file


def test_a_stream_is_systemds_journal_where_its_device_and_inode_are_named(stream: TextIO) -> None:
    found = os.fstat(stream.fileno())
    assert is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    assert not is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
    assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_logging_begins_in_the_form_and_from_the_level_that_are_configured(
    stream: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "root", root := logging.RootLogger(logging.WARNING))
    found = os.fstat(stream.fileno())
    environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    begin_logging(LogLevel.WARNING, LogFormat.JSON, stream=stream, environment=environment)
    root.warning("a")
    root.info("b")
    stream.seek(0)
    (line,) = stream.read().splitlines()
    assert line.startswith("<4>")
    assert json.loads(line.removeprefix("<4>"))["message"] == "a"
