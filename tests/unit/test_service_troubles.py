"""What is wrong is told by its best sentence, once, and not twice where one trouble causes another."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId
from autoscaler.core.policy import Match, Mode, Policy
from autoscaler.errors import AgentUnresponsive
from autoscaler.service.describe import status_of
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.lookup import why_unknown
from autoscaler.service.narrator import Narrator, idle_sentence
from autoscaler.service.recorder import Recorder
from autoscaler.service.snapshot import HostSnapshot
from tests.fakes.examples import DECISION, GROWTH, OPERATION, SNAPSHOT, VIEW
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

HOST = HostSnapshot(label="kvm-1", trouble=None)
POLICY = Policy(name="web", match=Match(name=("web-*",)))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="autoscaler")
    return caplog


def test_another_cause_of_a_condition_is_told_and_an_old_one_not_again(
    said: pytest.LogCaptureFixture,
) -> None:
    narrator = Narrator()
    for cause in ("one", "two", "one", "two"):
        narrator.of_domain(VIEW, {Condition.NO_SAMPLE: cause})
    assert said.messages == ["web-1: one", "web-1: two"]


def test_a_guest_that_words_its_troubles_anew_each_time_does_not_fill_the_log(
    said: pytest.LogCaptureFixture,
) -> None:
    narrator = Narrator()
    for number in range(100):
        narrator.of_domain(VIEW, {Condition.NO_SAMPLE: f"nonsense {number}"})
    assert len(said.messages) == 8


def test_a_host_and_a_guest_that_cannot_be_seen_are_told_by_their_names(
    said: pytest.LogCaptureFixture,
) -> None:
    narrator = Narrator()
    for host in (replace(HOST, trouble="away", unseen={"db": "no socket"}), HOST, HOST):
        narrator.of_host(host)
    assert said.messages == [
        "db: no socket",
        "kvm-1: away",
        "db: no longer in trouble",
        "kvm-1: answers again",
    ]


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(replace(HOST, heard=False), id="a host that was never heard"),
        pytest.param(replace(HOST, unseen={"db": "no socket"}), id="a guest that cannot be seen"),
    ],
)
def test_nothing_is_said_to_run_nowhere_before_all_could_be_seen(host: HostSnapshot) -> None:
    assert idle_sentence(replace(SNAPSHOT, domains=(), hosts=(host,))) is None


def test_a_host_that_was_never_heard_is_not_connected() -> None:
    hosts = status_of(replace(SNAPSHOT, hosts=(replace(HOST, heard=False),)))["hosts"]
    assert hosts == [{"label": "kvm-1", "connected": False, "trouble": None, "unseen": {}, "shares": None}]


@pytest.mark.parametrize(
    ("hosts", "wanted", "sentence"),
    [
        pytest.param((HOST,), "db", "add its name to a policy's match", id="ungoverned"),
        pytest.param((replace(HOST, unseen={"x": "no socket"}),), "x", "seen: no socket", id="unseen"),
        pytest.param((replace(HOST, trouble="away"),), "x", "kvm-1 does not answer", id="host lost"),
        pytest.param((HOST,), "x", "`autoscaler list`", id="unknown"),
    ],
)
def test_a_domain_that_is_not_governed_is_told_why(
    hosts: tuple[HostSnapshot, ...], wanted: str, sentence: str
) -> None:
    snapshot = replace(SNAPSHOT, hosts=hosts, ungoverned=(replace(VIEW, name="db"),))
    assert sentence in why_unknown(snapshot, wanted)
    assert repr(wanted) in why_unknown(snapshot, wanted)


def simulation(folder: Path) -> Simulation:
    clock = SimulatedClock()
    host = SimulatedHost(clock, [SimulatedGuest(f"web-{number}", clock) for number in range(3)])
    return Simulation(host, [POLICY], folder=folder)


def test_a_host_that_is_down_is_one_line_of_the_log_and_a_condition_of_each_domain(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    simulated = simulation(tmp_path)
    simulated.run(3)
    said.clear()
    simulated.host.down = "libvirtd is away"
    simulated.run(5)
    assert said.messages == ["sim: libvirtd is away"]
    for domain in simulated.snapshot.domains:
        assert domain.conditions == {Condition.NO_SAMPLE: "libvirtd is away"}
    simulated.host.down = None
    simulated.run(5)
    assert said.messages == ["sim: libvirtd is away", "sim: answers again"]


def test_an_answer_that_may_still_come_is_no_condition_until_it_is_stale(tmp_path: Path) -> None:
    simulated = simulation(tmp_path)
    simulated.run(3)
    simulated.hung.add("web-0")
    simulated.run(10)
    assert simulated.domain("web-0").conditions == {}
    simulated.run(POLICY.missing.stale_after_s)
    assert "restart qemu-guest-agent" in simulated.domain("web-0").conditions[Condition.NO_SAMPLE]


def test_what_was_wrong_stands_while_the_guest_is_asked_again(tmp_path: Path) -> None:
    simulated = simulation(tmp_path)
    guest = next(iter(simulated.host.guests.values()))
    guest.set(agent_error=AgentUnresponsive("no agent in the guest"))
    simulated.run(3)
    simulated.hung.add(guest.name)
    simulated.run(3)
    assert simulated.domain(guest.name).conditions == {Condition.NO_SAMPLE: "no agent in the guest"}


def test_an_entry_that_needs_no_writing_does_not_end_the_journals_trouble(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    recorder = Recorder(journal)
    assert recorder.decided(DECISION, wall_s=1.0, digest="d") == 1
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert recorder.decided(GROWTH, wall_s=2.0, digest="d") == 0
        assert recorder.decided(DECISION, wall_s=2.0, digest="d") == 1
        assert "another program holds it" in recorder.troubles["journal"]
    recorder.ended(OPERATION)
    assert recorder.troubles == {}
    journal.close()


@pytest.mark.parametrize(
    ("labels", "off", "sentence"),
    [
        pytest.param(
            {"autoscaling": "No"}, {}, "its owner keeps it out by the label 'autoscaling'", id="label"
        ),
        pytest.param(
            {}, {VIEW.id: "'db' at p.yaml:9"}, "its policy 'db' at p.yaml:9 has the mode off", id="off"
        ),
    ],
)
def test_a_domain_that_is_meant_to_be_left_alone_is_told_so(
    labels: dict[str, str], off: dict[DomainId, str], sentence: str
) -> None:
    view = replace(VIEW, labels=labels)
    snapshot = replace(SNAPSHOT, domains=(), hosts=(HOST,), ungoverned=(view,), off=off)
    assert sentence in why_unknown(snapshot, view.name)
    status = status_of(snapshot)
    assert (status["ungoverned"], status["switched_off"]) == ([], [view.name])


def test_a_domain_under_a_policy_of_mode_off_is_told_from_one_without_a_policy(tmp_path: Path) -> None:
    clock = SimulatedClock()
    host = SimulatedHost(clock, [SimulatedGuest("web-1", clock), SimulatedGuest("other", clock)])
    off = replace(POLICY, mode=Mode.OFF, source="p.yaml:3")
    simulation = Simulation(host, [off], folder=tmp_path)
    simulation.run(2)
    status = status_of(simulation.snapshot)
    assert (status["ungoverned"], status["switched_off"]) == (["other"], ["web-1"])
    assert "'web' at p.yaml:3 has the mode off" in why_unknown(simulation.snapshot, "web-1")
