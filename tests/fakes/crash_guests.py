"""The guests of a crash lab: each keeps a record of what was done to it, through all its boots.

One that is asked for a vCPU lets it go a moment later, maybe in the next life of the service, or keeps it.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent
from tests.fakes.scripted_guest import Arguments, ScriptedGuest
from tests.fakes.scripted_qmp import ScriptedQmp

MAXIMUM = 8
MOST_VCPUS = 6
UTILIZATION_RATIO = 0.7
TOLERANCE_RATIO = 0.1
FIRST_BOOT_S = 1_700_000_000
_LOOKS = ("query-", "qom-get", "qom-list")
EJECT_S = 0.15
"""From the request for a vCPU until it is gone."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a guest or its QEMU did because it was asked to, or was asked to do."""

    wall_s: float
    kind: str
    """``plug``, ``online`` or, for a vCPU, ``ask back`` the first time and ``ask again`` each time after."""
    before: int
    after: int
    beside_since_s: float | None = None
    """When another vCPU, or this one before, was asked back that has not gone; None: none was."""


class RecordingGuest(ScriptedGuest):
    """A guest that notes every change of its online vCPUs that its agent was asked for."""

    acts: list[Act]
    ran: list[tuple[float, int]]
    """How many vCPUs it ran from when on, since it was booted."""
    turn: threading.Lock

    def execute(self, command: str, arguments: Arguments) -> object:
        with self.turn:
            before = len(self.online)
            answer = super().execute(command, arguments)
            if len(self.online) != before:
                self.acts.append(Act(time.time(), "online", before, len(self.online)))
                self.ran.append((time.time(), len(self.online)))
            return answer


@dataclass
class Inhabitant:
    """One domain through all its boots."""

    name: str
    folder: Path
    acts: list[Act] = field(default_factory=list)
    booted_wall_s: float = 0.0
    gives_back: bool = True
    """Whether it lets a vCPU go that it is asked for."""
    boots: int = 0
    gone: int = 0
    """How many it let go since it was booted."""

    @property
    def uuid(self) -> str:
        return str(uuid5(NAMESPACE_URL, self.name))

    def boot(self) -> None:
        """Start with one vCPU, the first time or anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.acts.clear()
        self.booted_wall_s = time.time()
        self.gone, self._ejects, self._asked_wall_s = 0, list[threading.Timer](), dict[int, float]()
        self.boots += 1
        self.guest = RecordingGuest(boot_s=FIRST_BOOT_S + 1000 * self.boots)
        self.guest.acts, self.guest.turn = self.acts, threading.Lock()
        self.guest.ran = [(self.booted_wall_s, len(self.guest.online))]
        self.qemu = ScriptedQmp(
            path=self.folder / "qmp.sock",
            uuid=self.uuid,
            maximum=MAXIMUM,
            on_plug=self._plugged,
            on_unplug=self._asked_back,
        )
        self.agent = ScriptedAgent(path=self.folder / "agent.sock", guest=self.guest)
        self.qemu.start()
        self.agent.start()

    def silence(self, *, silent: bool) -> None:
        """Have its agent answer nothing, or again."""
        self.agent.faults = {ANY: Fault.SILENT} if silent else {}

    @property
    def orders(self) -> set[str]:
        """What its QEMU was told since it was booted, beside being looked at."""
        return {command for command, _ in self.qemu.heard if not command.startswith(_LOOKS)}

    def stop(self) -> None:
        self.agent.stop()
        self.qemu.stop()
        for eject in self._ejects:
            eject.cancel()
            eject.join()

    def load(self, vcpus: float) -> None:
        self.guest.proc_stat()  # what was wanted so far is accounted for first
        self.guest.load_vcpus = vcpus

    @property
    def has_what_it_needs(self) -> bool:
        online, load = len(self.guest.online), self.guest.load_vcpus
        needed = min(MOST_VCPUS, max(1, math.ceil(load / UTILIZATION_RATIO)))
        tolerated = abs(load / online - UTILIZATION_RATIO) <= TOLERANCE_RATIO * UTILIZATION_RATIO
        return online == needed or tolerated or (self.name == "thrifty" and online > needed)

    @property
    def is_asked(self) -> bool:
        """Whether it was asked for a vCPU that it still has."""
        return bool(self._asked_wall_s)

    def forget_requests(self) -> None:
        """Be as a guest that was not asked for any vCPU."""
        self._asked_wall_s.clear()

    def _plugged(self, plugged: int) -> None:
        self.acts.append(Act(time.time(), "plug", plugged - 1, plugged))
        with self.guest.turn:
            self.guest.plug(self.qemu.plugged)  # another may have gone while it waited for its turn

    def _asked_back(self, slot: int) -> None:
        now_wall_s = time.time()
        if slot not in self._asked_wall_s:
            beside_since_s = max(self._asked_wall_s.values(), default=None)
            plugged = self.qemu.plugged
            self.acts.append(Act(now_wall_s, "ask back", plugged, plugged - 1, beside_since_s))
        else:
            plugged = self.qemu.plugged
            self.acts.append(Act(now_wall_s, "ask again", plugged, plugged - 1, self._asked_wall_s[slot]))
        self._asked_wall_s[slot] = now_wall_s
        if self.gives_back:
            eject = threading.Timer(EJECT_S, self._eject, (slot,))
            self._ejects.append(eject)
            eject.start()

    def _eject(self, slot: int) -> None:
        with self.guest.turn:
            if self._asked_wall_s.pop(slot, None) is None:
                return  # it was asked twice, and has done it
            self.gone += 1
            self.guest.unplug(slot)
            self.qemu.unplug(slot)
