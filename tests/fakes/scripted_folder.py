"""A folder of scripted guests behind real sockets, as a service with a ``qmp:`` connection finds them."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import NAMESPACE_URL, uuid5

from tests.fakes.scripted_agent import Fault, ScriptedAgent
from tests.fakes.scripted_guest import ScriptedGuest
from tests.fakes.scripted_qmp import AGENT_PORT_ID, ScriptedQmp


@dataclass(kw_only=True)
class SampledGuest(ScriptedGuest):
    """A guest that notes when its load was read."""

    sampled_s: list[float] = field(default_factory=list)
    """`time.monotonic`, at each reading."""

    def proc_stat(self) -> bytes:
        self.sampled_s.append(time.monotonic())
        return super().proc_stat()


class FolderGuest:
    """One guest in the folder: its QEMU and its agent. Use it as a context manager."""

    def __init__(self, root: Path, name: str, *, slow_s: float = 0.2) -> None:
        """Prepare it; the service finds it once it is started."""
        self.name = name
        self._home = root / name
        self._life = ExitStack()
        self.guest = SampledGuest()
        self.agent = ScriptedAgent(path=self._home / "agent.sock", guest=self.guest, slow_s=slow_s)
        self.qemu = ScriptedQmp(
            path=self._home / "qmp.sock",
            uuid=str(uuid5(NAMESPACE_URL, str(self._home))),
            on_plug=self.guest.plug,
        )

    def __enter__(self) -> Self:
        self._home.mkdir()
        self._life.callback(shutil.rmtree, self._home)
        self._life.enter_context(self.agent)
        self._life.enter_context(self.qemu)
        return self

    def __exit__(self, *_: object) -> None:
        self._life.close()

    def attack(self, faults: dict[str, Fault]) -> None:
        """Have these commands go wrong from now on, on a fresh connection as well."""
        self.agent.faults.update(faults)
        self.agent.hang_up()

    def come_back(self) -> None:
        """Another agent, in order, opens the channel."""
        self.agent.faults.clear()
        self.guest.lies.clear()
        self.guest.files.clear()
        self.guest.blocked.clear()
        self.guest.restart_agent()
        self.agent.hang_up()
        self.qemu.emit("VSERPORT_CHANGE", {"id": AGENT_PORT_ID, "open": True})
