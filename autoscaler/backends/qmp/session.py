"""One conversation with one QEMU over QMP: qemu.qmp's client, made fit for a service that runs for years.

As it comes, that client keeps every event it ever heard, renders every message for a debug log that
nobody reads, and logs what the service says better itself. None of that is wanted here.

Invariant: a session that ended is never used again; a new conversation is a new session.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError, Runstate

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.descriptors import USED_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import TypeAdapter
    from qemu.qmp import Message

    from autoscaler.backends.address import Address

_T = TypeVar("_T")

_REPLY_BYTES = 4 * 1024 * 1024
"""Longest line taken from QEMU: `query-cpus-fast` of 4096 vCPUs is about 1 MB."""

_NOT_TAKEN = frozenset({errno.EAGAIN, errno.EINVAL, errno.ENOTCONN})
"""A unix socket whose backlog is full refuses with EAGAIN; asyncio takes that for a connection under way and
fails with one of the others. Seen with QEMU 7.2 and Python 3.11."""

_PEER_CREDENTIALS = struct.Struct("3i")

_client_log = logging.getLogger(f"{__name__}.client")
_client_log.setLevel(logging.CRITICAL)


class LinkDownError(Exception):
    """There is no conversation with this QEMU; the text is a sentence for the administrator."""


class SilentError(Exception):
    """Somebody listens at the address and does not speak; `silence` tells why."""


class RefusedError(Exception):
    """QEMU understood a command and refuses it; the text is QEMU's own."""

    def __init__(self, reason: str, *, unknown_command: bool) -> None:
        super().__init__(reason)
        self.unknown_command = unknown_command


class QmpSession(QMPClient):
    """A conversation, from greeting to hang-up."""

    def __init__(self, address: Address, on_event: Callable[[Message], None]) -> None:
        """Prepare a session; `on_event` is called in the loop's thread with each event, and never blocks."""
        super().__init__(readbuflen=_REPLY_BYTES)
        self.logger = _client_log
        self._address = address
        self._on_event = on_event
        self.peer_pid = 0
        """QEMU's pid as the kernel vouches for it; 0 over TCP, from another pid namespace, and before."""
        self.events.event_filter = self._heard

    async def open(self, *, timeout_s: float) -> None:
        """Connect, and take QEMU's greeting.

        Raises:
            SilentError: somebody listens, and nothing came within `timeout_s`.
            LinkDownError: it did not succeed.
        """
        address = self._address
        target = address.path if isinstance(address, UnixAddress) else (address.host, address.port)
        try:
            async with asyncio.timeout(timeout_s):
                await self.connect(target)
        except TimeoutError as error:
            raise SilentError from error
        except ConnectError as error:
            cause = error.exc
            if isinstance(cause, OSError) and cause.errno in _NOT_TAKEN:
                raise SilentError from error
            raise LinkDownError(_why_not(address, cause)) from error

    async def ask(
        self, command: str, shape: TypeAdapter[_T], arguments: Mapping[str, object] | None = None
    ) -> _T:
        """Execute a command and return its checked reply. The deadline is the caller's, over all it asks.

        Raises:
            RefusedError: QEMU answered with an error.
            LinkDownError: the conversation ended, or the reply makes no sense.
        """
        try:
            return shape.validate_python(await self.execute(command, arguments))
        except ExecuteError as error:
            unknown = error.error_class == "CommandNotFound"
            raise RefusedError(str(error), unknown_command=unknown) from error
        except QMPError as error:
            raise LinkDownError(f"QEMU at {self._address} hung up during {command}") from error
        except ValidationError as error:
            raise LinkDownError(
                f"QEMU at {self._address} answered {command} in a form that is not known "
                f"({error.errors()[0]['msg']}): report it with the QEMU version"
            ) from error

    @property
    def version(self) -> tuple[int, int, int]:
        """QEMU's version as its greeting states it; zeros where that is unreadable."""
        stated = self.greeting.QMP.version.get("qemu") if self.greeting else None
        if not isinstance(stated, dict):
            return (0, 0, 0)
        major, minor, micro = (stated.get(part) for part in ("major", "minor", "micro"))
        if isinstance(major, int) and isinstance(minor, int) and isinstance(micro, int):
            return (major, minor, micro)
        return (0, 0, 0)

    @property
    def hung_up(self) -> bool:
        """Whether QEMU ended the conversation, or broke it."""
        return self.runstate is not Runstate.RUNNING

    async def ended(self) -> None:
        """Wait until QEMU hangs up."""
        while not self.hung_up:
            await self.runstate_changed()

    async def end(self) -> None:
        """Hang up, also where QEMU did first."""
        # qemu.qmp raises here whatever ended the conversation; whoever needed to know was told by `ask`.
        with contextlib.suppress(Exception):
            await self.disconnect()

    async def _establish_session(self) -> None:
        """Take the greeting of whom was connected to; who that is shows before he speaks."""
        self.peer_pid = self._pid_of_peer()
        await super()._establish_session()

    def _pid_of_peer(self) -> int:
        if self._writer is None or not isinstance(self._address, UnixAddress):
            return 0
        connection = self._writer.get_extra_info("socket")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        pid: int = _PEER_CREDENTIALS.unpack(credentials)[0]
        return pid

    def _heard(self, event: Message) -> bool:
        self._on_event(event)
        return False  # qemu.qmp would keep it for ever.

    def _cb_outbound(self, msg: Message) -> Message:
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        return msg


def _why_not(address: Address, cause: Exception) -> str:
    match cause:
        case PermissionError():
            return (
                f"no permission on the socket {address}: run the autoscaler as the user of this QEMU, or "
                f"give its group write permission on the socket and search permission on its folders"
            )
        case FileNotFoundError():
            return f"there is no socket {address}: start QEMU with -qmp {address},server=on,wait=off"
        case ConnectionRefusedError():
            return f"nobody listens at {address}: start the guest, or correct the address"
        case OSError(errno=errno.EMFILE):
            return f"{address} cannot be connected to: {USED_UP}"
        case OSError() | EOFError():
            return f"{address} cannot be talked to ({cause or 'it hung up'}): check the address and its QEMU"
    return f"what answers at {address} does not speak QMP: name the socket of -qmp, or of -mon mode=control"
