"""Who may speak to a guest's QEMU and agent, by the modes of their sockets."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.backends.address import UnixAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.backends.qmp.guests import QmpGuest


def socket_modes(guest: QmpGuest) -> dict[str, int]:
    """The modes of a guest's unix sockets by path, as far as they can be seen."""
    found = {}
    for address in (guest.qmp, guest.agent):
        if isinstance(address, UnixAddress):
            with suppress(OSError):
                found[address.path] = Path(address.path).stat().st_mode
    return found


def open_to_others(modes: Mapping[str, int]) -> list[str]:
    """Those of some sockets, by path, that every user may write to who can reach their folder."""
    return [path for path, mode in modes.items() if mode & stat.S_IWOTH]
