"""Reads a file that should hold UTF-8 text, from a disk that may hold anything under that name.

Invariant: reading ends. Whatever the path leads to, at most `MAX_BYTES` + 1 are read and no open ever waits.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 20
"""More than any policy set needs, and little enough to be parsed in about a second."""

_BOM = "\ufeff"
_NOT_TEXT = re.compile(
    r"\r(?!\n)|[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What YAML allows nowhere, and the line breaks that YAML counts and editors do not."""
_TAB_INDENT = re.compile(r"^ *\t[ \t]*(?=[^ \t\r\n#])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's bytes, its text, and what is wrong with them before YAML comes in."""

    name: str
    content: bytes
    text: str | None
    """None: something is wrong that no parser should see."""
    problems: tuple[Problem, ...]


def read_text_file(path: Path) -> TextFile:
    """Read a whole file, or say why it cannot be."""
    name = str(path)
    try:
        content = read_bytes(path)
    except (OSError, ValueError) as error:
        reason = unreadable_because(error)
        if isinstance(error, PermissionError):
            reason += f"; `namei -l {shlex.quote(name)}` shows who may, this was user {os.geteuid()}"
        return _unreadable(name, b"", f"the file cannot be read: {reason}")
    if len(content) > MAX_BYTES:
        return _unreadable(name, content, f"the file has over {MAX_BYTES} bytes; split it into several")
    return decode(name, content)


def decode(name: str, content: bytes) -> TextFile:
    """Turn a file's bytes into text that a YAML parser can take as it stands."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        message = f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return TextFile(name, content, None, (_at(name, before, len(before), message),))
    problems: list[Problem] = []
    if text.startswith(_BOM):
        text = text.removeprefix(_BOM)
        problems.append(
            Problem(name, 1, 1, "the file starts with a byte order mark; save it as UTF-8 without BOM")
        )
    if found := _NOT_TEXT.search(text):
        message = f"the character U+{ord(found.group()):04X} is not allowed; remove it"
        problems.append(_at(name, text, found.start(), message))
        return TextFile(name, content, None, tuple(problems))
    tabs = [_at(name, text, found.end() - 1, _TAB_MESSAGE) for found in _TAB_INDENT.finditer(text)]
    return TextFile(name, content, None if tabs else text, (*problems, *tabs))


_TAB_MESSAGE = "a tab cannot indent in YAML; use spaces"


def read_bytes(path: Path) -> bytes:
    """The first `MAX_BYTES` + 1 of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file with bytes in it.
    """
    # Without O_NONBLOCK, a FIFO under this name would hold the service for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        return file.read(MAX_BYTES + 1)


def unreadable_because(error: Exception) -> str:
    """Why `read_bytes` failed, as the end of a sentence."""
    return getattr(error, "strerror", None) or str(error)


def _unreadable(name: str, content: bytes, message: str) -> TextFile:
    return TextFile(name, content, None, (Problem(name, 1, 1, message),))


def _at(name: str, text: str, offset: int, message: str) -> Problem:
    start = text.rfind("\n", 0, offset) + 1
    return Problem(name, text.count("\n", 0, offset) + 1, offset - start + 1, message)
