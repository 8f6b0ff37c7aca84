"""Which guests the QMP backend looks after: a configured list, or a folder looked at anew each sweep.

Invariant: no two guests of one source share a name, and a guest's name comes from the administrator's
configuration or folder, never from what a guest says of itself.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from autoscaler.backends.address import parse_address
from autoscaler.backends.labels import NO_LABELS
from autoscaler.core.printable import printable
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from autoscaler.backends.address import Address

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_QMP_SOCKET = "qmp.sock"
_AGENT_SOCKET = "agent.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class QmpGuest:
    """Where one guest's QEMU and agent are reached."""

    name: str
    qmp: Address
    agent: Address | None = None
    """None: the guest has no agent channel."""
    uuid: str | None = None
    """Canonical lower-case UUID that QEMU must have, or is given where it has none; None: as QEMU says."""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    """By which policies match; see `autoscaler.backends.labels`."""


class GuestSource(Protocol):
    """Says which guests there are now."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Of what was last there, names that no guest can have: why, and what to do."""
        ...

    def guests(self) -> tuple[QmpGuest, ...]:
        """Every guest that has a QMP socket, running or not.

        Raises:
            BackendUnavailable: the source itself cannot be read.
        """
        ...


class GuestList:
    """A fixed list of guests, as the configuration names them."""

    refused: Mapping[str, str] = MappingProxyType({})

    def __init__(self, guests: Iterable[QmpGuest]) -> None:
        """Take the guests as they are.

        Raises:
            ValueError: two guests have the same name or the same QMP socket.
        """
        self._guests = tuple(guests)
        names: set[str] = set()
        owners: dict[Address, str] = {}
        for guest in self._guests:
            if guest.name in names:
                raise ValueError(f"two guests are called {guest.name}: give each guest a name of its own")
            names.add(guest.name)
            owner = owners.setdefault(guest.qmp, guest.name)
            if owner != guest.name:
                raise ValueError(f"guests {owner} and {guest.name} share {guest.qmp}: correct one of them")

    def guests(self) -> tuple[QmpGuest, ...]:
        """The same guests each time."""
        return self._guests


class GuestFolder:
    """A folder with one folder a guest: ``NAME/qmp.sock``, and ``NAME/agent.sock`` where it has an agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.refused: Mapping[str, str] = MappingProxyType({})
        """Folders that were left out of the last answer, as they can be shown; replaced whole."""

    def guests(self) -> tuple[QmpGuest, ...]:
        """The guests in name order; a folder that can be none is left out, and told of by `refused`.

        Raises:
            BackendUnavailable: the folder cannot be read.
        """
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            raise BackendUnavailable(
                f"the guest folder {self._folder} cannot be read ({error.strerror}): create it, or give the "
                f"user of the autoscaler read and search permission on it"
            ) from error
        found: list[QmpGuest] = []
        refused: dict[str, str] = {}
        for name in names:
            if _is_there(self._folder.absolute() / name / _QMP_SOCKET):
                try:
                    found.append(self._guest(name))
                except ValueError as error:
                    refused[printable(name)] = f"its folder in {self._folder} is ignored: {error}"
        self.refused = MappingProxyType(refused)
        return tuple(found)

    def _guest(self, name: str) -> QmpGuest:
        """The guest of a folder.

        Raises:
            ValueError: it can be none, and what to do.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(
                "its name may only have letters, digits, '.', '_' and '-', 63 at most, and begin with a "
                "letter or digit: rename it"
            )
        home = self._folder.absolute() / name
        agent = parse_address(str(home / _AGENT_SOCKET)) if _is_there(home / _AGENT_SOCKET) else None
        return QmpGuest(name=name, qmp=parse_address(str(home / _QMP_SOCKET)), agent=agent)


def _is_there(socket: Path) -> bool:
    try:
        socket.stat()
    except PermissionError:
        return True  # Connecting will say so to the administrator; hiding the guest would not.
    except OSError:
        return False
    return True
