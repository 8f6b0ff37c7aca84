"""Domains that somebody else runs: no policy governs them, and whoever asks is told why."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.owner import Owner
from autoscaler.core.policy import PolicySet
from autoscaler.errors import AutoscalerError
from autoscaler.service.assignments import Assignments
from autoscaler.service.config import load_config
from autoscaler.service.describe import status_of
from autoscaler.service.lookup import why_unknown
from autoscaler.service.narrator import Narrator, idle_sentence
from autoscaler.service.order_verbs import OrderVerbs
from autoscaler.service.settings import LibvirtConnection
from tests.fakes.examples import PEER, POLICY, SNAPSHOT, VIEW
from tests.fakes.simulated_guest import SimulatedClock

NOVA = replace(VIEW, claimed_by=Owner.NOVA)
THEIRS = replace(SNAPSHOT, domains=(), ungoverned=(NOVA,))
ADOPT = "`adopt: [nova]`"


def test_a_policy_that_fits_does_not_govern_a_domain_of_somebody_else() -> None:
    assignments = Assignments(PolicySet(policies=(POLICY,)))
    assert assignments.policy_of(VIEW) is POLICY
    assert assignments.policy_of(NOVA) is None
    assert assignments.policy_of(VIEW) is POLICY


def test_who_asks_for_such_a_domain_is_told_whose_it_is_and_what_to_write() -> None:
    assert ADOPT in why_unknown(THEIRS, "web-1")
    assert ADOPT in str(idle_sentence(THEIRS))
    status = status_of(THEIRS)
    assert status["ungoverned"] == []
    assert json.loads(json.dumps(status["left_alone"])).keys() == {"nova"}


def test_with_others_that_no_policy_fits_only_those_are_to_be_matched() -> None:
    other = replace(VIEW, name="other")
    sentence = str(idle_sentence(replace(THEIRS, ungoverned=(NOVA, other))))
    assert "'other'" in sentence
    assert "'web-1'" not in sentence


def test_the_log_says_it_once_for_each_owner(caplog: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            narrator.left_alone((NOVA, VIEW))
        narrator.left_alone((NOVA, replace(NOVA, name="pod", claimed_by=Owner.KUBEVIRT)))
    assert [("nova" in line, "kubevirt" in line) for line in caplog.messages] == [
        (True, False),
        (False, True),
    ]


def test_a_count_is_not_set_for_it() -> None:
    verbs = OrderVerbs(
        newest=lambda: THEIRS,
        give=lambda _: True,
        end=lambda *_: True,
        clock=SimulatedClock(),
        recall=lambda _: [],
    ).by_name()
    with pytest.raises(AutoscalerError, match="adopt"):
        verbs["set"]({"domain": "web-1", "vcpus": 2, "for_s": 60.0}, PEER)


def test_a_connection_is_configured_to_adopt(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("version: 1\nconnections: [{libvirt: 'qemu:///system', adopt: [nova, ovirt]}]\n")
    config = load_config(file).config
    assert config is not None
    assert config.connections == (LibvirtConnection("qemu:///system", frozenset({Owner.NOVA, Owner.OVIRT})),)


@pytest.mark.parametrize(
    ("connection", "part"),
    [
        ("{libvirt: 'qemu:///system', adopt: [novo]}", "did you mean 'nova'?"),
        ("{qmp: /run/guests, adopt: [nova]}", "'adopt' goes with libvirt"),
    ],
)
def test_a_configuration_that_adopts_what_cannot_be_is_wrong(
    tmp_path: Path, connection: str, part: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"version: 1\nconnections: [{connection}]\n")
    (problem,) = load_config(file).errors
    assert part in problem.message
