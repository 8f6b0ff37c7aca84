"""Sweeps over the links to several guests, as the event loop runs them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.qmp.guests import QmpGuest
from autoscaler.backends.qmp.links import QmpLinks
from autoscaler.core.model import DomainView
from tests.fakes.libvirt_domains import RealClock
from tests.fakes.scripted_qmp import ScriptedQmp

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"


async def overtaken(links: QmpLinks, guests: list[QmpGuest]) -> tuple[list[DomainView], list[DomainView]]:
    """A sweep, and another that begins and ends between the guest's answer and the first one's next step."""
    first = asyncio.create_task(links.sweep(guests, patience_s=5.0))
    await asyncio.sleep(0)
    (link,) = links._links.values()
    assert link.reading is not None
    while not link.reading.done():  # noqa: ASYNC110 - an event would wake the first sweep before this
        await asyncio.sleep(0)
    second = await links.sweep(guests, patience_s=5.0)
    assert not first.done()
    return await first, second


def test_what_one_of_two_sweeps_took_in_is_seen_by_the_other_as_well(tmp_path: Path) -> None:
    async def both() -> None:
        links = QmpLinks(host="h", clock=RealClock(), timeout_s=5.0, notify=lambda _: None)
        guests = [QmpGuest(name="web-1", qmp=UnixAddress(str(tmp_path / "qmp.sock")))]
        for qemu in (ScriptedQmp(path=tmp_path / "qmp.sock", uuid=UUID), None):
            if qemu is not None:
                with qemu:
                    first, second = await overtaken(links, guests)
                assert [view.name for view in first] == [view.name for view in second] == ["web-1"]
                assert links.troubles == {}
                await links.close()
            else:
                first, second = await overtaken(links, guests)
                assert first == second == []
                assert "web-1" in links.troubles
                await links.close()

    asyncio.run(both())


def guests_in(folder: Path, count: int) -> list[QmpGuest]:
    return [
        QmpGuest(name=f"web-{number}", qmp=UnixAddress(str(folder / f"{number}.sock")))
        for number in range(count)
    ]


@contextlib.contextmanager
def silent(guests: list[QmpGuest]) -> Iterator[None]:
    """Let the QEMUs of these take a connection and never greet."""
    with contextlib.ExitStack() as listening:
        for guest in guests:
            listener = listening.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            listener.bind(str(guest.qmp).removeprefix("unix:"))
            listener.listen(1)
        yield


def test_guests_are_connected_to_a_few_at_a_time_and_told_of_when_their_turn_has_come(tmp_path: Path) -> None:
    async def sweep(guests: list[QmpGuest]) -> None:
        links = QmpLinks(host="h", clock=RealClock(), timeout_s=60.0, notify=lambda _: None)
        with silent(guests):
            assert await links.sweep(guests, patience_s=0.2) == []
            assert list(links.troubles) == [guest.name for guest in guests[:16]]
            await links.close()

    asyncio.run(sweep(guests_in(tmp_path, 40)))


def test_a_guest_is_connected_to_at_once_beside_many_that_failed_before_and_hang(tmp_path: Path) -> None:
    async def sweep(hung: list[QmpGuest], well: QmpGuest) -> None:
        links = QmpLinks(host="h", clock=RealClock(), timeout_s=60.0, notify=lambda _: None)
        while len(links.troubles) < len(hung):
            await links.sweep(hung, patience_s=5.0)
        for link in links._links.values():
            link._retry_at = 0.0
        with silent(hung), ScriptedQmp(path=tmp_path / "well.sock", uuid=UUID):
            (view,) = await links.sweep([*hung, well], patience_s=10.0)
            await links.close()
        assert view.name == well.name

    well = QmpGuest(name="well", qmp=UnixAddress(str(tmp_path / "well.sock")))
    asyncio.run(sweep(guests_in(tmp_path, 40), well))
