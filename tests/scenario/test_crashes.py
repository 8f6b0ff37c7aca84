"""The real service, killed at every step of its journal and at random moments: nothing is doubled or lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.crash_lab import CrashLab

STEPS = 50
"""The first tick of four guests and the second, with the changes that it begins, are about so many."""
KILLS = 100
LONGEST_LIFE_S = 0.6
"""The changes of a life begin after about 0.3 s."""


@pytest.mark.timeout(240)
def test_a_service_killed_at_each_step_of_its_journal_doubles_and_loses_nothing(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=4) as lab:
        broken = {step: found for step in range(1, STEPS + 1) if (found := lab.live(for_s=1.5, dies_at=step))}
        assert broken == {}
        assert lab.converge() == []
        assert lab.acts > 20


@pytest.mark.timeout(240)
def test_a_service_killed_at_random_moments_doubles_and_loses_nothing(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=5) as lab:
        broken = {
            kill: found
            for kill in range(KILLS)
            if (found := lab.live(for_s=lab.chance.uniform(0.05, LONGEST_LIFE_S)))
        }
        assert broken == {}
        assert lab.converge() == []
        assert lab.acts > KILLS / 2


def test_an_act_without_an_intent_would_be_noticed(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=6) as lab:
        for guest in lab.guests:
            guest.load(3.6)
        assert lab.converge() == []
        lab.guests[1].qemu.plug_next()
        assert any("5 device_add for 6" in found for found in lab.violations())
        with closing(sqlite3.connect(tmp_path / "state/journal.sqlite")) as db, db:
            db.execute("DELETE FROM operations")
        lab.guests[1].guest.execute("guest-set-vcpus", {"vcpus": [{"logical-id": 1, "online": False}]})
        assert any("was not intended" in found for found in lab.violations())
