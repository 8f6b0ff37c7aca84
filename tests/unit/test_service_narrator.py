"""The log: each thing once when it begins and once when it ends."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.service.narrator import Narrator, idle_sentence
from autoscaler.service.snapshot import HostSnapshot
from tests.fakes.examples import DOMAIN, GROWTH, LOAD, OPERATION, POLICY, SHRINK, SNAPSHOT, VIEW


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="autoscaler")
    return caplog


def test_a_condition_is_said_when_it_begins_and_when_it_ends(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    for _ in range(3):
        narrator.of_domain(VIEW, {Condition.STUCK: "it does not follow"})
    for _ in range(3):
        narrator.of_domain(VIEW, {})
    assert said.messages == ["web-1: it does not follow", "web-1: no longer stuck"]


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (Condition.BREAKING, "kept in 20% of the last {} min"),
        (Condition.BY_HAND, "they stay as they are for {} min more"),
        (Condition.NO_HEADROOM, "its load wants {}"),
    ],
)
def test_a_condition_with_figures_is_said_once_however_they_go_on(
    condition: Condition, sentence: str, said: pytest.LogCaptureFixture
) -> None:
    narrator = Narrator()
    for figure in range(3):
        narrator.of_domain(VIEW, {condition: sentence.format(figure)})
    narrator.of_domain(VIEW, {})
    assert said.messages == [f"web-1: {sentence.format(0)}", f"web-1: no longer {condition}"]


def test_a_promise_at_risk_comes_and_goes_without_a_word(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    for found in ({Condition.AT_RISK: "it may break"}, {}) * 20:
        narrator.of_domain(VIEW, found)
    narrator.of_domain(VIEW, {Condition.STUCK: "one"})
    assert said.messages == ["web-1: one"]


def test_a_condition_that_comes_back_is_said_again(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    for found in ({Condition.STUCK: "one"}, {}, {Condition.STUCK: "two"}):
        narrator.of_domain(VIEW, found)
    assert said.messages == ["web-1: one", "web-1: no longer stuck", "web-1: two"]


def test_a_condition_that_comes_and_goes_fast_is_said_a_dozen_times_in_five_minutes(
    said: pytest.LogCaptureFixture,
) -> None:
    narrator = Narrator()
    for second in range(290):
        found = {} if second % 2 else {Condition.STUCK: "it does not follow"}
        narrator.of_domain(replace(VIEW, at_s=100.0 + second), found)
    assert said.messages[:2] == ["web-1: it does not follow", "web-1: no longer stuck"]
    assert "what is wrong with it comes and goes" in said.messages[-1]
    assert len(said.messages) == 13


def test_what_was_not_said_and_lasts_is_said_later(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    for second in range(290):
        narrator.of_domain(replace(VIEW, at_s=100.0 + second), {} if second % 2 else {Condition.STUCK: "one"})
    said.clear()
    for second in range(290, 700):
        narrator.of_domain(replace(VIEW, at_s=100.0 + second), {Condition.FAILED: "another"})
    narrator.of_domain(replace(VIEW, at_s=900.0), {})
    assert said.messages == ["web-1: another", "web-1: no longer failed"]


def test_a_condition_that_was_not_said_is_not_said_to_be_over(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    for second in range(290):
        narrator.of_domain(replace(VIEW, at_s=100.0 + second), {} if second % 2 else {Condition.STUCK: "one"})
    said.clear()
    narrator.of_domain(replace(VIEW, at_s=399.0), {Condition.FAILED: "another"})
    narrator.of_domain(replace(VIEW, at_s=401.0), {})
    assert said.messages == []


def test_two_domains_of_one_name_are_not_taken_for_each_other(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    other = replace(VIEW, id=DomainId("elsewhere", DOMAIN.uuid))
    for _ in range(3):
        narrator.of_domain(VIEW, {Condition.STUCK: "it does not follow"})
        narrator.of_domain(other, {})
    assert said.messages == ["web-1: it does not follow"]


def test_a_domain_that_is_called_as_a_part_of_the_service_is_not_taken_for_it(
    said: pytest.LogCaptureFixture,
) -> None:
    narrator = Narrator()
    for _ in range(3):
        narrator.of_service("journal", {"journal": "full"})
        narrator.of_domain(replace(VIEW, name="journal"), {})
    assert said.messages == ["journal: full"]


def test_what_was_said_of_a_domain_that_is_gone_is_forgotten(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    narrator.of_domain(VIEW, {Condition.STUCK: "one"})
    narrator.forget(VIEW.id)
    narrator.of_domain(VIEW, {Condition.STUCK: "two"})
    assert said.messages == ["web-1: one", "web-1: two"]


def test_a_change_is_told_with_its_direction_reason_and_demand(said: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    narrator.begun(replace(GROWTH, load=LOAD), OPERATION)
    narrator.begun(SHRINK, replace(OPERATION, from_vcpus=3, to_vcpus=2))
    assert said.messages == [
        "web-1: growing from 1 to 3 vCPUs: demand needs more vCPUs, demand 1.00 vCPUs",
        "web-1: shrinking from 3 to 2 vCPUs: fewer vCPUs serve the demand",
    ]


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        pytest.param(Outcome.DONE, "web-1: 3 vCPUs online (accepted 0.10 s)", id="done"),
        pytest.param(Outcome.SUPERSEDED, "web-1: 3 vCPUs online (accepted 0.10 s)", id="superseded"),
        pytest.param(Outcome.CONFLICT, "web-1: change to 3 vCPUs dropped: why", id="conflict"),
        pytest.param(Outcome.STUCK, None, id="a failure is said as a condition"),
    ],
)
def test_an_end_is_told_once(said: pytest.LogCaptureFixture, outcome: Outcome, message: str | None) -> None:
    Narrator().ended("web-1", OPERATION.accepted(100.1).ended(outcome, "why"))
    assert said.messages == ([] if message is None else [message])


def test_a_new_domain_is_told_with_its_policy(said: pytest.LogCaptureFixture) -> None:
    Narrator().governed(VIEW, POLICY)
    assert said.messages == ["web-1: governed by policy web (auto), 1 of 4 vCPUs plugged"]


def test_nothing_to_do_is_no_trouble_while_a_host_does_not_answer() -> None:
    silent = replace(SNAPSHOT, domains=(), hosts=(HostSnapshot(label="a", trouble="away"),))
    assert idle_sentence(silent) is None
    assert idle_sentence(SNAPSHOT) is None
    assert "no domain is running" in (idle_sentence(replace(SNAPSHOT, domains=())) or "")


def test_many_ungoverned_domains_are_counted_and_not_listed() -> None:
    views = tuple(replace(VIEW, name=f"db-{number}") for number in range(12))
    sentence = idle_sentence(replace(SNAPSHOT, domains=(), ungoverned=views))
    assert sentence is not None
    assert "'db-4' and 7 more" in sentence
