"""Observing: each host and guest on its own, nothing waited for twice, no gap without its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from autoscaler.core.model import DomainView, MissingReason, Observation, RunState, Sample
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
    DomainGone,
)
from autoscaler.service.lanes import Lane, outcome_of
from autoscaler.service.sampling import Sampling
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost

T = TypeVar("T")


class Desk:
    """Holds work until the test lets it happen, lane by lane."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Lane, Callable[[], None]]] = []

    def submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",  # noqa: ARG002 - there is one
    ) -> None:
        self.waiting.append((lane, lambda: then(outcome_of(work))))

    def lanes(self) -> list[Lane]:
        return [lane for lane, _ in self.waiting]

    def let(self, lane: Lane) -> None:
        """Do what waits in this lane now, not what it brings about."""
        now, self.waiting = self.waiting, []
        for waiting_lane, call in now:
            if waiting_lane is lane:
                call()
            else:
                self.waiting.append((waiting_lane, call))


class Round:
    """A host of guests that are observed round by round."""

    def __init__(self, *names: str) -> None:
        self.clock = SimulatedClock()
        self.guests = [SimulatedGuest(name, self.clock) for name in names or ("web-1",)]
        self.host = SimulatedHost(self.clock, self.guests)
        self.desk = Desk()
        self.governed = True
        self.sampling = Sampling(
            [self.host.as_host()],
            clock=self.clock,
            submit=self.desk.submit,
            governs=lambda _: self.governed,
            takes_back=lambda _: False,
            wants_pressure=lambda _: False,
            grace_s=0.9,
        )

    def begin(self, *lanes: Lane) -> None:
        self.clock.now_s += 1.0
        self.sampling.begin()
        for lane in lanes:
            self.desk.let(lane)

    def readings(self) -> list[Observation | None]:
        return [observation for _, observation in self.sampling.readings()]

    def reason(self) -> tuple[MissingReason, str]:
        (observation,) = self.readings()
        assert observation is not None
        assert not isinstance(observation, Sample)
        return observation.reason, observation.detail


def test_a_round_is_complete_when_every_guest_was_read() -> None:
    round_ = Round("a", "b")
    round_.begin()
    assert not round_.sampling.complete
    round_.desk.let(Lane.SWEEP)
    assert round_.desk.lanes() == [Lane.PROBE, Lane.PROBE]
    assert not round_.sampling.complete
    round_.desk.let(Lane.PROBE)
    assert round_.sampling.complete
    assert all(isinstance(observation, Sample) for observation in round_.readings())


def test_a_guest_that_no_policy_governs_is_seen_and_not_probed() -> None:
    round_ = Round()
    round_.governed = False
    round_.begin(Lane.SWEEP)
    assert round_.desk.waiting == []
    assert round_.sampling.complete
    assert len(round_.readings()) == 1


def test_a_guest_that_answers_after_its_round_is_a_straggler_and_handed_over_once() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP)
    assert round_.readings() == [None]
    assert list(round_.sampling.stragglers()) == []
    round_.desk.let(Lane.PROBE)
    ((view, observation),) = round_.sampling.stragglers()
    assert view.name == "web-1"
    assert isinstance(observation, Sample)
    assert list(round_.sampling.stragglers()) == []


def test_a_guest_that_does_not_answer_for_a_whole_round_is_late() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP)
    round_.readings()
    round_.begin(Lane.SWEEP)
    assert round_.reason()[0] is MissingReason.LATE


def test_an_answer_from_an_earlier_round_serves_the_one_that_is_open() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP)
    round_.readings()
    round_.begin(Lane.PROBE)
    (observation,) = round_.readings()
    assert isinstance(observation, Sample)


def test_a_hung_guest_has_one_probe_out_and_is_not_waited_for_again() -> None:
    round_ = Round()
    for _ in range(5):
        round_.begin(Lane.SWEEP)
        round_.readings()
    assert round_.desk.lanes() == [Lane.PROBE]
    round_.begin(Lane.SWEEP)
    assert round_.sampling.complete


def test_a_hung_host_has_one_sweep_out_and_is_in_trouble() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP, Lane.PROBE)
    round_.readings()
    assert round_.sampling.trouble("sim") is None
    round_.begin()
    assert round_.readings() == [None]
    for _ in range(3):
        round_.begin()
        reason, detail = round_.reason()
        assert reason is MissingReason.BACKEND_UNAVAILABLE
        assert "has not answered" in detail
        assert round_.sampling.trouble("sim") == detail
    assert round_.desk.lanes() == [Lane.SWEEP]


def test_a_host_that_hangs_from_the_start_says_so() -> None:
    round_ = Round()
    round_.begin()
    assert round_.readings() == []
    round_.begin()
    assert round_.readings() == []
    assert "has not answered" in (round_.sampling.trouble("sim") or "")


def test_a_host_that_is_down_keeps_its_domains_with_the_reason() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP, Lane.PROBE)
    round_.readings()
    round_.host.down = "libvirtd is away"
    round_.begin(Lane.SWEEP)
    assert round_.reason() == (MissingReason.BACKEND_UNAVAILABLE, "libvirtd is away")
    assert round_.sampling.trouble("sim") == "libvirtd is away"
    round_.host.down = None
    round_.begin(Lane.SWEEP, Lane.PROBE)
    assert round_.sampling.trouble("sim") is None
    assert isinstance(round_.readings()[0], Sample)


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.OTHER])
def test_a_domain_that_does_not_run_is_not_probed(state: RunState) -> None:
    round_ = Round()
    round_.guests[0].set(state=state)
    round_.begin(Lane.SWEEP)
    assert round_.desk.waiting == []
    assert round_.reason()[0] is MissingReason.NOT_RUNNING


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AgentAbsent("x"), MissingReason.AGENT_ABSENT),
        (AgentBlocked("x"), MissingReason.AGENT_BLOCKED),
        (AgentUnresponsive("x"), MissingReason.AGENT_UNRESPONSIVE),
        (AgentRefused("x"), MissingReason.AGENT_UNRESPONSIVE),
        (AgentNonsense("x"), MissingReason.AGENT_NONSENSE),
        (DomainGone("x"), MissingReason.DOMAIN_GONE),
        (DomainBusy("x"), MissingReason.NOT_RUNNING),
        (BackendUnavailable("x"), MissingReason.BACKEND_UNAVAILABLE),
        (AutoscalerError("x"), MissingReason.BACKEND_UNAVAILABLE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_reason(error: AutoscalerError, reason: MissingReason) -> None:
    round_ = Round()
    round_.guests[0].set(agent_error=error)
    round_.begin(Lane.SWEEP, Lane.PROBE)
    assert round_.reason() == (reason, "x")


def test_a_stopped_domain_is_forgotten_with_an_answer_that_comes_after() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP)
    round_.readings()
    round_.host.stop(round_.guests[0])
    round_.begin(Lane.SWEEP)
    round_.desk.let(Lane.PROBE)
    assert round_.readings() == []
    assert round_.host.forgotten == [round_.guests[0].id]
    assert round_.sampling.complete


def test_what_is_read_is_what_the_sweep_saw() -> None:
    round_ = Round()
    round_.begin(Lane.SWEEP, Lane.PROBE)
    views: Sequence[DomainView] = [view for view, _ in round_.sampling.readings()]
    assert [replace(view, at_s=0.0) for view in views] == [
        replace(view, at_s=0.0) for view in round_.host.domains()
    ]
