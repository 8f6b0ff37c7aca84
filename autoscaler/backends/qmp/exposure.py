"""Who may speak to a guest's QEMU and agent, by where they listen and the modes of their sockets.

QEMU asks nobody who he is: whoever can connect has the guest in hand.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.backends.address import TcpAddress, UnixAddress

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
    """Those of some sockets, by path, that others than their owner may write to, if they reach the folder."""
    return [path for path, mode in modes.items() if mode & (stat.S_IWGRP | stat.S_IWOTH)]


def on_tcp(guest: QmpGuest) -> tuple[TcpAddress, ...]:
    """Where anybody may connect whom the network lets."""
    return tuple(address for address in (guest.qmp, guest.agent) if isinstance(address, TcpAddress))
