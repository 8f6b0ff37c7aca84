"""Makes a polite kill an exception, so that whatever a ``with`` block started is also ended then."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""Of a service that is stopped, and of a terminal that is closed."""


@contextmanager
def exit_when_told() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise SystemExit, as Ctrl-C raises KeyboardInterrupt.

    A signal that is ignored, as nohup has it, stays so. Main thread only.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handling in before.items():
        if handling is not signal.SIG_IGN:
            signal.signal(number, lambda told, _frame: sys.exit(128 + told))
    try:
        yield
    finally:
        for number, handling in before.items():
            signal.signal(number, handling)
