"""Stories on a tape: what was decided is decided again, whatever happened, and nothing else passes for it."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core import adaptive
from autoscaler.core.model import RunState
from autoscaler.core.orders import Order, OrderKind
from autoscaler.core.policy import DownLimits, Match, Policy, PolicySet, Reclaim, Schedule, TargetStrategy
from autoscaler.errors import AgentUnresponsive, OutcomeUnknown
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.strict_replay import StrictReplay, strict_replay
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

ADAPTIVE = Policy(name="web", match=Match(name=("web-*",)), max_vcpus=8)
TARGET = Policy(
    name="db",
    match=Match(name=("db-*",)),
    strategy=TargetStrategy(hold_s=10),
    down=DownLimits(cooldown_s=2, reclaim=Reclaim.UNPLUG),
    schedules=(
        Schedule(
            name="always",
            days=frozenset(range(7)),
            from_minute=0,
            to_minute=1440,
            timezone=ZoneInfo("Europe/Berlin"),
            min_vcpus=1,
        ),
    ),
)


class Site:
    """Two guests under two policies, and a tape running."""

    def __init__(self, folder: Path, *, tape_bytes: int = 1 << 24) -> None:
        clock = SimulatedClock()
        self.web = SimulatedGuest("web-1", clock)
        self.db = SimulatedGuest("db-1", clock)
        self.host = SimulatedHost(clock, [self.web, self.db])
        self.path = folder / "journal.sqlite"
        self.simulation = Simulation(self.host, [ADAPTIVE, TARGET], folder=folder, tape_bytes=tape_bytes)
        self.run = self.simulation.run

    def replayed(self) -> StrictReplay:
        """End the service and replay its tape."""
        self.simulation.face.keep_all()
        self.simulation.journal.close()
        return strict_replay(self.path)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_decision_of_a_growth_and_a_shrink_comes_out_again(site: Site) -> None:
    site.run(5)
    site.web.set(demand=2.7)
    site.db.set(demand=1.9)
    site.run(200)
    site.web.set(demand=0.2)
    site.db.set(demand=0.1)
    site.run(900)
    replayed = site.replayed()
    assert (replayed.difference, replayed.domains) == ("", 2)
    assert replayed.decisions > 2000
    assert replayed.acting >= 4
    assert replayed.seconds > 1100


def test_failures_refusals_reboots_and_lost_replies_come_out_again(site: Site) -> None:
    site.run(3)
    site.web.set(demand=3.0, plug_reply_lost=OutcomeUnknown("lost"))
    site.db.set(demand=2.0, onlines=False)
    site.run(60)
    site.web.set(plug_reply_lost=None, agent_error=AgentUnresponsive("no answer"))
    site.db.set(onlines=True, refuses_removal=True, demand=0.1)
    site.run(120)
    site.web.set(agent_error=None, state=RunState.PAUSED)
    site.run(10)
    site.web.set(state=RunState.RUNNING)
    site.web.reboot()
    site.host.down = "the connection is down"
    site.run(10)
    site.host.down = None
    site.run(60)
    site.host.stop(site.db)
    site.run(10)
    assert site.replayed().difference == ""


def test_orders_and_other_policies_come_out_again(site: Site) -> None:
    controller = site.simulation.face
    order = Order(
        domain=site.web.id,
        name="web-1",
        kind=OrderKind.SET,
        vcpus=3,
        by_uid=0,
        at_wall_s=site.simulation.clock.wall_s(),
    )
    site.run(3)
    controller.give(order)
    site.run(10)
    assert len(site.web.online) == 3
    controller.end_order(site.web.id)
    controller.apply(PolicySet(policies=(replace(ADAPTIVE, min_vcpus=2), TARGET), digest="other"))
    controller.plan(PolicySet())
    site.run(100)
    assert site.replayed().difference == ""


def test_another_way_to_decide_is_found_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run(3)
    site.web.set(demand=2.0)
    site.run(30)
    monkeypatch.setattr(adaptive, "_START_ODDS", -4.0)
    difference = site.replayed().difference
    assert "decided live: domain web-1" in difference or "for domain 'web-1'" in difference


def test_a_tape_that_was_full_is_replayed_to_its_end(tmp_path: Path) -> None:
    site = Site(tmp_path, tape_bytes=40_000)
    site.run(2000)
    replayed = site.replayed()
    assert replayed.difference == ""
    assert 0 < replayed.seconds < 1900


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([["start", {"map": []}]], id="no settings"),
        pytest.param([["start", {"map": [["hosts", 3]]}]], id="settings of another kind"),
        pytest.param([["start", {"bag": []}]], id="a value that is none"),
        pytest.param([["start"]], id="an entry that is none"),
    ],
)
def test_a_damaged_tape_is_told_of_in_a_sentence(tmp_path: Path, entries: list[object]) -> None:
    path = tmp_path / "journal.sqlite"
    journal = SqliteJournal(path)
    journal.wind_on(zlib.compress("\n".join(map(json.dumps, entries)).encode()))
    journal.close()
    with pytest.raises(ValueError, match=r"the tape .*damaged"):
        strict_replay(path)


def test_a_journal_without_a_tape_says_how_to_get_one(tmp_path: Path) -> None:
    site = Site(tmp_path, tape_bytes=0)
    site.run(3)
    with pytest.raises(ValueError, match="tape_mib"):
        site.replayed()
