"""Guests behind real sockets, hundreds to a process: QEMUs and agents are protocols on one event loop.

What they say comes from the scripted guests of the tests. Their vCPU threads are not there to be looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast
from uuid import NAMESPACE_URL, uuid5

from tests.fakes import scripted_agent, scripted_qmp
from tests.fakes.scripted_folder import SampledGuest
from tests.fakes.scripted_qmp import ScriptedQmp

MAXIMUM = 8
LOADS_VCPUS = (0.1, 0.4, 0.9, 1.7, 3.0)
RESTLESS_RATIO = 0.005
"""Of the guests: how many are given another load in a second, so that each has one for 200 s on average."""


class LoadedGuest:
    """One guest in the folder, with its QEMU and its agent."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.guest = SampledGuest()
        self.qemu = ScriptedQmp(
            path=self.home / "qmp.sock",
            uuid=str(uuid5(NAMESPACE_URL, str(self.home))),
            maximum=MAXIMUM,
            on_plug=self.guest.plug,
        )
        self.hangs = False
        """Whether its agent answers nothing."""

    async def open(self) -> None:
        """Listen, in a folder of its own."""
        self.home.mkdir()
        loop = asyncio.get_running_loop()
        await loop.create_unix_server(partial(_Agent, self), self.home / "agent.sock")
        await loop.create_unix_server(partial(_Monitor, self.qemu), self.qemu.path)


class _Monitor(asyncio.Protocol):
    """A client's conversation with a QEMU."""

    def __init__(self, qemu: ScriptedQmp) -> None:
        self._qemu = qemu
        self._requests = scripted_qmp.Requests()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(scripted_qmp.line_of(self._qemu.greeting))

    def data_received(self, data: bytes) -> None:
        for request in self._requests.of(data):
            reply = self._qemu.reply(request["execute"], request.get("arguments", {}))
            self._transport.write(scripted_qmp.line_of({**reply, "id": request.get("id")}))


class _Agent(asyncio.Protocol):
    """A client's conversation with a guest agent."""

    def __init__(self, of: LoadedGuest) -> None:
        self._of = of
        self._requests = scripted_agent.Requests()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._of.hangs:
            return
        if scripted_agent.DELIMITER in data:
            self._transport.write(scripted_agent.STRAY)
        for request in self._requests.of(data):
            self._transport.write(
                scripted_agent.reply_of(self._of.guest, request["execute"], request.get("arguments", {}))
            )


def serve(folder: Path, numbers: Sequence[int], pipe: Connection) -> None:
    """Run these guests until the pipe is closed: what a process of the crowd does."""
    asyncio.run(_serve([LoadedGuest(folder, f"guest-{number:04}") for number in numbers], pipe))


async def _serve(guests: Sequence[LoadedGuest], pipe: Connection) -> None:
    for guest in guests:
        await guest.open()
    restless = asyncio.create_task(_change_loads(guests))
    pipe.send("up")
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(_answer(guests, *await asyncio.to_thread(pipe.recv)))
    restless.cancel()


async def _change_loads(guests: Sequence[LoadedGuest]) -> None:
    chance = random.Random(guests[0].home.name)
    for guest in guests:
        guest.guest.load_vcpus = chance.choice(LOADS_VCPUS)
    while True:
        await asyncio.sleep(1 / (RESTLESS_RATIO * len(guests)))
        chance.choice(guests).guest.load_vcpus = chance.choice(LOADS_VCPUS)


def _answer(guests: Sequence[LoadedGuest], verb: str, share: float = 0.0) -> object:
    if verb == "hang":
        for guest in guests[: round(share * len(guests))]:
            guest.hangs = True
        return None
    taken = [guest.guest.sampled_s for guest in guests if not guest.hangs]
    for guest in guests:
        guest.guest.sampled_s = []
    return taken
