"""Whether a guest's claims are believed: what the host saw over several intervals decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.condition import doubted
from autoscaler.core.corroboration import Corroboration, Doubt
from autoscaler.core.demand import DemandMeter, Load
from autoscaler.core.model import CpuSource, DomainView
from tests.fakes.examples import LOAD, SAMPLE, VIEW

HONEST = replace(LOAD, busy_vcpus=1.8, demand_vcpus=1.8, host_vcpus=1.9, host_span_s=1.0)
LIE = replace(HONEST, host_vcpus=0.1)
UNSEEN = replace(LIE, host_vcpus=None)


def after(*loads: Load) -> Corroboration:
    corroboration = Corroboration()
    for load in loads:
        corroboration.take(load)
    return corroboration


@pytest.mark.parametrize(
    "loads",
    [
        pytest.param([HONEST] * 50, id="what the host saw as well"),
        pytest.param([replace(HONEST, host_vcpus=1.5)] * 50, id="a little more than the host saw"),
        pytest.param([replace(HONEST, busy_vcpus=0.2, host_vcpus=0.0)] * 50, id="next to nothing"),
        pytest.param([UNSEEN] * 50, id="what no host sees"),
        pytest.param([LIE] * 3, id="too few to tell"),
        pytest.param([replace(LIE, span_s=600.0, host_span_s=600.0), HONEST], id="one long stop of its QEMU"),
        pytest.param([LIE, replace(HONEST, host_vcpus=3.7)] * 25, id="what the host saw later"),
        pytest.param([LIE, LIE, LIE, UNSEEN] * 25, id="seen by the host too rarely to tell"),
    ],
)
def test_a_guest_is_believed_that_claims(loads: list[Load]) -> None:
    assert after(*loads).doubt is None


@pytest.mark.parametrize(
    "loads",
    [
        pytest.param([LIE] * 6, id="vCPUs that did next to nothing"),
        pytest.param([replace(LIE, host_vcpus=0.9)] * 20, id="twice what it used"),
        pytest.param([LIE, LIE, HONEST] * 20, id="lies between truths"),
        pytest.param([replace(LIE, span_s=0.5, host_span_s=0.5)] * 6, id="at a quick pace"),
        pytest.param([HONEST] * 50 + [LIE] * 6, id="after a long time of truth"),
    ],
)
def test_a_guest_is_doubted_that_claims(loads: list[Load]) -> None:
    assert after(*loads).doubt is not None


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(HONEST, id="seen"),
        pytest.param(replace(HONEST, host_vcpus=1.2), id="seen for the most part"),
        pytest.param(UNSEEN, id="without figures of the host"),
    ],
)
def test_a_load_that_the_host_saw_is_grown_by_at_once(load: Load) -> None:
    assert after(load).borne_out


def test_growth_waits_until_the_host_has_seen_the_load() -> None:
    assert not after(LIE).borne_out
    assert after(LIE, replace(HONEST, host_vcpus=3.6)).borne_out


def test_the_doubt_tells_what_was_claimed_and_seen_and_does_not_change_with_each_sample() -> None:
    lies = [replace(LIE, busy_vcpus=1.8 + number / 100) for number in range(12)]
    assert after(*lies[:6]).doubt == after(*lies).doubt


def test_a_guest_that_tells_the_truth_again_is_believed_again_before_long() -> None:
    assert after(*[LIE] * 100, *[HONEST] * 15).doubt is None
    assert (
        after(*[LIE] * 100, *[replace(LOAD, busy_vcpus=0.0, host_vcpus=0.0, host_span_s=1.0)] * 35).doubt
        is None
    )


def test_once_the_host_no_longer_sees_its_threads_nothing_is_held_against_a_guest() -> None:
    assert after(*[LIE] * 100, UNSEEN).doubt is None


def test_the_sentence_tells_both_figures_and_where_to_look() -> None:
    sentence = doubted("web-1", Doubt(1.8, 0.1))
    assert "'web-1' claims" in sentence
    assert "1.80 vCPUs where the host saw 0.10" in sentence
    assert "qemu-guest-agent" in sentence


def at(second: float, time_s: float | None, delay_s: float | None) -> DomainView:
    return replace(VIEW, at_s=second, vcpu_time_s=time_s, vcpu_delay_s=delay_s)


@pytest.mark.parametrize(
    ("before", "then", "seen"),
    [
        pytest.param(at(100, 5.0, 1.0), at(104, 9.0, 3.0), 1.5, id="run and waited"),
        pytest.param(at(100, 5.0, None), at(104, 9.0, None), None, id="waiting is not seen"),
        pytest.param(at(100, None, None), at(104, 9.0, 3.0), None, id="it was not seen before"),
        pytest.param(at(100, 5.0, 1.0), at(104, 0.5, 0.1), None, id="another QEMU"),
        pytest.param(at(100, 5.0, 1.0), at(100, 5.0, 1.0), None, id="no new look"),
    ],
)
def test_the_host_side_of_a_load_is_what_its_threads_ran_and_waited(
    before: DomainView, then: DomainView, seen: float | None
) -> None:
    meter = DemandMeter()
    meter.feed(SAMPLE, before)
    load = meter.feed(replace(SAMPLE, at_s=104.0, busy_s=52.0), then)
    assert isinstance(load, Load)
    assert load.host_vcpus == seen


def test_a_load_that_the_host_measured_is_not_weighed_against_itself() -> None:
    meter, sample = DemandMeter(), replace(SAMPLE, source=CpuSource.HOST)
    meter.feed(sample, at(100, 5.0, 1.0))
    load = meter.feed(replace(sample, at_s=104.0), at(104, 9.0, 3.0))
    assert isinstance(load, Load)
    assert load.host_vcpus is None
