"""Scripted guests under a service that is killed again and again, and what must hold whenever it was.

Every guest keeps a record of its own of what was done to it. Against that, and against the journal, the
invariants are checked: no act without an intent that was written before it, none done twice, none taken for
somebody else's, the bounds and the day's shrinks kept, and in the end the vCPUs that the load needs.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import NAMESPACE_URL, uuid5

from autoscaler.service.journal_schema import schema_of
from tests.fakes.mortal_service import MortalService
from tests.fakes.scripted_agent import ScriptedAgent
from tests.fakes.scripted_guest import Arguments, ScriptedGuest
from tests.fakes.scripted_qmp import ScriptedQmp

MAXIMUM = 8
MOST_VCPUS = 6
UTILIZATION_RATIO = 0.7
TOLERANCE_RATIO = 0.1
SHRINKS_PER_DAY = 4
LOADS = (0.2, 1.2, 2.4, 3.6)
_CONVERGED_WITHIN_S = 20.0
_LATE_S = 0.3
"""An act that a life had begun may still be carried out so long after the next life's begin."""

_POLICY = f"""\
version: 1
policies:
  - name: thrifty
    match: {{name: ["thrifty"]}}
    vcpus: {{min: 1, max: {MOST_VCPUS}}}
    strategy: {{target: {{utilization: {UTILIZATION_RATIO:.0%}, tolerance: 10%, hold: 0s}}}}
    limits: {{up: {{cooldown: 0s}}, down: {{step: 1, cooldown: 0s, per_day: {SHRINKS_PER_DAY}}}}}
  - name: quick
    match: {{name: ["quick-*"]}}
    vcpus: {{min: 1, max: {MOST_VCPUS}}}
    strategy: {{target: {{utilization: {UTILIZATION_RATIO:.0%}, tolerance: 10%, hold: 0s}}}}
    limits: {{up: {{cooldown: 0s}}, down: {{step: 1, cooldown: 0s, per_day: 10000}}}}
"""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a guest or its QEMU did because it was asked to."""

    wall_s: float
    kind: str
    """``plug`` or ``online``."""
    before: int
    after: int


class RecordingGuest(ScriptedGuest):
    """A guest that notes every change of its online vCPUs."""

    acts: list[Act]

    def execute(self, command: str, arguments: Arguments) -> object:
        before = len(self.online)
        answer = super().execute(command, arguments)
        if len(self.online) != before:
            self.acts.append(Act(time.time(), "online", before, len(self.online)))
        return answer


@dataclass
class Inhabitant:
    """One domain through all its boots."""

    name: str
    folder: Path
    acts: list[Act] = field(default_factory=list)
    booted_wall_s: float = 0.0

    @property
    def uuid(self) -> str:
        return str(uuid5(NAMESPACE_URL, self.name))

    def boot(self) -> None:
        """Start with one vCPU, the first time or anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.acts.clear()
        self.booted_wall_s = time.time()
        self.guest = RecordingGuest()
        self.guest.acts = self.acts
        self.qemu = ScriptedQmp(
            path=self.folder / "qmp.sock", uuid=self.uuid, maximum=MAXIMUM, on_plug=self._plugged
        )
        self.agent = ScriptedAgent(path=self.folder / "agent.sock", guest=self.guest)
        self.qemu.start()
        self.agent.start()

    def stop(self) -> None:
        self.agent.stop()
        self.qemu.stop()

    def load(self, vcpus: float) -> None:
        self.guest.proc_stat()  # what was wanted so far is accounted for first
        self.guest.load_vcpus = vcpus

    @property
    def has_what_it_needs(self) -> bool:
        online, load = len(self.guest.online), self.guest.load_vcpus
        needed = min(MOST_VCPUS, max(1, math.ceil(load / UTILIZATION_RATIO)))
        tolerated = abs(load / online - UTILIZATION_RATIO) <= TOLERANCE_RATIO * UTILIZATION_RATIO
        return online == needed or tolerated or (self.name == "thrifty" and online > needed)

    def _plugged(self, plugged: int) -> None:
        self.acts.append(Act(time.time(), "plug", plugged - 1, plugged))
        self.guest.plug(plugged)


@dataclass(frozen=True, slots=True)
class _Intent:
    wall_s: float
    to_vcpus: int
    up: bool
    open: bool


