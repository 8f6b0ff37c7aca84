"""Scripted QEMU and scripted guest agents behind real sockets, as they lie in a folder of guests."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from autoscaler.service.config import QmpFolderConnection
from tests.contract.backend import (
    BOOT_PLUGGED,
    MAXIMUM,
    ConnectedBackend,
    Domain,
    Guest,
    Inhabited,
)
from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent
from tests.fakes.scripted_guest import ScriptedGuest
from tests.fakes.scripted_qmp import AGENT_PORT_ID, ScriptedQmp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.contract.abilities import Abilities

_LISTED_AFTER_S = 0.05


class ScriptedBackend(ConnectedBackend):
    """Scripted guests of one QEMU version."""

    def __init__(self, abilities: Abilities, version: tuple[int, int, int], opened: ExitStack) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="ct-"))
        opened.callback(shutil.rmtree, self._root)
        super().__init__(abilities, QmpFolderConnection(self._root))
        self._version = version

    @contextmanager
    def started(self, name: str) -> Iterator[Domain]:
        with self.booted(name) as inhabited:
            yield inhabited.domain

    @contextmanager
    def booted(self, name: str) -> Iterator[Inhabited]:
        home = self._root / name
        home.mkdir()

        def eject(slot: int) -> None:
            # Timers that are due at one moment fire in any order: the guest may not have met this vCPU yet.
            if guest.present > slot:
                guest.unplug(slot)
            qemu.unplug(slot)

        guest = ScriptedGuest(present=BOOT_PLUGGED, online=set(range(BOOT_PLUGGED)))
        qemu = ScriptedQmp(
            path=home / "qmp.sock",
            uuid=str(uuid4()),
            plugged_at_boot=BOOT_PLUGGED,
            maximum=MAXIMUM,
            version=self._version,
            on_unplug=lambda slot: threading.Timer(_LISTED_AFTER_S, lambda: eject(slot)).start(),
            on_plug=lambda _: threading.Timer(_LISTED_AFTER_S, lambda: guest.plug(qemu.plugged)).start(),
        )
        domain = _Domain(name, qemu, ScriptedAgent(path=home / "agent.sock", guest=guest))
        domain.start()
        try:
            yield Inhabited(domain, _Guest(qemu, domain.agent))
        finally:
            domain.kill()
            shutil.rmtree(home)


class _Domain(Domain):
    def __init__(self, name: str, qemu: ScriptedQmp, agent: ScriptedAgent) -> None:
        super().__init__(name=name, uuid=qemu.uuid)
        self._qemu = qemu
        self.agent = agent
        self._life = contextlib.ExitStack()
        self._runs = False

    def start(self) -> None:
        self._life.enter_context(self._qemu)
        self._life.enter_context(self.agent)
        self._runs = True

    def vcpus(self) -> tuple[int, int]:
        return self._qemu.plugged, self._qemu.maximum

    def is_running(self) -> bool:
        return self._runs

    def is_emulated(self) -> bool:
        return not self._qemu.kvm

    def pause(self) -> None:
        self.agent.faults[ANY] = Fault.SILENT
        self._qemu.status = "paused"
        self._qemu.emit("STOP")

    def resume(self) -> None:
        self.agent.faults.clear()
        self._qemu.status = "running"
        self._qemu.emit("RESUME")

    def kill(self) -> None:
        self._runs = False
        self._life.close()


class _Guest(Guest):
    def __init__(self, qemu: ScriptedQmp, agent: ScriptedAgent) -> None:
        self._qemu = qemu
        self._agent = agent

    def load(self, vcpus: float) -> None:
        self._agent.guest.proc_stat()  # what was wanted so far is accounted for first
        self._agent.guest.load_vcpus = vcpus

    def hang_agent(self) -> None:
        self._agent.faults[ANY] = Fault.SILENT

    def end_agent(self) -> None:
        # QEMU's end of the channel stays: whoever connects is not answered.
        self._agent.faults[ANY] = Fault.SILENT
        self._agent.guest.restart_agent()
        self._open_port(opened=False)

    def start_agent(self) -> None:
        self._agent.faults.clear()
        self._open_port(opened=True)

    def _open_port(self, *, opened: bool) -> None:
        self._qemu.agent_listens = opened
        self._qemu.emit("VSERPORT_CHANGE", {"id": AGENT_PORT_ID, "open": opened})
