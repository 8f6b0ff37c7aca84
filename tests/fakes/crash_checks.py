"""What must hold of a service that was killed, by what its guests, its journal and its audit log say."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path

from autoscaler.service.audit_chain import read_line
from autoscaler.service.audit_files import lines_of
from autoscaler.service.audit_verify import verified
from autoscaler.service.journal_audit import head_in
from autoscaler.service.journal_schema import SCHEMA_VERSION, schema_of
from tests.fakes.crash_guests import MOST_VCPUS, Act, Inhabitant
from tests.fakes.crash_records import Intent, ends, intents_of, ran, taken_for_others, wrong_decisions

SHRINKS_PER_DAY = 4
"""Of the guest called thrifty."""
LATE_S = 0.3
"""An act that a life had begun may still be carried out so long after the next life's begin."""
_ORDERS = frozenset({"qmp_capabilities", "device_add", "device_del"})
"""All that a QEMU is ever told."""


class CrashChecks:
    """The checks, with a count of what they saw."""

    def __init__(self, state: Path, guests: Sequence[Inhabitant]) -> None:
        """`state`: the service's state directory."""
        self._state = state
        self._guests = guests
        self.acts = 0
        """How many acts were checked so far."""
        self.asked_back = 0
        """How many of them were vCPUs asked back."""
        self.cuts = 0
        """How often a line of the audit log was seen that had been cut short."""
        self._lives: list[float] = []
        """When each life began, on the wall clock."""
        self._ended_wall_s = math.inf
        """When the last one was over; infinite while one goes on."""

    @property
    def lives(self) -> int:
        """How many lives there were."""
        return len(self._lives)

    def life_begins(self) -> None:
        """What is done from now on, a service does."""
        self._ended_wall_s = math.inf
        self._lives.append(time.time())

    def life_ended(self) -> None:
        """What is done from now on, no service does."""
        self._ended_wall_s = time.time()

    def violations(self) -> Iterator[str]:
        """What does not hold now, a sentence each."""
        journal = self._state / "journal.sqlite"
        with closing(sqlite3.connect(journal if journal.exists() else ":memory:")) as db:
            if schema_of(db) < SCHEMA_VERSION:  # killed before it had one
                yield from (
                    f"{guest.name}: {guest.acts} without a journal" for guest in self._guests if guest.acts
                )
                return
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                yield "the journal is damaged"
            yield from self._unaudited(db)
            yield from taken_for_others(db)
            yield from wrong_decisions(db)
            for guest in self._guests:
                yield from (
                    f"{guest.name}: {broken}" for broken in self._broken(guest, intents_of(db, guest.uuid))
                )

    def _unaudited(self, db: sqlite3.Connection) -> Iterator[str]:
        """What the audit log lacks of what the journal has, and what is wrong with its chain."""
        folder = self._state / "audit"
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
            if act.wall_s > self._ended_wall_s + LATE_S:
                yield f"{act} came when no service ran any more"
            if not self._is_intended(act, guest, intents):
                yield f"{act} was not intended by any of {intents[-3:]}"
        guest.acts.clear()

    def _is_intended(self, act: Act, guest: Inhabitant, intents: list[Intent]) -> bool:
        begun_s = max((life for life in self._lives if life <= act.wall_s), default=0.0)
        earlier_s = max((life for life in self._lives if life < begun_s), default=0.0)
        since_s = max(guest.booted_wall_s, earlier_s if act.wall_s - begun_s < LATE_S else begun_s)
        before = [intent for intent in intents if since_s <= intent.wall_s <= act.wall_s]
        if not before:
            return False
        newest = before[-1]
        if act.kind in {"ask back", "ask again"}:
            # It may have been on its way to the guest when a growth began.
            early = [i for i in before if i.direction == "unplug" or act.wall_s - i.wall_s > LATE_S]
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
