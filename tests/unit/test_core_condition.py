"""The sentences for the administrator: what is wrong, on what, and a line that can be pasted as it is."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from autoscaler.core.condition import by_hand, headroom, held, in_use, stuck, unknown
from autoscaler.core.model import DomainId, DomainView
from autoscaler.core.policy import Policy
from tests.fakes.examples import OPERATION, POLICY, VIEW

DOWN = replace(OPERATION, from_vcpus=3, to_vcpus=2)


@pytest.mark.parametrize(
    ("view", "policy", "proposed", "part"),
    [
        pytest.param(VIEW, replace(POLICY, max_vcpus=8), 1, "setvcpus web-1 8 --maximum", id="policy allows"),
        pytest.param(VIEW, POLICY, 6, "its load wants 6", id="load wants"),
        pytest.param(
            VIEW, replace(POLICY, min_vcpus=5, max_vcpus=4), 1, "wants at least 5", id="policy wants"
        ),
        pytest.param(replace(VIEW, maximum=1), POLICY, 1, "it can never grow", id="nothing to grow into"),
    ],
)
def test_a_maximum_in_the_way_is_told_with_the_line_that_raises_it(
    view: DomainView, policy: Policy, proposed: int, part: str
) -> None:
    sentence = headroom(view, policy, proposed)
    assert sentence is not None
    assert part in sentence
    assert "--maximum --config" in sentence


@pytest.mark.parametrize(
    ("view", "policy", "proposed"),
    [
        pytest.param(VIEW, POLICY, 4, id="the load fits"),
        pytest.param(VIEW, replace(POLICY, max_vcpus=4), 9, id="the policy binds first"),
        pytest.param(replace(VIEW, maximum=1), replace(POLICY, max_vcpus=1), 1, id="meant to stay at one"),
    ],
)
def test_a_maximum_that_is_not_in_the_way_is_not_mentioned(
    view: DomainView, policy: Policy, proposed: int
) -> None:
    assert headroom(view, policy, proposed) is None


HOSTILE = "web; rm -rf $HOME `id` '\""


@pytest.mark.parametrize(
    ("name", "called"),
    [
        pytest.param(HOSTILE, HOSTILE, id="of another command"),
        pytest.param(f"{HOSTILE}\n", VIEW.id.uuid, id="of two lines"),
    ],
)
def test_a_hostile_name_does_not_turn_the_advice_into_another_command(name: str, called: str) -> None:
    view = replace(VIEW, name=name)
    for sentence in (
        headroom(view, replace(POLICY, max_vcpus=8), 1),
        stuck(view.named, DOWN, 3, 30.0, ""),
        unknown(view.named),
    ):
        assert sentence is not None
        line = sentence[sentence.index("virsh") :]
        assert shlex.split(line.rpartition("`")[0])[4] == called


@pytest.mark.parametrize(
    ("left_s", "part"),
    [
        (-1.0, "for 1 min more"),
        (29.0, "for 1 min more"),
        (60.0, "for 1 min more"),
        (570.0, "for 10 min more"),
        (5400.0, "for 1.5 h more"),
    ],
)
def test_the_time_that_is_left_is_told_as_people_say_it(left_s: float, part: str) -> None:
    assert part in by_hand(VIEW, 2, left_s)


def test_a_stuck_change_names_what_is_missing() -> None:
    plugged = replace(OPERATION, accepted_s=100.5)
    assert "does not list the vCPUs that were plugged" in stuck(VIEW.named, plugged, 1, 30.0, "")
    assert "does not list all vCPUs that are plugged" in stuck(VIEW.named, OPERATION, 1, 30.0, "")
    assert "runs 1 vCPUs, not 3" in stuck(VIEW.named, replace(plugged, present_s=101.0), 1, 30.0, "")
    assert "runs 3 vCPUs, not 2" in stuck(VIEW.named, DOWN, 3, 30.0, "")
    assert "runs ? vCPUs" in stuck(VIEW.named, DOWN, None, 30.0, "")
    assert stuck(VIEW.named, DOWN, None, 30.0, "the agent is silent").endswith("the agent is silent")


@pytest.mark.parametrize("name", ["7", "-live", "0f9a3d52-6c1e-4b7a-9d5e-2f6b8c1a4e70"])
def test_a_name_that_virsh_takes_for_another_guest_is_not_the_one_in_the_line(name: str) -> None:
    view = replace(VIEW, name=name)
    for sentence in (held(replace(view, job="backup")), unknown(view.named), in_use(view.named, 2)):
        line = shlex.split(sentence[sentence.index("virsh") :].partition("`")[0])
        assert line[:3] == ["virsh", "-c", VIEW.id.host]
        assert line[4] == VIEW.id.uuid


def test_a_guest_of_bare_qemu_is_given_no_line_for_virsh() -> None:
    view = replace(VIEW, id=DomainId("qmp:/run/guests", VIEW.id.uuid), job="backup")
    sentences = [
        held(view),
        unknown(view.named),
        in_use(view.named, 2),
        stuck(view.named, DOWN, 3, 30.0, ""),
        headroom(view, replace(POLICY, max_vcpus=8), 1),
    ]
    assert not any("virsh" in str(sentence) for sentence in sentences)
    assert "maxcpus=8" in str(sentences[-1])
