"""What comes again and again, counted by kind: told of the first time, and then ever more seldom.

Invariant: a flood writes a few lines into the log, however many kinds it comes in.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

_MOST_KINDS = 100
"""So many are counted each on its own, and all others together: one person may have thousands of uids."""


class Thinned:
    """The counts; any thread may add to them."""

    def __init__(self) -> None:
        self._counts: Counter[Hashable] = Counter()
        self._others = 0
        self._counting = threading.Lock()

    def count(self, kind: Hashable) -> int | None:
        """Count one more.

        Returns:
            How many there were so far, where that is to be told; None: it is not.
        """
        with self._counting:
            if kind in self._counts or len(self._counts) < _MOST_KINDS:
                self._counts[kind] += 1
                so_far = self._counts[kind]
            else:
                self._others += 1
                so_far = self._others
        return so_far if so_far & (so_far - 1) == 0 else None
