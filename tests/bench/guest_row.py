"""Scripted guests in a process of their own, so that what they cost is not taken for the service's."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fakes.attacks import ATTACKS
from tests.fakes.scripted_folder import FolderGuest


class GuestRow:
    """Speaks to the process that holds the guests."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def attack(self, number: int, name: str) -> None:
        """Have the agent of one guest attack from now on."""
        self._ask("attack", number, name)

    def come_back(self, number: int) -> None:
        """Have another agent in its place, in order."""
        self._ask("come_back", number)

    def take_samplings(self) -> list[list[float]]:
        """When each guest was sampled since the last call (`time.monotonic`)."""
        found = self._ask("take_samplings")
        assert isinstance(found, list)
        return found

    def _ask(self, *question: object) -> object:
        self._pipe.send(question)
        return self._pipe.recv()


@contextlib.contextmanager
def guest_row(folder: Path, count: int) -> Iterator[GuestRow]:
    """Run so many guests, ``guest-0`` and so on, for the block."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, count, there))
    process.start()
    try:
        assert here.poll(60), "the guests did not start"
        here.recv()
        yield GuestRow(here)
    finally:
        here.close()
        process.join(timeout=30)
        process.kill()


def _serve(folder: Path, count: int, pipe: Connection) -> None:
    with ExitStack() as running:
        guests = [
            running.enter_context(FolderGuest(folder, f"guest-{number}", slow_s=1.0))
            for number in range(count)
        ]
        pipe.send("up")
        with contextlib.suppress(EOFError):
            while True:
                pipe.send(_answer(guests, *pipe.recv()))


def _answer(guests: list[FolderGuest], verb: str, number: int = 0, name: str = "") -> object:
    if verb == "attack":
        ATTACKS[name].begin(guests[number])
    elif verb == "come_back":
        guests[number].come_back()
    else:
        taken = [guest.guest.sampled_s for guest in guests]
        for guest in guests:
            guest.guest.sampled_s = []
        return taken
    return None
