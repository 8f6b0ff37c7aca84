"""Listing vCPUs and taking them online and offline, over a scripted guest."""

from __future__ import annotations

import pytest

from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import GuestVcpus
from autoscaler.errors import AgentBlocked, AgentNonsense, AgentRefused
from tests.fakes.guest_channel import WEB, GuestChannel
from tests.fakes.scripted_guest import CPU_FOLDER, ScriptedGuest


def states(vcpus: GuestVcpus) -> list[bool]:
    assert [vcpu.logical_id for vcpu in vcpus.vcpus] == list(range(vcpus.present))
    return [vcpu.online for vcpu in vcpus.vcpus]


@pytest.mark.parametrize(
    "blocked",
    [
        pytest.param(set(), id="guest-get-vcpus"),
        pytest.param({"guest-get-vcpus"}, id="files"),
    ],
)
def test_vcpus_are_listed_in_order(agent: GuestAgent, guest: ScriptedGuest, blocked: set[str]) -> None:
    guest.blocked = blocked
    guest.plug(4)
    guest.online = {0, 2}
    vcpus = agent.vcpus(WEB)
    assert states(vcpus) == [True, False, True, False]
    assert [vcpu.can_offline for vcpu in vcpus.vcpus] == [False, True, True, True]
    assert guest.open_files == {}


WAYS = pytest.mark.parametrize(
    ("blocked", "known_before"),
    [
        pytest.param(set(), False, id="by guest-set-vcpus"),
        pytest.param({"guest-set-vcpus"}, False, id="by file"),
        pytest.param({"guest-set-vcpus"}, True, id="by file, blocked while running"),
        pytest.param({"guest-get-vcpus", "guest-set-vcpus"}, False, id="all by file"),
    ],
)


@WAYS
@pytest.mark.parametrize(
    ("online", "target", "after"),
    [
        pytest.param({0}, 3, {0, 1, 2}, id="up: the lowest first"),
        pytest.param({0, 2}, 3, {0, 1, 2}, id="up: into the gap"),
        pytest.param({0, 1, 2, 3}, 2, {0, 1}, id="down: the highest first"),
        pytest.param({0, 1, 2}, 0, {0}, id="down: never the first one"),
        pytest.param({0, 1}, 9, {0, 1, 2, 3}, id="up: no more than there are"),
        pytest.param({0, 3}, 2, {0, 3}, id="there already"),
    ],
)
def test_vcpus_are_set_online_and_offline(
    agent: GuestAgent,
    guest: ScriptedGuest,
    blocked: set[str],
    online: set[int],
    target: int,
    after: set[int],
    *,
    known_before: bool,
) -> None:
    guest.present, guest.online = 4, online
    if known_before:
        agent.vcpus(WEB)
    guest.blocked = blocked
    result = agent.set_online(WEB, target=target)
    assert guest.online == after
    assert {vcpu.logical_id for vcpu in result.vcpus if vcpu.online} == after
    assert guest.open_files == {}


def test_where_the_target_is_online_already_nothing_is_changed(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.self_onlining = True
    guest.plug(3)
    assert agent.set_online(WEB, target=3).online == 3
    assert channel.take_asked() == ["guest-info", "guest-get-vcpus"]


def test_what_the_agent_left_undone_is_sent_again(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.plug(4)
    guest.online = {0}
    guest.set_at_once = 2
    assert agent.set_online(WEB, target=4).online == 4
    assert channel.take_asked().count("guest-set-vcpus") == 2


@WAYS
def test_a_vcpu_that_refuses_is_passed_over(
    agent: GuestAgent, guest: ScriptedGuest, blocked: set[str], *, known_before: bool
) -> None:
    if known_before:
        agent.vcpus(WEB)
    guest.blocked = blocked
    guest.plug(4)
    guest.online, guest.stubborn = {0, 1, 2, 3}, {3}
    assert agent.set_online(WEB, target=2).online == 2
    assert guest.online == {0, 3}


@WAYS
def test_a_guest_that_refuses_every_vcpu_says_why(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel, blocked: set[str], *, known_before: bool
) -> None:
    if known_before:
        agent.vcpus(WEB)
    guest.blocked = blocked
    guest.plug(64)
    guest.stubborn = set(range(64))
    with pytest.raises(AgentRefused, match="busy"):
        agent.set_online(WEB, target=64)
    assert len(channel.take_asked()) < 50
    assert guest.open_files == {}


def test_a_vcpu_that_the_guest_does_not_let_go_is_left_alone(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.fixed = {0, 1}
    assert agent.set_online(WEB, target=1).online == 2
    assert "guest-set-vcpus" not in channel.take_asked()


def test_where_neither_way_is_allowed_the_administrator_is_told_both(
    agent: GuestAgent, guest: ScriptedGuest
) -> None:
    guest.blocked = {"guest-set-vcpus", "guest-file-open"}
    guest.plug(4)
    with pytest.raises(AgentBlocked, match=r"neither guest-set-vcpus nor .*guest-file-write"):
        agent.set_online(WEB, target=4)
    guest.blocked |= {"guest-get-vcpus"}
    with pytest.raises(AgentBlocked, match=r"neither guest-get-vcpus nor .*guest-file-read"):
        agent.vcpus(WEB)


@pytest.mark.parametrize(
    ("command", "lie"),
    [
        pytest.param("guest-get-vcpus", [], id="none"),
        pytest.param("guest-get-vcpus", [{"logical-id": 0, "online": False}], id="none online"),
        pytest.param("guest-get-vcpus", [{"logical-id": 0, "online": True}] * 2, id="one twice"),
        pytest.param("guest-get-vcpus", [{"logical-id": -1, "online": True}], id="a negative id"),
        pytest.param("guest-get-vcpus", [{"logical-id": 0}], id="no state"),
        pytest.param(
            "guest-get-vcpus", [{"logical-id": 0, "online": True}] * 4097, id="more than there can be"
        ),
        pytest.param("guest-set-vcpus", 3, id="more done than asked"),
        pytest.param("guest-set-vcpus", -1, id="fewer than none"),
        pytest.param("guest-set-vcpus", {}, id="no count"),
    ],
)
def test_an_answer_about_vcpus_that_cannot_be_true_is_not_believed(
    agent: GuestAgent, guest: ScriptedGuest, command: str, lie: object
) -> None:
    guest.plug(4)
    guest.lies[command] = lie
    with pytest.raises(AgentNonsense):
        agent.set_online(WEB, target=4)


def test_an_agent_that_says_it_did_what_it_did_not_is_not_believed(
    agent: GuestAgent, guest: ScriptedGuest
) -> None:
    guest.plug(4)
    guest.set_at_once = 0
    guest.lies["guest-set-vcpus"] = 2
    assert agent.set_online(WEB, target=4).online == 2


def test_id_lists_in_files_are_not_believed_blindly(agent: GuestAgent, guest: ScriptedGuest) -> None:
    guest.blocked = {"guest-get-vcpus"}
    guest.files[f"{CPU_FOLDER}/present"] = b"0-70000\n"
    with pytest.raises(AgentNonsense):
        agent.vcpus(WEB)
    assert guest.open_files == {}
