"""Scripted guests under a service that is killed again and again, and what must hold whenever it was.

Every guest keeps a record of its own of what was done to it. Against that, and against the journal, the
invariants are checked: no act without an intent that was written before it, none done twice, none taken for
somebody else's, the bounds and the day's shrinks kept, no vCPU asked back beside another one, and in the end
the vCPUs that the load needs, whatever was asked back before.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Self

from autoscaler.service.audit_chain import read_line
from autoscaler.service.audit_files import lines_of
from autoscaler.service.audit_verify import verified
from autoscaler.service.journal_audit import head_in
from autoscaler.service.journal_schema import SCHEMA_VERSION, schema_of
from tests.fakes.crash_guests import MOST_VCPUS, UTILIZATION_RATIO, Act, Inhabitant
from tests.fakes.mortal_service import MortalService

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
  - name: giving
    match: {{name: ["giving"]}}
    vcpus: {{min: 1, max: {MOST_VCPUS}}}
    strategy: {{target: {{utilization: {UTILIZATION_RATIO:.0%}, tolerance: 10%, hold: 0s}}}}
    limits: {{up: {{cooldown: 0s}}, down: {{step: 1, cooldown: 0s, per_day: 10000, reclaim: unplug}}}}
"""
GIVES_BACK_RATIO = 0.7
"""Of the lives, those in which the guest that is asked for vCPUs lets them go."""


@dataclass(frozen=True, slots=True)
class _Intent:
    wall_s: float
    to_vcpus: int
    direction: str
    """``up``, ``down`` or ``unplug``."""
    outcome: str | None

    @property
    def open(self) -> bool:
        """Whether it is under way, as far as is on record."""
        return self.outcome is None


class LifeEnded(Exception):
    """A life came to its end by itself, and so shows nothing of what a kill breaks."""


