"""The real service, killed at every step of its journal and at random moments: nothing is doubled or lost."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench import trust
from tests.fakes import crash_lab
from tests.fakes.crash_guests import EJECT_S
from tests.fakes.crash_lab import CrashLab, LifeEnded

LABS = 5
"""Side by side: a service spends nearly all of its life waiting for the next tick."""
KILLS = 200
PACED_EVERY = 5
"""So many lives are as long as the machine's pace before them asks for."""
ASKED_EVERY = 10
"""One life of so many ends about when a vCPU goes that was asked back, however slow the machine is."""
LONGEST_LIFE = 2.0
"""Times what a life takes until its first change, which is about 0.3 s."""
WHOLE_LIFE = 2.7
"""Long enough for every kind of entry: decisions, changes and their ends, what was learned, the close."""
FEWEST_STEPS = 25
"""So many the start makes alone; a whole life makes about a hundred, on a busy machine fewer."""


def side_by_side(
    folder: Path, kill: Callable[[int, CrashLab], Iterable[str]]
) -> tuple[list[str], int, int, int]:
    """Have each of some labs kill its share.

    Returns what that broke in any of them, how many acts there were, how many of those asked a vCPU back, and
    how many lives were meddled with.
    """

    def share(number: int) -> tuple[list[str], int, int, int]:
        home = folder / str(number)
        home.mkdir()
        with CrashLab(home, seed=number) as lab:
            found = [*kill(number, lab), *lab.converge()]
            return (
                [f"lab {number}: {broken}" for broken in found],
                lab.checks.acts,
                lab.checks.asked_back,
                lab.meddled,
            )

    with ThreadPoolExecutor(LABS) as pool:
        shares = list(pool.map(share, range(LABS)))
    broken, acts, asked_back, meddled = zip(*shares, strict=True)
    return [each for found in broken for each in found], sum(acts), sum(asked_back), sum(meddled)


@pytest.mark.timeout(480)
def test_a_service_killed_at_each_step_of_its_journal_doubles_and_loses_nothing(tmp_path: Path) -> None:
    steps: list[int] = []
    cuts: list[int] = []

    def kill_at_each(number: int, lab: CrashLab) -> Iterable[str]:
        """Every `LABS`th step, until lives come to their own end without having got so far."""
        step, survived, whole_s = number + 1, 0, WHOLE_LIFE * lab.pace_s()
        while survived < 3:
            for found in lab.live(for_s=whole_s, dies_at=step, ends_by=signal.SIGTERM):
                yield f"step {step}: {found}"
            survived = 0 if lab.killed else survived + 1
            step += LABS
            if survived:
                whole_s = WHOLE_LIFE * lab.pace_s()  # it may only have been slow
        steps.append(step)
        cuts.append(lab.checks.cuts)

    broken, acts, asked_back, _ = side_by_side(tmp_path, kill_at_each)
    assert broken == []
    assert min(steps) > FEWEST_STEPS
    assert sum(cuts) > 0
    assert acts > FEWEST_STEPS
    assert asked_back > 0


@pytest.mark.timeout(480)
def test_a_service_killed_at_random_moments_doubles_and_loses_nothing(tmp_path: Path) -> None:
    def kill(_: int, lab: CrashLab) -> Iterable[str]:
        for number in range(KILLS // LABS):
            if number % PACED_EVERY == 0:
                longest_s = LONGEST_LIFE * lab.pace_s()
            asks_back = number % ASKED_EVERY == 0
            for_s = lab.chance.uniform(0.0, 2 * EJECT_S) if asks_back else lab.chance.uniform(0.05, longest_s)
            for found in lab.live(for_s=for_s, asks_back=asks_back):
                yield f"kill {number}: {found}"

    broken, acts, asked_back, meddled = side_by_side(tmp_path, kill)
    assert broken == []
    assert acts > KILLS / 4
    assert asked_back > KILLS / 20
    assert meddled > KILLS / 20


def test_an_act_without_an_intent_would_be_noticed(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=6) as lab:
        for guest in lab.guests:
            guest.load(3.6)
        assert lab.converge() == []
        lab.guests[1].qemu.plug_next()
        assert any("5 device_add for 6" in found for found in lab.checks.violations())
        with closing(sqlite3.connect(tmp_path / "state/journal.sqlite")) as db, db:
            db.execute("DELETE FROM operations")
        lab.guests[1].guest.execute("guest-set-vcpus", {"vcpus": [{"logical-id": 1, "online": False}]})
        assert any("was not intended" in found for found in lab.checks.violations())


def test_what_breaks_a_rule_would_be_noticed_though_it_was_intended(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=9) as lab:
        assert lab.converge() == []
        for change, told in (
            ("act = 1, next_vcpus = online, inputs = '{\"missing\": {}}'", "took vCPUs on missing data"),
            ("target = 7", "left the bounds of their policy"),
            ("policy_digest = 'broken'", "were made by another policy than the good one"),
        ):
            with closing(sqlite3.connect(tmp_path / "state/journal.sqlite")) as db, db:
                db.execute(f"UPDATE decisions SET {change} WHERE id = (SELECT max(id) FROM decisions)")
            assert any(told in found for found in lab.checks.violations())
        lab.guests[1].qemu.heard.append(("system_reset", {}))
        assert any("its QEMU was told {'system_reset'}" in found for found in lab.checks.violations())
        time.sleep(0.4)
        lab.giving.qemu.on_unplug(1)
        assert any("when no service ran any more" in found for found in lab.checks.violations())


def test_a_second_service_that_is_let_in_and_a_policy_that_is_not_refused_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_lab, "_MEDDLED_RATIO", 1.0)
    monkeypatch.setattr(crash_lab, "_BROKEN_POLICY", crash_lab._POLICY + "# lots of comment\n")
    with CrashLab(tmp_path, seed=10) as lab:
        monkeypatch.setattr(lab.service, "second", lambda: None)
        found = lab.live(for_s=5.0)
    assert any("a second service was not refused" in sentence for sentence in found)
    assert any("a broken policy file was told as" in sentence for sentence in found)


def asked_back_wrongly(lab: CrashLab) -> list[str]:
    return [found for found in lab.checks.violations() if "ask back" in found]


def test_a_vcpu_asked_back_without_an_intent_or_beside_another_would_be_noticed(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=7) as lab:
        assert lab.converge() == []
        lab.giving.qemu.on_unplug(4)
        assert asked_back_wrongly(lab)
        with closing(sqlite3.connect(tmp_path / "state/journal.sqlite")) as db, db:
            db.execute("UPDATE operations SET direction = 'unplug', to_vcpus = 1")
        lab.giving.qemu.on_unplug(3)
        assert asked_back_wrongly(lab)
        lab.giving.forget_requests()
        lab.giving.qemu.on_unplug(2)
        assert not asked_back_wrongly(lab)


def test_a_life_that_ends_by_itself_is_an_error_and_not_a_life_that_broke_nothing(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=8) as lab:
        (tmp_path / "policy.yaml").write_text("version: none\n")
        with pytest.raises(LifeEnded, match=r"policy\.yaml"):
            lab.live(for_s=10.0)
        with pytest.raises(LifeEnded):
            lab.converge()


def test_the_benchmark_has_no_figure_of_lives_that_changed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "KILLS", 1)
    monkeypatch.setattr(trust, "LONGEST_LIFE_S", 0.05)
    with pytest.raises(RuntimeError, match="nothing was changed in 1 lives"):
        trust.crash(lambda _: None)
