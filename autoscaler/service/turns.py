"""Answers that cost much are made one after another, so that nobody takes the CPU from the tick by asking.

Whatever runs Python beside the controller delays it. So such answers stand in a line, and after each the line
rests for as long as it took; where too many wait, the next is turned away at once instead of kept for ever.

Invariants: of one line at most one answer is made at a time, and it takes at most half of the time; at most
`most` wait or are made; those who ask for the same while it waits or is made get the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from starlette.responses import Response

T = TypeVar("T")

RETRY_AFTER_S = 5


class Crowded(Exception):
    """Too many wait already."""


class Turns:
    """One line; used on the event loop's thread."""

    def __init__(self, most: int) -> None:
        """`most` wait or are made at a time; beyond them nobody may join."""
        self._most = most
        self._turn = asyncio.Semaphore(1)
        self._wanted: dict[Hashable, asyncio.Future[object]] = {}

    async def made(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns or raises, called on a worker thread; those with one key share one call.

        Raises:
            Crowded: too many wait.
        """
        if (shared := self._wanted.get(key)) is not None:
            return cast("T", await asyncio.shield(shared))
        if len(self._wanted) >= self._most:
            raise Crowded
        loop = asyncio.get_running_loop()
        # Who asks first makes it, without a task of its own: each costs passes of a loop that may be busy.
        future = self._wanted[key] = loop.create_future()
        try:
            made = await self._make(loop, make)
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else Crowded())
            future.exception()  # It is no matter that perhaps nobody else waits for it.
            raise
        else:
            future.set_result(made)
            return made
        finally:
            del self._wanted[key]

    async def _make(self, loop: asyncio.AbstractEventLoop, make: Callable[[], T]) -> T:
        took_s = 0.0

        def timed() -> T:
            nonlocal took_s
            started_s = loop.time()
            try:
                return make()
            finally:
                # Here: how long it waits for the event loop, before and after, is no work.
                took_s = loop.time() - started_s

        await self._turn.acquire()
        try:
            return await run_in_threadpool(timed)
        finally:
            loop.call_later(took_s, self._turn.release)


def come_again() -> Response:
    """What is answered to whom comes when too many wait."""
    sentence = f"too many ask for this at once: ask again in {RETRY_AFTER_S} s"
    return JSONResponse({"error": sentence}, 503, {"retry-after": str(RETRY_AFTER_S)})
