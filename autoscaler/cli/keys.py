"""Single keys from a terminal, without waiting for Enter; the terminal is given back as it was.

Invariant: however the block is left, also by Ctrl-C, the terminal echoes and reads lines again.
"""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMED = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[5~": "page-up",
    "\x1b[6~": "page-down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
}
_MOST_BYTES = 1024
_NAP_S = 0.5
"""A Ctrl-C that comes just before the process falls asleep is only seen when it wakes up."""


_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|.", re.DOTALL)
"""One key: what begins with an escape is one where it is a known form, else the escape is a key by itself."""


@contextmanager
def pressed_keys() -> Iterator[Callable[[float], str]]:
    """Within the block: a function that waits some seconds for a key, and returns its name or letter.

    An empty text means that none was pressed. Where standard input is no terminal none ever is.
    """
    if not sys.stdin.isatty():
        yield _none
        return
    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)
    try:
        tty.setcbreak(stream)
        yield _Keys(stream).next_within
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


def _none(wait_s: float) -> str:
    time.sleep(wait_s)
    return ""


class _Keys:
    """Keys one by one, though several may come at once, as when something is pasted."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()

    def next_within(self, wait_s: float) -> str:
        if not self._waiting:
            end_s = time.monotonic() + wait_s
            while not select.select((self._stream,), (), (), min(max(0.0, wait_s), _NAP_S))[0]:
                wait_s = end_s - time.monotonic()
                if wait_s <= 0:
                    return ""
            text = os.read(self._stream, _MOST_BYTES).decode(errors="replace")
            # A terminal that is gone has nothing more to say.
            self._waiting.extend(_KEY.findall(text) or ["q"])
        key = self._waiting.popleft()
        return _NAMED.get(key, key)