class CrashLab:
    """Guests in a folder, a service over them, and the checks."""

    def __init__(self, folder: Path, *, seed: int, guests: int = 4) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.guests = [
            Inhabitant(name, folder / "guests" / name)
            for name in ("thrifty", *(f"quick-{number}" for number in range(1, guests - 1)), "giving")
        ]
        self.giving = self.guests[-1]
        (folder / "policy.yaml").write_text(_POLICY)
        self.acts = 0
        """How many acts were checked so far."""
        self.asked_back = 0
        """How many of them were vCPUs asked back."""
        self.cuts = 0
        """How often a line of the audit log was seen that had been cut short."""
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
        self.service.begin()
        begun_s = time.monotonic()  # what it took until everything was loaded is no part of a life
        while not any(guest.acts for guest in self.guests):
            assert time.monotonic() < begun_s + _CONVERGED_WITHIN_S, self.service.log.read_text()
            time.sleep(0.005)
        took_s = time.monotonic() - begun_s
        self.service.end(signal.SIGKILL)
        return min(took_s, 0.6)

    def live(
        self, *, for_s: float, dies_at: int | None = None, ends_by: signal.Signals = signal.SIGKILL
    ) -> list[str]:
        """One life under another load, ended at a step of its journal or after a time; what it broke.

        Raises:
            LifeEnded: nothing that was done here ended it.
        """
        for guest in self.guests:
            guest.load(self.chance.choice(LOADS))
        self.giving.gives_back = self.chance.random() < GIVES_BACK_RATIO
        self._lives.append(time.time())
        self.service.begin(dies_at=dies_at)
        self._end(ends_by, after_s=for_s)
        time.sleep(0.02)  # what was sent before the kill is carried out by those that it was sent to
        found = list(self.violations())
        for guest in self.guests:
            if guest.qemu.plugged >= MOST_VCPUS and self.chance.random() < 0.5:
                guest.stop()
                guest.boot()
        return found

    def converge(self) -> list[str]:
        """A last life that is not killed: what it broke, and which guest it left without what it needs.

        One guest is asked for a vCPU, keeps it, and needs it again: an open removal is to block no growth.

        Raises:
            LifeEnded: not in order.
        """
        giving = self.giving
        giving.gives_back = False
        self._lives.append(time.time())
        self.service.begin()
        giving.load(LOADS[-1])
        self._wait(lambda: giving.has_what_it_needs)
        giving.load(LOADS[0])
        asked = self._wait(lambda: giving.is_asked)
        giving.load(LOADS[-1])
        self._wait(lambda: all(guest.has_what_it_needs for guest in self.guests))
        found = [] if asked else [f"{giving.name} was never asked for a vCPU"]
        found += [
            f"{guest.name} runs {sorted(guest.guest.online)} of {guest.qemu.plugged} vCPUs under a load of "
            f"{guest.guest.load_vcpus}"
            for guest in self.guests
            if not guest.has_what_it_needs
        ]
        self._end(signal.SIGTERM)
        return [*found, *self.violations()]

    def _wait(self, holds: Callable[[], bool]) -> bool:
        """Whether it came to hold in time, and while the service lived."""
        end_s = time.monotonic() + _CONVERGED_WITHIN_S
        while time.monotonic() < end_s and not holds() and not self.service.is_over:
            time.sleep(0.05)
        return holds()

    def _end(self, by: signal.Signals, *, after_s: float = 0.0) -> None:
        """End a life, unless a step of its journal does."""
        status = self.service.end(by, after_s=after_s)
        self.killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        asked_to = by is signal.SIGTERM and status in {0, signal.SIGTERM}  # or before it could listen
        if not (self.killed or asked_to):
            raise LifeEnded(f"with wait status {status}: {self.service.log.read_text()[-2000:]}")

    def violations(self) -> Iterator[str]:
        """What does not hold now, a sentence each."""
        journal = self.folder / "state" / "journal.sqlite"
        with closing(sqlite3.connect(journal if journal.exists() else ":memory:")) as db:
            if schema_of(db) < SCHEMA_VERSION:  # killed before it had one
                yield from (
                    f"{guest.name}: {guest.acts} without a journal" for guest in self.guests if guest.acts
                )
                return
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                yield "the journal is damaged"
            yield from self._unaudited(db)
            by_hand = db.execute(
                "SELECT count(*) FROM decisions WHERE reason = 'changed-by-hand'"
            ).fetchone()[0]
            if by_hand:
                yield f"{by_hand} decisions took a change of the service's own for somebody else's"
            for guest in self.guests:
                yield from (
                    f"{guest.name}: {broken}" for broken in self._broken(guest, _intents(db, guest.uuid))
                )

    def _unaudited(self, db: sqlite3.Connection) -> Iterator[str]:
        """What the audit log lacks of what the journal has, and what is wrong with its chain."""
        folder = self.folder / "state" / "audit"
        for finding in verified(lines_of(folder), {"the journal": head_in(db)}).findings:
            yield f"audit: {finding.fault} {finding.place} {finding.sentence}"
        lines = [read_line(line) for line, _ in lines_of(folder)]
        told: dict[object, set[object]] = {"began": set(), "ended": set()}
        for line in lines:
            if line is not None:
                told.setdefault(line["what"], set()).add(line.get("decision_id"))
                self.cuts += line["what"] == "torn"
        for row, outcome in db.execute("SELECT decision_id, outcome FROM operations"):
            if row not in told["began"]:
                yield f"audit: change {row} is in the journal alone"
            if outcome is not None and row not in told["ended"]:
                yield f"audit: the end of change {row}, {outcome}, is in the journal alone"

    def _broken(self, guest: Inhabitant, intents: list[_Intent]) -> Iterator[str]:
        online, plugged = len(guest.guest.online), guest.qemu.plugged
        if not 1 <= online <= plugged <= MOST_VCPUS:
            yield f"{online} online of {plugged} plugged"
        added = [arguments for command, arguments in guest.qemu.heard if command == "device_add"]
        if len(added) - guest.gone != plugged - 1:
            yield f"{len(added)} device_add for {plugged - 1} vCPUs, and {guest.gone} that went"
        shrinks = sum(intent.direction != "up" for intent in intents)
        if guest.name == "thrifty" and shrinks > SHRINKS_PER_DAY:
            yield f"{shrinks} shrinks in a day"
        if any(_ends(later, intent) for intent, later in combinations(intents, 2) if intent.open):
            yield "an operation was left open though another began in its way"
        for intent in intents:
            if intent.direction != "unplug" and intent.outcome == "done" and not _ran(guest, intent):
                yield f"{intent} is on record as done, and the guest never ran so many"
        for act in list(guest.acts):
            self.acts += 1
            self.asked_back += act.kind == "ask back"
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
        if act.kind == "ask again":
            assert act.beside_since_s is not None
            return newest.direction == "unplug" and act.beside_since_s < newest.wall_s
        if act.kind == "ask back":
            alone = act.beside_since_s is None or any(
                intent.direction == "up" and act.beside_since_s < intent.wall_s <= act.wall_s
                for intent in intents
            )
            return alone and newest.direction == "unplug" and act.after >= newest.to_vcpus
        if act.after > act.before:
            return newest.direction == "up" and act.after <= newest.to_vcpus
        return newest.direction == "down" and act.after >= newest.to_vcpus


def _ran(guest: Inhabitant, intent: _Intent) -> bool:
    """Whether a guest ran what a change asked for since that began; one booted since tells nothing."""
    ran, up = guest.guest.ran, intent.direction == "up"
    if intent.wall_s < guest.booted_wall_s:
        return True
    ends_s = [*(at_s for at_s, _ in ran[1:]), math.inf]
    return any(
        end_s >= intent.wall_s and (online >= intent.to_vcpus if up else online <= intent.to_vcpus)
        for (_, online), end_s in zip(ran, ends_s, strict=True)
    )


def _ends(later: _Intent, earlier: _Intent) -> bool:
    """Whether a change that begins is in the way of one before it: a shrink leaves a removal alone."""
    kinds = {earlier.direction == "unplug", later.direction == "unplug"}
    return len(kinds) == 1 or later.direction == "up"


def _intents(db: sqlite3.Connection, uuid: str) -> list[_Intent]:
    rows = db.execute(
        "SELECT o.at_wall_s, o.to_vcpus, o.direction, o.outcome FROM operations o"
        " JOIN decisions d ON d.id = o.decision_id WHERE d.uuid = ? ORDER BY d.id",
        (uuid,),
    )
    return [_Intent(*row) for row in rows]
