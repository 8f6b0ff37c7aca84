"""One guest's QEMU: found, kept in touch with, read, given vCPUs and asked for them.

Everything here runs in the backend's event loop. A link connects when it is read, and after a failure not
again before a growing pause is over; nobody waits out that pause.

Invariant: once a command that changes the guest has been sent, only QEMU's own answer ends as anything but
`OutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import shlex
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.backends.acpi_reports import ACPI_EVENT
from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.changes import adding, is_passing, removal
from autoscaler.backends.qmp.exposure import open_to_others, socket_modes
from autoscaler.backends.qmp.identity import QemuIdentity, identify
from autoscaler.backends.qmp.inspection import QemuInspection, inspect
from autoscaler.backends.qmp.process import QemuProcess, agent_listens
from autoscaler.backends.qmp.session import LinkDownError, QmpSession, RefusedError, SilentError
from autoscaler.backends.qmp.silence import why_hung, why_silent
from autoscaler.core.model import DomainEvent, DomainEventKind
from autoscaler.errors import Denied, DomainBusy, DomainGone, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from qemu.qmp import Message

    from autoscaler.backends.qmp.changes import Change, Planner
    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.core.model import DomainView
    from autoscaler.ports import Clock

_log = logging.getLogger(__name__)

_GREETING_SHARE = 0.4
"""Part of the time for one look that QEMU may take to greet, so that a missing greeting is told as such."""
_FIRST_PAUSE_S = 0.5
_LAST_PAUSE_S = 5.0

_EVENTS = {
    "RESET": DomainEventKind.REBOOTED,
    "SHUTDOWN": DomainEventKind.STOPPED,
    "STOP": DomainEventKind.CHANGED,
    "RESUME": DomainEventKind.CHANGED,
}


class QmpLink:
    """The link to one guest's QEMU."""

    def __init__(
        self,
        guest: QmpGuest,
        *,
        host: str,
        clock: Clock,
        timeout_s: float,
        notify: Callable[[DomainEvent], None],
    ) -> None:
        """Prepare a link, not connected yet. `notify` is called in the loop's thread and never blocks."""
        self.guest = guest
        self.reading: asyncio.Task[DomainView] | None = None
        """The look that a sweep began and none has collected yet."""
        self.last_view: DomainView | None = None
        """What was seen last, as long as the link is up."""
        self.trouble: str | None = None
        """Why the last look that is over failed; None: it did not."""
        self.prompt = True
        """Whether the last look was over when the sweep that began it ended."""
        self.identity: QemuIdentity | None = None
        """Of the QEMU that was connected last; None: none ever was."""
        self.agent_listens: bool | None = None
        """Whether something in the guest has its agent channel open; None: QEMU knows no such channel."""
        self.ended = False
        """Whether that QEMU hung up, as one does that ends, and none was connected since."""
        self._host = host
        self._clock = clock
        self._timeout_s = timeout_s
        self._notify = notify
        self._session: QmpSession | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pid = 0
        """Of the QEMU that was connected to last, though it may not have spoken; 0: not known."""
        self._process: QemuProcess | None = None
        """The one that spoke last; None: none ever did."""
        self._down = LinkDownError(f"domain {guest.name} was not connected yet")
        self._pause_s = 0.0
        self._retry_at = float("-inf")

    @property
    def connects(self) -> bool:
        """Whether the next look begins with connecting."""
        return self._session is None and asyncio.get_running_loop().time() >= self._retry_at

    async def view(self) -> DomainView:
        """Look at the domain, connecting first where that is due.

        Raises:
            LinkDownError: the link is down or hangs; it is let go and tried anew after a pause.
        """
        if self._session is None and not self.connects:
            raise self._down
        try:
            async with asyncio.timeout(self._timeout_s):
                session, identity, process = await self._connected()
                self.agent_listens = await agent_listens(session, identity)
                view = await process.view(session, identity, self.guest, self._clock)
        except TimeoutError:
            down = LinkDownError(
                f"QEMU of domain {self.guest.name} did not answer at {self.guest.qmp} within "
                f"{self._timeout_s:g} s: {why_hung(self._pid)}"
            )
        except LinkDownError as error:
            down = error
        except RefusedError as error:
            down = LinkDownError(f"QEMU of domain {self.guest.name} refuses to be looked at: {error}")
        else:
            self._pause_s = 0.0
            return view
        await self._let_go(down)
        raise down

    async def plug(self, *, expect: int, target: int) -> None:
        """Add vCPUs until `target` are plugged; the errors are those of `Hypervisor.plug`."""
        await self._change(partial(adding, expect=expect, target=target), "add a vCPU to", "got its vCPUs")

    async def unplug(self, *, expect: int, target: int) -> int | None:
        """Ask for one vCPU back; the slot and the errors are those of `Hypervisor.unplug`."""
        removing = partial(removal, expect=expect, target=target)
        change = await self._change(removing, "take a vCPU from", "was asked for a vCPU")
        return change.slot

    async def _change(self, plan: Planner, intent: str, deed: str) -> Change:
        """Have a change planned, and ask QEMU for it; `intent` and `deed` are for the messages."""
        session, identity, name = self._session, self.identity, self.guest.name
        if session is None or identity is None:
            raise DomainGone(f"domain {name} is not connected: {self._down}")
        sent = False
        try:
            async with asyncio.timeout(self._timeout_s):
                change = await plan(session, identity, name)
                for arguments in change.orders:
                    sent = True
                    await session.ask(change.command, replies.ANYTHING, arguments)
        except RefusedError as error:
            kind = DomainBusy if is_passing(str(error)) else Denied
            raise kind(f"QEMU refuses to {intent} domain {name}: {error}") from error
        except (TimeoutError, LinkDownError) as error:
            cause = str(error) or f"no answer within {self._timeout_s:g} s"
            if self._session is session:
                await self._let_go(LinkDownError(f"the link to domain {name} was given up: {cause}"))
            if sent:
                raise OutcomeUnknown(f"whether domain {name} {deed} is not known: {cause}") from error
            if isinstance(error, TimeoutError):
                raise DomainBusy(f"nothing was changed on domain {name}: {cause}") from error
            raise DomainGone(f"nothing was changed on domain {name}: {cause}") from error
        return change

    async def inspect(self) -> QemuInspection:
        """Ask a guest that was seen how it is built.

        Raises:
            DomainGone: it is not connected (any more).
        """
        session, identity = self._session, self.identity
        if session is None or identity is None:
            raise DomainGone(f"domain {self.guest.name} is not connected: {self._down}")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await inspect(session, identity)
        except (TimeoutError, LinkDownError, RefusedError) as error:
            cause = str(error) or f"no answer within {self._timeout_s:g} s"
            raise DomainGone(f"domain {self.guest.name} could not be examined: {cause}") from error

    async def close(self, *, gone: bool = False) -> None:
        """Hang up and stay so; `gone` tells that the guest is, and says so to the listeners."""
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.gather(self.reading, return_exceptions=True)
        connected = self._session is not None
        await self._let_go(self._down)
        if gone and connected:
            self._tell(DomainEventKind.STOPPED)

    async def _connected(self) -> tuple[QmpSession, QemuIdentity, QemuProcess]:
        if self._session is not None and self.identity is not None and self._process is not None:
            return self._session, self.identity, self._process
        session = QmpSession(self.guest.qmp, self._heard)
        try:
            await session.open(timeout_s=self._timeout_s * _GREETING_SHARE)
            identity = await identify(session, self.guest, host=self._host)
        except SilentError as error:
            await session.end()
            self._pid = session.peer_pid or self._pid
            was_ours = self.identity is not None and not self.ended
            raise LinkDownError(why_silent(self.guest.qmp, self._pid, was_ours=was_ours)) from error
        except BaseException:
            await session.end()
            raise
        self._pid = session.peer_pid
        process = QemuProcess(session.peer_pid)
        if self._process is not None and process.is_still(self._process):
            process = self._process
        else:
            self._warn_of_exposure()
        self._process = process
        self._session, self.identity, self.ended = session, identity, False
        self._watch = asyncio.create_task(self._see_it_end(session))
        self._tell(DomainEventKind.STARTED)
        return session, identity, process

    def _warn_of_exposure(self) -> None:
        if wide := open_to_others(socket_modes(self.guest)):
            _log.warning(
                "others than their owner may write to sockets of domain %s, and so have the whole guest in "
                "hand; `autoscaler doctor` has the commands that close %s",
                self.guest.name,
                shlex.join(wide),
            )

    async def _see_it_end(self, session: QmpSession) -> None:
        await session.ended()
        if self._session is session:
            await self._let_go(LinkDownError(f"QEMU of domain {self.guest.name} hung up at {self.guest.qmp}"))

    async def _let_go(self, down: LinkDownError) -> None:
        self._down = down
        self._pause_s = min(_LAST_PAUSE_S, self._pause_s * 2 or _FIRST_PAUSE_S)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret
        self._retry_at = asyncio.get_running_loop().time() + self._pause_s * jitter
        session, self._session = self._session, None
        watch, self._watch = self._watch, None
        if watch is not None and watch is not asyncio.current_task():
            watch.cancel()
        if session is not None:
            if session.hung_up:
                self.ended = True
                self._tell(DomainEventKind.STOPPED)
            await session.end()

    def _heard(self, event: Message) -> None:
        name, data = str(event["event"]), event.get("data")
        kind = _EVENTS.get(name)
        if name == ACPI_EVENT:
            self._hear_firmware(data)
            return
        if isinstance(data, dict):
            of_agent = name == "VSERPORT_CHANGE" and self._is_agent_port(str(data.get("id")))
            if of_agent:
                self.agent_listens = data.get("open") is True
                kind = DomainEventKind.AGENT_CONNECTED if self.agent_listens else DomainEventKind.CHANGED
            # Of a vCPU's two such events the first, its interrupt controller's, names no device.
            unplugged = name == "DEVICE_DELETED" and "device" in data
            kind = DomainEventKind.CHANGED if unplugged else kind
        if kind is not None:
            self._tell(kind)

    def _hear_firmware(self, data: object) -> None:
        """Take in what the guest's firmware told; of one that was never looked at nobody waits for that."""
        now_s = self._clock.monotonic_s()
        if self._process is None or not self._process.reports.has_room(now_s):
            return
        if self._process.reports.take(data, now_s):
            self._tell(DomainEventKind.CHANGED)

    def _is_agent_port(self, device: str) -> bool:
        return self.identity is not None and device in self.identity.agent_ports

    def _tell(self, kind: DomainEventKind) -> None:
        if self.identity is not None:
            self._notify(DomainEvent(kind, self.identity.domain))
