"""Who listens, and what each is told: one event, made once, for all that listen to the same thing.

Invariants: there are at most `MOST` listeners; what waits for one of them is bounded, and one that does not
read is let go, its connection cut, while the others are told at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MOST = 200
_MOST_TOPICS = 32
"""Each is made anew at every look, so that there are fewer of them than of listeners."""
_MOST_WAITING = 8
"""Events that may wait for one listener to read."""


class Listener:
    """One browser's connection."""

    def __init__(self, cut: Callable[[], None]) -> None:
        """`cut` ends its connection at once, whatever is still to be sent."""
        self.cut = cut
        self.waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def events(self) -> AsyncIterator[bytes]:
        """What it is told, until it is let go."""
        while (event := await self.waiting.get()) is not None:
            yield event


class Listeners:
    """All of them, by what they listen to; used on the event loop's thread."""

    def __init__(self) -> None:
        self._by_topic: dict[str, set[Listener]] = {}

    @property
    def topics(self) -> list[str]:
        """What anybody listens to."""
        return list(self._by_topic)

    def __len__(self) -> int:
        return sum(map(len, self._by_topic.values()))

    def join(self, topic: str, cut: Callable[[], None]) -> Listener | None:
        """A new listener; None: there are enough."""
        if len(self) >= MOST or (topic not in self._by_topic and len(self._by_topic) >= _MOST_TOPICS):
            return None
        listener = Listener(cut)
        self._by_topic.setdefault(topic, set()).add(listener)
        return listener

    def leave(self, topic: str, listener: Listener) -> None:
        """It listens no more."""
        those = self._by_topic.get(topic, set())
        those.discard(listener)
        if not those:
            self._by_topic.pop(topic, None)

    def tell(self, topic: str, event: bytes) -> None:
        """Tell everyone who listens to this; waits for nobody."""
        for listener in list(self._by_topic.get(topic, ())):
            if listener.waiting.qsize() < _MOST_WAITING:
                listener.waiting.put_nowait(event)
            else:
                self.leave(topic, listener)
                listener.cut()
                self._release(listener)

    def close(self) -> None:
        """Let everyone go: the service ends."""
        for those in self._by_topic.values():
            for listener in those:
                self._release(listener)
        self._by_topic.clear()

    def _release(self, listener: Listener) -> None:
        while not listener.waiting.empty():
            listener.waiting.get_nowait()
        listener.waiting.put_nowait(None)
