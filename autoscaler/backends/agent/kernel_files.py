"""Two ways to read the guest kernel's own files: by the agent's file commands, and by running ``cat``.

Such a file has other content at each reading, so that one may stay open and be read from its beginning again.

Invariant: what is left in the agent between two readings is bounded: one open file or one process a path. So
one file that cannot be read to its end keeps no other from being read.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Protocol

from autoscaler.errors import AgentBlocked, AgentNonsense, AgentRefused

if TYPE_CHECKING:
    from autoscaler.backends.agent.answer import Answer
    from autoscaler.backends.agent.files import GuestFiles
    from autoscaler.backends.agent.session import AgentSession

EXEC = frozenset({"guest-exec", "guest-exec-status"})
"""The agent's commands that running ``cat`` takes."""

_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


class KernelFiles(Protocol):
    """One way to read them."""

    def read(self, path: str) -> bytes:
        """Return what the file holds now.

        Raises:
            AgentBlocked, AgentRefused: not this way, or there is no such file.
            AutoscalerError: as `AgentSession.ask`.
        """
        ...


class KeptFiles:
    """By the file commands; each file stays open, where going back to its beginning gives new content."""

    def __init__(self, session: AgentSession, files: GuestFiles) -> None:
        self._session = session
        self._files = files
        self._kept: dict[str, _KeptFile] = {}

    def read(self, path: str) -> bytes:
        """Read by the kept handle, else by a new one; see `KernelFiles`."""
        if path not in self._kept:
            self._kept[path] = _KeptFile(self._session, self._files, path)
        return self._kept[path].read()

    def release(self) -> None:
        """Close what is open."""
        for file in self._kept.values():
            file.release()


class _KeptFile:
    def __init__(self, session: AgentSession, files: GuestFiles, path: str) -> None:
        self._session = session
        self._files = files
        self._path = path
        self._handle: int | None = None
        self._keeps = True
        self._renews = False
        """Whether going back was seen to give new content since the file was opened."""
        self._last = b""

    def read(self) -> bytes:
        again = self._read_again()
        if again is not None and again != self._last:
            self._renews = True
        if again is not None and self._renews:
            content = again
        else:
            self.release()
            self._handle, self._renews = self._files.open(self._path, "r"), False
            content = self._files.read_on(self._handle)
            if again is not None and content != again:
                # The same bytes as before were an old copy, not a guest in which nothing happened.
                self._keeps = False
            if not self._keeps:
                self.release()
        self._last = content
        return content

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._files.close(handle)

    def _read_again(self) -> bytes | None:
        if self._handle is None:
            return None
        try:
            self._files.rewind(self._handle)
            return self._files.read_on(self._handle)
        except AgentBlocked:
            # Seeking is not among the commands that this way needs.
            self._session.check_not_frozen()
            self._keeps = False
        except AgentRefused:
            # An agent that was restarted has lost its files.
            self._session.check_not_frozen()
        return None


class Cat:
    """By running ``cat`` in the guest."""

    def __init__(self, session: AgentSession) -> None:
        self._session = session
        self._pids: dict[str, int] = {}
        """Path -> the process that reads it and has not been seen to end."""

    def read(self, path: str) -> bytes:
        """Start it and wait for its end within the call's deadline; see `KernelFiles`.

        A process that did not end in time is waited for by the next reading, before another is started.
        """
        if path in self._pids:
            self._reap_earlier(path)
        started = self._session.create("guest-exec", {"path": "cat", "arg": [path], "capture-output": True})
        self._pids[path] = started.field("pid").count()
        ended = self._wait(path)
        code = ended.optional("exitcode")
        if code is None or code.count() != 0:
            raise AgentRefused(f"cat {path} failed in the guest of domain {self._session.name}")
        output = ended.field("out-data")
        try:
            return base64.b64decode(output.text(), validate=True)
        except (ValueError, binascii.Error):
            raise AgentNonsense(f"the guest agent answered {output.place} with what is no base64") from None

    def _reap_earlier(self, path: str) -> None:
        try:
            self._wait(path)
        except AgentRefused:
            self._session.check_not_frozen()
            self._session.agent_restarted()

    def _wait(self, path: str) -> Answer:
        pause_s = _PAUSE_S
        while True:
            status = self._session.ask("guest-exec-status", {"pid": self._pids[path]})
            if status.field("exited").flag():
                del self._pids[path]
                return status
            self._session.pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