class CrashLab:
    """Guests in a folder, a service over them, and the checks."""

    def __init__(self, folder: Path, *, seed: int, guests: int = 4) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.guests = [
            Inhabitant(name, folder / "guests" / name)
            for name in ("thrifty", *(f"quick-{number}" for number in range(1, guests)))
        ]
        (folder / "policy.yaml").write_text(_POLICY)
        self.acts = 0
        """How many acts were checked so far."""
        self.killed = False
        """Whether the last life was killed, and not asked to end."""
        self._lives: list[float] = []
        """When each life began, on the wall clock."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for guest in self.guests:
            guest.boot()
            self._stack.callback(guest.stop)
        self.service = self._stack.enter_context(MortalService(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pace_s(self) -> float:
        """How long a life takes until its first change, on a busy machine longer; 0.6 s at most."""
        for guest in self.guests:
            guest.load(LOADS[-1])
        self._lives.append(time.time())
        begun_s = time.monotonic()
        self.service.begin()
        while not any(guest.acts for guest in self.guests):
            assert time.monotonic() < begun_s + _CONVERGED_WITHIN_S, self.service.log.read_text()
            time.sleep(0.005)
        took_s = time.monotonic() - begun_s
        self.service.end(signal.SIGKILL)
        return min(took_s, 0.6)

    def live(
        self, *, for_s: float, dies_at: int | None = None, ends_by: signal.Signals = signal.SIGKILL
    ) -> list[str]:
        """One life under another load, ended at a step of its journal or after a time; what it broke."""
        for guest in self.guests:
            guest.load(self.chance.choice(LOADS))
        self._lives.append(time.time())
        self.service.begin(dies_at=dies_at)
        self.killed = os.WIFSIGNALED(self.service.end(ends_by, after_s=for_s))
        time.sleep(0.02)  # what was sent before the kill is carried out by those that it was sent to
        found = list(self.violations())
        for guest in self.guests:
            if guest.qemu.plugged >= MOST_VCPUS and self.chance.random() < 0.5:
                guest.stop()
                guest.boot()
        return found

    def converge(self) -> list[str]:
        """A last life that is not killed: what it broke, and which guest it left without what it needs."""
        self._lives.append(time.time())
        self.service.begin()
        end_s = time.monotonic() + _CONVERGED_WITHIN_S
        while time.monotonic() < end_s and not all(guest.has_what_it_needs for guest in self.guests):
            time.sleep(0.05)
        found = [
            f"{guest.name} runs {sorted(guest.guest.online)} of {guest.qemu.plugged} vCPUs under a load of "
            f"{guest.guest.load_vcpus}"
            for guest in self.guests
            if not guest.has_what_it_needs
        ]
        self.service.end(signal.SIGTERM)
        return [*found, *self.violations()]

    def violations(self) -> Iterator[str]:
        """What does not hold now, a sentence each."""
        journal = self.folder / "state" / "journal.sqlite"
        with closing(sqlite3.connect(journal if journal.exists() else ":memory:")) as db:
            if schema_of(db) == 0:  # killed before it had one
                yield from (
                    f"{guest.name}: {guest.acts} without a journal" for guest in self.guests if guest.acts
                )
                return
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                yield "the journal is damaged"
            by_hand = db.execute(
                "SELECT count(*) FROM decisions WHERE reason = 'changed-by-hand'"
            ).fetchone()[0]
            if by_hand:
                yield f"{by_hand} decisions took a change of the service's own for somebody else's"
            for guest in self.guests:
                yield from (
                    f"{guest.name}: {broken}" for broken in self._broken(guest, _intents(db, guest.uuid))
                )

    def _broken(self, guest: Inhabitant, intents: list[_Intent]) -> Iterator[str]:
        online, plugged = len(guest.guest.online), guest.qemu.plugged
        if not 1 <= online <= plugged <= MOST_VCPUS:
            yield f"{online} online of {plugged} plugged"
        added = [arguments for command, arguments in guest.qemu.heard if command == "device_add"]
        if len(added) != plugged - 1:
            yield f"{len(added)} device_add for {plugged - 1} vCPUs"
        shrinks = sum(not intent.up for intent in intents)
        if guest.name == "thrifty" and shrinks > SHRINKS_PER_DAY:
            yield f"{shrinks} shrinks in a day"
        if any(intent.open for intent in intents[:-1]):
            yield "an operation was left open before another began"
        for act in list(guest.acts):
            self.acts += 1
            if not self._is_intended(act, guest, intents):
                yield f"{act} was not intended by any of {intents[-3:]}"
        guest.acts.clear()

    def _is_intended(self, act: Act, guest: Inhabitant, intents: list[_Intent]) -> bool:
        begun_s = max((life for life in self._lives if life <= act.wall_s), default=0.0)
        earlier_s = max((life for life in self._lives if life < begun_s), default=0.0)
        since_s = max(guest.booted_wall_s, earlier_s if act.wall_s - begun_s < _LATE_S else begun_s)
        before = [intent for intent in intents if since_s <= intent.wall_s <= act.wall_s]
        if not before:
            return False
        newest = before[-1]
        if act.after > act.before:
            return newest.up and act.after <= newest.to_vcpus
        return not newest.up and act.after >= newest.to_vcpus


def _intents(db: sqlite3.Connection, uuid: str) -> list[_Intent]:
    rows = db.execute(
        "SELECT o.at_wall_s, o.to_vcpus, o.direction, o.outcome FROM operations o"
        " JOIN decisions d ON d.id = o.decision_id WHERE d.uuid = ? ORDER BY d.id",
        (uuid,),
    )
    return [_Intent(at_s, to, direction == "up", outcome is None) for at_s, to, direction, outcome in rows]
