"""Where guests are: what a connection is to, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.named import BARE

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.core.owner import Owner


@dataclass(frozen=True, slots=True)
class LibvirtConnection:
    """The domains of one libvirt connection."""

    uri: str
    adopt: frozenset[Owner] = frozenset()
    """Whose domains may be governed although somebody else runs them."""

    @property
    def label(self) -> str:
        """The host of its `DomainId`s."""
        return self.uri


@dataclass(frozen=True, slots=True)
class QmpFolderConnection:
    """The guests whose sockets lie in one folder."""

    folder: Path
    """Absolute; holds ``NAME/qmp.sock`` and, where there is an agent, ``NAME/agent.sock``."""

    @property
    def label(self) -> str:
        """The host of its `DomainId`s."""
        return f"{BARE}:{self.folder}"


@dataclass(frozen=True, slots=True)
class QmpListConnection:
    """The guests that the configuration lists one by one."""

    guests: tuple[QmpGuest, ...]

    @property
    def label(self) -> str:
        """The host of its `DomainId`s; one for all lists, so a configuration has at most one."""
        return BARE


Connection = LibvirtConnection | QmpFolderConnection | QmpListConnection
