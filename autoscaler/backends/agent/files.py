"""Files inside the guest, through the agent's file commands.

The agent keeps every opened file until it is told to close it or ends. Invariant: a handle whose number was
heard is closed, if not now because the guest does not answer, then before the next file is opened.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from autoscaler.errors import AgentNonsense, AgentRefused, AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.backends.agent.answer import Answer
    from autoscaler.backends.agent.session import AgentSession

READ = frozenset({"guest-file-open", "guest-file-read", "guest-file-close"})
WRITE = frozenset({"guest-file-open", "guest-file-write", "guest-file-flush", "guest-file-close"})

_CHUNK_BYTES = 64 * 1024
"""Asked for at once; in base64 it fits well into a reply."""
_FILE_BYTES = 1024 * 1024
_MOST_READS = 64


class GuestFiles:
    """The files that are open in one guest on our behalf."""

    def __init__(self, session: AgentSession) -> None:
        self._session = session
        self._to_close: list[int] = []

    def read(self, path: str) -> bytes:
        """Return the whole content of a file of at most 1 MiB.

        Raises:
            AutoscalerError: as `AgentSession.ask`.
        """
        with self._opened(path, "r") as handle:
            return self.read_on(handle)

    def write(self, path: str, content: bytes) -> None:
        """Write `content` into a file that exists.

        Raises:
            AgentRefused: the agent, or the kernel, did not take it.
            AutoscalerError: as `AgentSession.ask`.
        """
        with self._opened(path, "w") as handle:
            encoded = base64.b64encode(content).decode()
            self._session.ask("guest-file-write", {"handle": handle, "buf-b64": encoded})
            # What a kernel file says to a write is only heard when the agent's buffer is emptied.
            self._session.ask("guest-file-flush", {"handle": handle})

    def open(self, path: str, mode: str) -> int:
        """Return a handle that the caller will `close`."""
        for handle in self._to_close.copy():
            self.close(handle)
        return self._session.create("guest-file-open", {"path": path, "mode": mode}).count()

    def close(self, handle: int) -> None:
        """Close a handle; one that the agent no longer has is closed."""
        if handle not in self._to_close:
            self._to_close.append(handle)
        try:
            self._session.ask("guest-file-close", {"handle": handle})
        except AgentRefused:
            self._session.check_not_frozen()
            self._session.agent_restarted()
        self._to_close.remove(handle)

    def rewind(self, handle: int) -> None:
        """Go back to the beginning of a file."""
        # SEEK_SET by its number: names for it came later.
        self._session.ask("guest-file-seek", {"handle": handle, "offset": 0, "whence": 0})

    def read_on(self, handle: int) -> bytes:
        """Return everything from where the file stands to its end."""
        content = bytearray()
        for _ in range(_MOST_READS):
            answer = self._session.ask("guest-file-read", {"handle": handle, "count": _CHUNK_BYTES})
            content += _decoded(answer.field("buf-b64"))
            if answer.field("eof").flag():
                return bytes(content)
            if len(content) > _FILE_BYTES:
                break
        raise AgentNonsense(f"the guest of domain {self._session.name} let a file be read that has no end")

    @contextmanager
    def _opened(self, path: str, mode: str) -> Iterator[int]:
        handle = self.open(path, mode)
        try:
            yield handle
        finally:
            # A handle that cannot be closed now is remembered, and what was read of the file is good.
            with suppress(AutoscalerError):
                self.close(handle)


def _decoded(answer: Answer) -> bytes:
    try:
        return base64.b64decode(answer.text(), validate=True)
    except (ValueError, binascii.Error):
        raise AgentNonsense(f"the guest agent answered {answer.place} with what is no base64") from None
