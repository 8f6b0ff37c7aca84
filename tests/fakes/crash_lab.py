"""Scripted guests under a service that is killed again and again, and what must hold whenever it was.

Every guest keeps a record of its own of what was done to it. Against that, and against the journal, the
invariants are checked: no act without an intent that was written before it, none done twice, none taken for
somebody else's, the bounds and the day's shrinks kept, no vCPU asked back beside another one, none taken from
a guest that is silent, nothing done to a guest by the end of the service itself, and in the end the vCPUs
that the load needs, whatever was asked back before. While a life goes on a second service is refused its
state, and a policy file that is broken meanwhile is told by its place and changes nothing.
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
from itertools import combinations
from pathlib import Path
from typing import Any, Self, cast

from autoscaler.service.audit_chain import read_line
from autoscaler.service.audit_files import lines_of
from autoscaler.service.audit_verify import verified
from autoscaler.service.control_client import ask_control
from autoscaler.service.journal_audit import head_in
from autoscaler.service.journal_schema import SCHEMA_VERSION, schema_of
from autoscaler.service.state_folder import StateDirectory
from tests.fakes.crash_guests import MOST_VCPUS, UTILIZATION_RATIO, Act, Inhabitant
from tests.fakes.crash_records import Intent, ends, intents_of, ran, taken_for_others, wrong_decisions
from tests.fakes.mortal_service import MortalService

SHRINKS_PER_DAY = 4
LOADS = (0.2, 1.2, 2.4, 64.0)
"""In vCPUs; the last is more than any guest may have."""
MOST_LOAD = 3.6
"""The most that fits."""
_CONVERGED_WITHIN_S = 20.0
_SLOWEST_S = 2.0
"""No life is made longer for a machine that is busier than that."""
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
_BROKEN_POLICY = _POLICY.replace("per_day: 10000", "per_day: lots", 1)
GIVES_BACK_RATIO = 0.7
"""Of the lives, those in which the guest that is asked for vCPUs lets them go."""
SILENT_RATIO = 0.1
"""Of the guests' lives, those in which the agent says nothing from the beginning."""
_MEDDLED_RATIO = 0.5
"""Of the lives, those that a second service and a broken policy file come beside."""
_WATCHED_RATIO = 0.1
"""Of the lives, those whose guests are watched for a while after the end."""
_ORDERS = frozenset({"qmp_capabilities", "device_add", "device_del"})
"""All that a QEMU is ever told."""


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
        self._write_policy(_POLICY)
        self.acts = 0
        """How many acts were checked so far."""
        self.asked_back = 0
        """How many of them were vCPUs asked back."""
        self.meddled = 0
        """Beside how many lives a second service was refused, and a broken policy file told of."""
        self.cuts = 0
        """How often a line of the audit log was seen that had been cut short."""
        self.killed = False
        """Whether the last life was killed, and not asked to end."""
        self._lives: list[float] = []
        """When each life began, on the wall clock."""
        self._ended_wall_s = math.inf
        """When the last one was over; infinite while one goes on."""
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
        """How long a life takes now until its first change; `_SLOWEST_S` at most.

        To be asked again and again, for a machine may become busy.
        """
        changed = self.guests[1]
        if self._lives:
            changed.stop()
            changed.boot()
        for guest in self.guests:
            guest.load(MOST_LOAD)
        self._begin()
        begun_s = time.monotonic()  # what it took until everything was loaded is no part of a life
        while not changed.acts:
            assert time.monotonic() < begun_s + _CONVERGED_WITHIN_S, self.service.log.read_text()
            time.sleep(0.005)
        took_s = time.monotonic() - begun_s
        self.service.end(signal.SIGKILL)
        return min(took_s, _SLOWEST_S)

    def live(
        self,
        *,
        for_s: float,
        dies_at: int | None = None,
        ends_by: signal.Signals = signal.SIGKILL,
        asks_back: bool = False,
    ) -> list[str]:
        """One life under another load, ended at a step of its journal or after a time; what it broke.

        `asks_back`: the time counts from when a guest is asked for a vCPU, however long that takes.

        Raises:
            LifeEnded: nothing that was done here ended it.
        """
        for guest in self.guests:
            guest.load(self.chance.choice(LOADS))
            guest.silence(silent=self.chance.random() < SILENT_RATIO)
        self.giving.gives_back = self.chance.random() < GIVES_BACK_RATIO
        self._begin(dies_at=dies_at)
        if asks_back:
            self.giving.silence(silent=False)
            self._ask_back()
        found, ends_s = [], time.monotonic() + for_s
        if dies_at is None and self.chance.random() < _MEDDLED_RATIO:
            found = list(self._meddle(until_s=ends_s))
        self._end(ends_by, after_s=max(0.0, ends_s - time.monotonic()))
        self._write_policy(_POLICY)
        # What was sent before the kill is carried out by those that it was sent to.
        time.sleep(2 * _LATE_S if self.chance.random() < _WATCHED_RATIO else 0.02)
        found += self.violations()
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
        for guest in self.guests:
            guest.silence(silent=False)
        self._begin()
        asked = self._ask_back()
        giving.load(MOST_LOAD)
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

    def _ask_back(self) -> bool:
        """Have a guest grow and need little again; whether it was asked for a vCPU."""
        self.giving.load(MOST_LOAD)
        self._wait(lambda: self.giving.has_what_it_needs)
        self.giving.load(LOADS[0])
        return self._wait(lambda: self.giving.is_asked)

    def _begin(self, *, dies_at: int | None = None) -> None:
        self._ended_wall_s = math.inf
        self._lives.append(time.time())
        self.service.begin(dies_at=dies_at)

    def _write_policy(self, text: str) -> None:
        """Write the policy file as editors do, so that nobody reads half of it."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / "policy.yaml")

    def _meddle(self, *, until_s: float) -> Iterator[str]:
        """Start a second service over the same state, and break the policy file; what of it went wrong."""
        while not self.service.works:
            if time.monotonic() >= until_s or self.service.is_over:
                return
            time.sleep(0.01)
        try:
            self.service.second()
        except StateDirectory as refused:
            if "another autoscaler already uses" not in str(refused):
                yield f"a second service was told: {refused}"
        else:
            yield "a second service was not refused the state of the first"
        self._write_policy(_BROKEN_POLICY)
        told = cast("Any", ask_control(self.folder / "state" / "control.sock", "reload"))
        places = {(error["line"], error["column"]) for error in told["errors"]}
        if told["in_force"] or places != {_place_of("lots", _BROKEN_POLICY)}:
            yield f"a broken policy file was told as {told}"
        self.meddled += 1

    def _wait(self, holds: Callable[[], bool]) -> bool:
        """Whether it came to hold in time, and while the service lived."""
        end_s = time.monotonic() + _CONVERGED_WITHIN_S
        while time.monotonic() < end_s and not holds() and not self.service.is_over:
            time.sleep(0.05)
        return holds()

    def _end(self, by: signal.Signals, *, after_s: float = 0.0) -> None:
        """End a life, unless a step of its journal does."""
        status = self.service.end(by, after_s=after_s)
        self._ended_wall_s = time.time()
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
            yield from taken_for_others(db)
            yield from wrong_decisions(db)
            for guest in self.guests:
                yield from (
                    f"{guest.name}: {broken}" for broken in self._broken(guest, intents_of(db, guest.uuid))
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

    def _broken(self, guest: Inhabitant, intents: list[Intent]) -> Iterator[str]:
        online, plugged = len(guest.guest.online), guest.qemu.plugged
        if not 1 <= online <= plugged <= MOST_VCPUS:
            yield f"{online} online of {plugged} plugged"
        if guest.orders - _ORDERS:
            yield f"its QEMU was told {guest.orders - _ORDERS}"
        added = [arguments for command, arguments in guest.qemu.heard if command == "device_add"]
        if len(added) - guest.gone != plugged - 1:
            yield f"{len(added)} device_add for {plugged - 1} vCPUs, and {guest.gone} that went"
        shrinks = sum(intent.direction != "up" for intent in intents)
        if guest.name == "thrifty" and shrinks > SHRINKS_PER_DAY:
            yield f"{shrinks} shrinks in a day"
        if any(ends(later, intent) for intent, later in combinations(intents, 2) if intent.open):
            yield "an operation was left open though another began in its way"
        for intent in intents:
            if intent.direction != "unplug" and intent.outcome == "done" and not ran(guest, intent):
                yield f"{intent} is on record as done, and the guest never ran so many"
        yield from self._broken_acts(guest, intents)

    def _broken_acts(self, guest: Inhabitant, intents: list[Intent]) -> Iterator[str]:
        for act in list(guest.acts):
            self.acts += 1
            self.asked_back += act.kind == "ask back"
            if act.wall_s > self._ended_wall_s + _LATE_S:
                yield f"{act} came when no service ran any more"
            if not self._is_intended(act, guest, intents):
                yield f"{act} was not intended by any of {intents[-3:]}"
        guest.acts.clear()

    def _is_intended(self, act: Act, guest: Inhabitant, intents: list[Intent]) -> bool:
        begun_s = max((life for life in self._lives if life <= act.wall_s), default=0.0)
        earlier_s = max((life for life in self._lives if life < begun_s), default=0.0)
        since_s = max(guest.booted_wall_s, earlier_s if act.wall_s - begun_s < _LATE_S else begun_s)
        before = [intent for intent in intents if since_s <= intent.wall_s <= act.wall_s]
        if not before:
            return False
        newest = before[-1]
        if act.kind in {"ask back", "ask again"}:
            # It may have been on its way to the guest when a growth began.
            early = [i for i in before if i.direction == "unplug" or act.wall_s - i.wall_s > _LATE_S]
            newest = early[-1] if early else newest
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


def _place_of(word: str, text: str) -> tuple[int, int]:
    """The line and the column at which a word stands, counted from 1."""
    before = text[: text.index(word)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
