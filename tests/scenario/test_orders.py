"""Stories of an administrator who pauses, resumes and sets, under the real controller and over restarts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.orders import Order, OrderKind
from autoscaler.core.policy import (
    DownLimits,
    HostShare,
    Match,
    Mode,
    Policy,
    PolicySet,
    TargetStrategy,
)
from autoscaler.core.reason import Reason
from autoscaler.errors import AgentUnresponsive, JournalUnavailable
from autoscaler.service.journal_reader import decision_at, domains_called, events
from autoscaler.service.order_verbs import OrderRefused, OrderVerbs
from autoscaler.service.settings import HostLimits
from autoscaler.service.snapshot import Snapshot
from tests.fakes.examples import PEER
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import ROOMY, Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=10),
    down=DownLimits(step_vcpus=1, cooldown_s=5),
)
BATCH = replace(POLICY, name="batch", match=Match(name=("batch-*",)), host=HostShare(priority=10))
HOUR_S = 3600.0


class Site:
    """Guests of one host, the service over them, and its verbs; the service may be ended and started."""

    def __init__(
        self, folder: Path, *guests: str, policies: tuple[Policy, ...] = (POLICY, BATCH), cpus: int = 64
    ) -> None:
        self.folder = folder
        self.policies = policies
        self.clock = SimulatedClock()
        self.guests = [SimulatedGuest(name, self.clock, maximum=6) for name in guests or ("web-1",)]
        self.guest = self.guests[0]
        self.host = SimulatedHost(self.clock, self.guests)
        self.host.cpus = cpus
        self.limits = ROOMY if cpus == 64 else HostLimits(overcommit=1.0, operations_per_minute=6000)
        self.start()

    def start(self) -> None:
        self.simulation = Simulation(self.host, self.policies, folder=self.folder, limits=self.limits)
        controller = self.simulation.controller
        self.verbs = OrderVerbs(
            newest=self.newest,
            give=controller.give,
            end=lambda domain, _name, _peer: controller.end_order(domain),
            clock=self.clock,
            recall=partial(domains_called, self.simulation.journal._path),
        ).by_name()
        self.run = self.simulation.run

    def newest(self) -> Snapshot:
        """The newest snapshot; of a service that has just started, one of nothing yet."""
        found = self.simulation.snapshots
        return found[-1] if found else Snapshot(wall_s=self.clock.wall_s(), tick=0)

    def end(self, *, killed: bool = False) -> None:
        """End the service, as SIGTERM does or as SIGKILL does."""
        if killed:
            self.simulation.journal._db.close()
        else:
            self.simulation.controller.keep_all()
            self.simulation.journal.close()

    def restart(self, *, away_s: float = 1.0, killed: bool = False) -> None:
        self.end(killed=killed)
        self.clock.now_s += away_s
        self.start()

    def order(self, verb: str, **request: object) -> Mapping[str, object]:
        return self.verbs[verb](request, PEER)

    def reason(self, name: str = "web-1") -> Reason:
        decision = self.simulation.domain(name).decision
        assert decision is not None
        return decision.reason

    def conditions(self, name: str = "web-1") -> dict[Condition, str]:
        return dict(self.simulation.domain(name).conditions)

    def begun(self) -> int:
        return sum(
            event["operation"] is not None for event in events(self.simulation.journal._path, limit=1000)
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.run(3)
    return site


def test_a_paused_domain_is_decided_and_not_touched_and_goes_on_when_resumed(site: Site) -> None:
    answer = site.order("pause", domain="web-1")
    assert answer["recorded"] is True
    assert answer["sentence"] == (
        "domain 'web-1' is paused until resumed by uid 1000: `autoscaler resume web-1` ends that"
    )
    site.guest.set(demand=1.8)
    site.run(20)
    assert site.guest.plugs == []
    decision = site.simulation.domain("web-1").decision
    assert decision is not None
    assert (decision.reason, decision.act, decision.target, decision.next_vcpus) == (
        Reason.PAUSED,
        False,
        3,
        3,
    )
    assert "by uid 1000" in site.conditions()[Condition.PAUSED]
    answer = site.order("resume", domain="web-1")
    assert answer["sentence"] == "domain 'web-1' is no longer paused"
    site.run(4)
    assert len(site.guest.online) == 3
    assert site.conditions() == {}


def test_a_decision_under_a_pause_is_on_record_as_a_recommendation(site: Site) -> None:
    site.order("pause", domain="web-1", for_s=HOUR_S)
    site.guest.set(demand=1.8)
    site.run(5)
    record = decision_at(site.simulation.journal._path, domain="web-1", at_wall_s=None)
    assert record is not None
    assert (record["verdict"], record["act"], record["reason"]) == ("grow", False, "paused")
    assert isinstance(record["inputs"], dict)
    assert record["inputs"]["order"] == "paused until 2027-01-15 09:16:43 UTC by uid 1000"


def test_a_pause_lets_a_change_under_way_end_as_it_is_verified(site: Site) -> None:
    site.guest.set(demand=1.8, lists_after_s=2.0)
    while not site.guest.plugs:
        site.run(0.1)
    answer = site.order("pause", all=True)
    assert answer["notes"] == ["the change under way ends first, as it is verified: web-1"]
    site.run(10)
    assert len(site.guest.online) == 3
    operation = site.simulation.domain("web-1").last_operation
    assert operation is not None
    assert operation.outcome == "done"
    site.guest.set(demand=0.1)
    site.run(60)
    assert len(site.guest.online) == 3


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_a_pause_outlives_the_service_and_a_reload(site: Site, *, killed: bool) -> None:
    site.order("pause", domain="web-1", for_s=HOUR_S)
    site.guest.set(demand=1.8)
    site.restart(killed=killed)
    site.run(10)
    assert (site.guest.plugs, site.reason()) == ([], Reason.PAUSED)
    site.simulation.controller.apply(PolicySet(policies=(replace(POLICY, min_vcpus=2),), digest="new"))
    site.run(10)
    assert site.guest.plugs == []


def test_an_expiry_that_passes_while_the_service_is_away_is_honoured_when_it_starts(site: Site) -> None:
    site.order("pause", domain="web-1", for_s=60.0)
    site.guest.set(demand=1.8)
    site.restart(away_s=61.0)
    assert site.simulation.recorder.orders() == []
    site.run(5)
    assert len(site.guest.online) == 3


def test_an_order_ends_by_itself_at_its_time_on_the_wall_clock(site: Site) -> None:
    site.order("pause", domain="web-1", for_s=HOUR_S)
    site.guest.set(demand=1.8)
    site.run(10)
    site.clock.wall_offset_s += HOUR_S
    site.run(5)
    assert len(site.guest.online) == 3
    assert site.simulation.snapshot.orders == ()
    assert site.simulation.recorder.orders() == []


def crowded(folder: Path) -> Site:
    """A full host, on which a domain of high priority needs what one of low priority has."""
    site = Site(folder, "web-1", "batch-1", cpus=5)
    site.guests[1].set(demand=2.5)
    site.run(20)
    assert len(site.guests[1].online) == 4
    return site


def test_the_pause_of_all_takes_nothing_back_and_begins_nothing_at_all(tmp_path: Path) -> None:
    site = crowded(tmp_path)
    begun = site.begun()
    site.order("pause", all=True)
    site.guest.set(demand=1.8)
    site.run(60)
    site.guests[1].set(demand=0.1)
    site.run(60)
    site.restart()
    site.run(60)
    assert site.begun() == begun
    assert [len(guest.online) for guest in site.guests] == [1, 4]
    site.guests[1].set(demand=2.5)
    site.run(15)
    site.order("resume", all=True)
    site.run(30)
    assert len(site.guest.online) == 3


def test_a_domain_that_is_paused_is_not_taken_from_and_keeps_nothing_for_itself(tmp_path: Path) -> None:
    site = crowded(tmp_path)
    site.order("pause", domain="batch-1")
    site.guest.set(demand=1.8)
    site.run(30)
    assert [len(guest.online) for guest in site.guests] == [1, 4]
    assert site.reason() is Reason.HOST_FULL
    site.order("resume", domain="batch-1")
    site.order("pause", domain="web-1")
    site.guests[1].set(demand=0.1)
    site.run(60)
    site.guests[1].set(demand=2.5)
    site.run(15)
    assert [len(guest.online) for guest in site.guests] == [1, 4]


def test_a_set_count_outside_the_bounds_is_gone_to_held_and_left_when_its_time_is_over(site: Site) -> None:
    answer = site.order("set", domain="web-1", vcpus=6, for_s=300.0)
    assert answer["notes"] == ["that is outside the bounds of its policy, 1 to 4, which wait meanwhile"]
    site.run(5)
    assert len(site.guest.online) == 6
    assert Condition.ORDERED in site.conditions()
    site.run(290)
    assert (len(site.guest.online), site.reason()) == (6, Reason.ORDERED)
    decision = site.simulation.domain("web-1").decision
    assert decision is not None
    assert (decision.proposed, decision.target, decision.lower, decision.upper) == (1, 6, 6, 6)
    site.run(120)
    assert len(site.guest.online) == 1
    assert site.conditions() == {}


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.UP_ONLY, Mode.RECOMMEND])
def test_a_count_below_the_demand_is_gone_to_step_by_step_in_every_mode(tmp_path: Path, mode: Mode) -> None:
    site = Site(tmp_path, policies=(replace(POLICY, mode=mode, min_vcpus=3),))
    site.guest.plug(4)
    site.guest.online = {0, 1, 2, 3}
    site.guest.set(demand=3.9)
    site.run(3)
    site.order("set", domain="web-1", vcpus=1, for_s=HOUR_S)
    sizes = []
    for _ in range(30):
        site.run(1)
        sizes.append(len(site.guest.online))
    assert sorted(set(sizes), reverse=True) in ([4, 3, 2, 1], [3, 2, 1])
    assert site.reason() is Reason.ORDERED


def test_a_count_for_a_guest_that_cannot_be_seen_is_waited_with_and_said(site: Site) -> None:
    site.guest.set(agent_error=AgentUnresponsive("silence"))
    site.run(3)
    assert site.order("set", domain="web-1", vcpus=3, for_s=HOUR_S)["notes"] == ["silence"]
    site.run(20)
    assert (site.guest.plugs, site.reason()) == ([], Reason.MISSING)
    site.guest.set(agent_error=None)
    site.run(8)
    assert len(site.guest.online) == 3


def test_a_held_count_is_not_taken_back_for_a_higher_priority(tmp_path: Path) -> None:
    site = crowded(tmp_path)
    site.order("set", domain="batch-1", vcpus=4, for_s=HOUR_S)
    site.guest.set(demand=1.8)
    site.run(30)
    assert [len(guest.online) for guest in site.guests] == [1, 4]


def test_a_count_that_is_set_goes_before_what_somebody_set_by_hand_earlier_and_not_later(site: Site) -> None:
    site.guest.plug(2)
    site.guest.online = {0, 1}
    site.run(2)
    assert Condition.BY_HAND in site.conditions()
    site.order("set", domain="web-1", vcpus=3, for_s=HOUR_S)
    site.run(5)
    assert len(site.guest.online) == 3
    assert set(site.conditions()) == {Condition.ORDERED}
    site.guest.plug(5)
    site.guest.online = {0, 1, 2, 3, 4}
    site.run(60)
    assert len(site.guest.online) == 5
    assert set(site.conditions()) == {Condition.ORDERED, Condition.BY_HAND}


def test_the_pause_of_all_goes_before_a_set_count_and_gives_way_to_it_again(site: Site) -> None:
    site.order("pause", all=True)
    answer = site.order("set", domain="web-1", vcpus=3, for_s=HOUR_S)
    site.run(10)
    assert site.guest.plugs == []
    assert "every domain is still paused" in str(answer["notes"])
    answer = site.order("resume", all=True)
    assert answer["sentence"] == "the pause of every domain is over"
    assert answer["notes"] == ["orders of their own still stand for web-1"]
    site.run(5)
    assert len(site.guest.online) == 3
    answer = site.order("resume", all=True)
    assert answer["sentence"] == "there was no pause of every domain: nothing has changed"


def test_an_order_that_cannot_be_recorded_stands_says_so_and_is_recorded_when_it_can_be(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalUnavailable("the disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(site.simulation.journal, "ordered", full)
        answer = site.order("pause", all=True)
        assert answer["recorded"] is False
        assert "could not be written to the journal" in str(answer["notes"])
        site.guest.set(demand=1.8)
        site.run(10)
        assert site.guest.plugs == []
    site.run(2)
    site.restart(killed=True)
    site.run(10)
    assert site.guest.plugs == []


def test_an_end_that_cannot_be_recorded_is_recorded_when_it_can_be(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalUnavailable("the disk is full")

    site.order("pause", domain="web-1")
    site.run(1)
    with monkeypatch.context() as disk:
        disk.setattr(site.simulation.journal, "order_ended", full)
        assert site.order("resume", domain="web-1")["recorded"] is False
        site.run(2)
    assert len(site.simulation.recorder.orders()) == 1
    site.run(2)
    assert site.simulation.recorder.orders() == []


def test_orders_that_cannot_be_read_at_the_start_are_not_taken_for_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise JournalUnavailable("the disk is broken")

    site.end()
    monkeypatch.setattr("autoscaler.service.journal.SqliteJournal.orders", broken)
    with pytest.raises(JournalUnavailable):
        site.start()


def test_an_order_outlives_its_domain_and_can_be_ended_while_that_is_away(site: Site) -> None:
    site.order("pause", domain="web-1")
    site.host.stop(site.guest)
    site.run(3)
    site.host.add(site.guest)
    site.guest.set(demand=1.8)
    site.run(10)
    assert site.guest.plugs == []
    site.host.stop(site.guest)
    site.run(3)
    site.order("resume", domain="web-1")
    site.host.add(site.guest)
    site.run(10)
    assert len(site.guest.online) == 3


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(OrderRefused) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted meanwhile"])
def test_a_domain_that_migrates_away_and_comes_back_is_under_its_order_again(
    site: Site, *, restarted: bool
) -> None:
    site.order("set", domain="web-1", vcpus=4, for_s=600.0)
    site.run(20)
    assert len(site.guest.online) == 4
    site.host.stop(site.guest)
    site.run(200)
    if restarted:
        site.restart(killed=True)
        site.run(5)
    site.guest.migrate()
    site.guest.online = {0, 1}  # whoever governs it there knows of no order
    site.host.add(site.guest)
    site.run(30)
    assert len(site.guest.online) == 4
    assert Condition.ORDERED in site.conditions()
    site.run(600)
    assert Condition.ORDERED not in site.conditions()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_domain_that_hangs_and_is_not_seen_can_be_paused_all_the_same(
    site: Site, *, restarted: bool
) -> None:
    site.host.stop(site.guest)
    site.run(3)
    if restarted:
        site.restart()
        site.run(2)
    told = site.order("pause", domain="web-1")
    assert told["notes"] == ["it is not seen now: this is in force whenever it is"]
    assert "start it" in refused(lambda: site.order("set", domain=site.guest.id.uuid, vcpus=2, for_s=60.0))
    site.host.add(site.guest)
    site.guest.set(demand=3.8)
    site.run(30)
    assert (len(site.guest.online), site.reason()) == (1, Reason.PAUSED)
    assert site.order("resume", domain="web-1")["notes"] == []
    site.run(10)
    assert len(site.guest.online) > 1


def test_an_order_goes_with_its_domain_to_another_host_of_the_service(tmp_path: Path) -> None:
    clock = SimulatedClock()
    guest = SimulatedGuest("web-1", clock, connection="here")
    here, there = SimulatedHost(clock, [guest], label="here"), SimulatedHost(clock, label="there")
    simulation = Simulation(here, [POLICY], folder=tmp_path, beside=[there])
    simulation.run(3)
    order = Order(
        domain=guest.id,
        name="web-1",
        kind=OrderKind.PAUSE,
        by_uid=0,
        at_wall_s=clock.wall_s(),
        until_wall_s=clock.wall_s() + 300.0,
    )
    assert simulation.controller.give(order)
    arriving = SimulatedGuest("web-1", clock, connection="there")
    there.add(arriving)
    simulation.run(5)
    assert [found.domain.host for found in simulation.snapshot.orders] == ["here"]  # it is on both
    here.stop(guest)
    arriving.set(demand=1.8)
    simulation.run(20)
    assert [found.domain.host for found in simulation.snapshot.orders] == ["there"]
    assert [found.domain.host for found in simulation.journal.orders()] == ["there"]
    assert arriving.plugs == []
    assert Condition.PAUSED in simulation.domain("web-1").conditions
    simulation.run(300)
    assert arriving.plugs == [3]


@pytest.mark.parametrize(
    "for_s",
    [0, 0.5, -1, 10**400, 1e400, float("nan"), 367 * 86400, True, "60"],
    ids=lambda for_s: str(for_s)[:8],
)
def test_an_order_stands_from_a_second_to_a_year(site: Site, for_s: object) -> None:
    site.run(1)
    assert "'for_s' is a number" in refused(lambda: site.order("pause", domain="web-1", for_s=for_s))
    assert site.order("pause", domain="web-1", for_s=1)["recorded"]


def test_orders_that_make_no_sense_are_refused_with_what_to_mend(tmp_path: Path) -> None:
    site = Site(tmp_path, "web-1", "other")
    site.run(2)
    told = {
        "no running domain is called 'web-9'": lambda: site.order("pause", domain="web-9"),
        "its maximum is 6": lambda: site.order("set", domain="web-1", vcpus=7, for_s=60.0),
        "of at least 1": lambda: site.order("set", domain="web-1", vcpus=0, for_s=60.0),
        "domain 'other' runs, and no policy governs it": lambda: site.order(
            "set", domain="other", vcpus=2, for_s=60.0
        ),
        "names one domain, or all of them": lambda: site.order("pause"),
        "and not both": lambda: site.order("pause", domain="web-1", all=True),
        "'for_s' is a number": lambda: site.order("pause", domain="web-1", for_s=-1),
        "say for how long": lambda: site.order("set", domain="web-1", vcpus=2),
    }
    for part, call in told.items():
        assert part in refused(call)
    assert site.simulation.recorder.orders() == []
    assert "no policy governs it" in str(site.order("pause", domain="other")["notes"])


def test_a_count_is_refused_from_the_moment_on_in_which_a_reload_lets_a_domain_alone(site: Site) -> None:
    site.run(3)
    site.simulation.controller.apply(PolicySet(policies=(replace(POLICY, mode=Mode.OFF),)))
    assert "off" in refused(lambda: site.order("set", domain="web-1", vcpus=3, for_s=60))


def test_a_name_on_several_hosts_picks_nobody_and_is_told_with_the_candidates(tmp_path: Path) -> None:
    clock = SimulatedClock()
    here = SimulatedGuest("web-1", clock)
    there = SimulatedGuest("web-1", clock, connection="other")
    other = SimulatedHost(clock, [there], label="other")
    other.place = "there"
    simulation = Simulation(SimulatedHost(clock, [here]), [POLICY], folder=tmp_path, beside=[other])
    simulation.run(2)
    controller = simulation.controller
    verbs = OrderVerbs(
        newest=lambda: simulation.snapshot,
        give=controller.give,
        end=lambda domain, _name, _peer: controller.end_order(domain),
        clock=clock,
        recall=lambda _: [],
    ).by_name()
    told = refused(lambda: verbs["pause"]({"domain": "web-1"}, PEER))
    assert f"web-1@other ({there.id.uuid}), web-1@sim ({here.id.uuid})" in told
    assert "2 domains are called" in refused(lambda: verbs["pause"]({"domain": here.id.uuid}, PEER))
    verbs["pause"]({"domain": "web-1@other"}, PEER)
    there.set(demand=1.8)
    here.set(demand=1.8)
    simulation.run(6)
    assert (len(here.online), len(there.online)) == (3, 1)


@pytest.mark.parametrize("held", [False, True])
def test_an_order_before_the_first_look_is_asked_for_again(site: Site, *, held: bool) -> None:
    if held:
        site.order("set", domain="web-1", vcpus=2, for_s=HOUR_S)
    site.restart()
    site.order("pause", all=True)  # needs no look
    with pytest.raises(OrderRefused, match="first look at its hosts is not over yet"):
        site.order("set", domain="web-1", vcpus=3, for_s=HOUR_S)
    site.run(3)
    assert site.order("set", domain="web-1", vcpus=3, for_s=HOUR_S)["recorded"] is True
