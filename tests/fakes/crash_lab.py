"""Scripted guests under a service that is killed again and again, and what must hold whenever it was.

Every guest keeps a record of its own of what was done to it. Against that, and against the journal, the
invariants are checked: no act without an intent that was written before it, none done twice, none taken for
somebody else's, the bounds and the day's shrinks kept, no vCPU asked back beside another one, none taken from
a guest that is silent, nothing done to a guest by the end of the service itself, and in the end the vCPUs
that the load needs, whatever was asked back before. While a life goes on a second service is refused its
state, and a policy file that is broken meanwhile is told by its place and changes nothing.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

from autoscaler.service.control_client import ask_control
from autoscaler.service.state_folder import StateDirectory
from tests.fakes.crash_checks import LATE_S, SHRINKS_PER_DAY, CrashChecks
from tests.fakes.crash_guests import MOST_VCPUS, UTILIZATION_RATIO, Inhabitant
from tests.fakes.mortal_service import MortalService

LOADS = (0.2, 1.2, 2.4, 64.0)
"""In vCPUs; the last is more than any guest may have."""
MOST_LOAD = 3.6
"""The most that fits."""
_CONVERGED_WITHIN_S = 20.0
_SLOWEST_S = 2.0
"""No life is made longer for a machine that is busier than that."""
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
        self.checks = CrashChecks(folder / "state", self.guests)
        self._write_policy(_POLICY)
        self.meddled = 0
        """Beside how many lives a second service was refused, and a broken policy file told of."""
        self.killed = False
        """Whether the last life was killed, and not asked to end."""
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
        if self.checks.lives:
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
        time.sleep(2 * LATE_S if self.chance.random() < _WATCHED_RATIO else 0.02)
        found += self.checks.violations()
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
        return [*found, *self.checks.violations()]

    def _ask_back(self) -> bool:
        """Have a guest grow and need little again; whether it was asked for a vCPU."""
        self.giving.load(MOST_LOAD)
        self._wait(lambda: self.giving.has_what_it_needs)
        self.giving.load(LOADS[0])
        return self._wait(lambda: self.giving.is_asked)

    def _begin(self, *, dies_at: int | None = None) -> None:
        self.checks.life_begins()
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
        self.checks.life_ended()
        self.killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        asked_to = by is signal.SIGTERM and status in {0, signal.SIGTERM}  # or before it could listen
        if not (self.killed or asked_to):
            raise LifeEnded(f"with wait status {status}: {self.service.log.read_text()[-2000:]}")


def _place_of(word: str, text: str) -> tuple[int, int]:
    """The line and the column at which a word stands, counted from 1."""
    before = text[: text.index(word)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
