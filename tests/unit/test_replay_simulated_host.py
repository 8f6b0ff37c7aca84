"""A host of simulated guests, as the ports show it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from autoscaler.core.model import DomainView
from autoscaler.errors import AgentRefused, AgentUnresponsive, Conflict, Denied
from autoscaler.replay.circumstances import Circumstances, Contention, Lag, Spread
from autoscaler.replay.plant import Plant
from autoscaler.replay.readings import Readings
from autoscaler.replay.simulated_guest import EJECTS_AFTER_S, REFUSES_FOR_S, SimulatedGuest
from autoscaler.replay.simulated_host import SimulatedHost
from autoscaler.replay.trace import Trace

STEP_S = 10.0
AT_ONCE = Circumstances(lag=Lag.fixed(0.0))
SLOW = Circumstances(
    lag=Lag(plugged=Spread((0.0,), (3.0,)), warm=Spread((0.0,), (1.0,)), offline=Spread((0.0,), (0.5,)))
)


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


class Scene:
    """One guest, with the hand on its time."""

    def __init__(self, world: Circumstances, *demand_vcpus: float, online: int = 1) -> None:
        trace = Trace(
            domain="web",
            start_s=0.0,
            step_s=STEP_S,
            demand_vcpus=np.array(demand_vcpus or [0.5] * 20),
            maximum=4,
            recorded_s=STEP_S,
        )
        steps = len(trace.demand_vcpus)
        self.plant = Plant([trace], [online], world.stolen_ratio(steps, STEP_S))
        self.readings = Readings(self.plant, [trace], world)
        self.clock = Clock()
        guest = SimulatedGuest(0, trace, self.plant, host="sim", circumstances=world)
        self.host = SimulatedHost("sim", [guest], readings=self.readings, clock=self.clock, vcpus=None)
        self.id = guest.id

    @property
    def view(self) -> DomainView:
        (view,) = self.host.domains()
        return view

    def step(self) -> None:
        self.plant.advance()
        self.readings.look()
        self.clock.now_s = self.plant.now_s

    def after(self, seconds: float) -> None:
        self.clock.now_s += seconds


def test_a_new_vcpu_is_plugged_at_once_and_listed_when_the_lag_is_over() -> None:
    scene = Scene(SLOW)
    scene.host.plug(scene.id, expect=1, target=2)
    assert (scene.view.plugged, scene.host.vcpus(scene.id).present) == (2, 1)
    scene.after(3.0)
    assert (scene.host.vcpus(scene.id).present, scene.host.vcpus(scene.id).online) == (2, 1)


def test_a_call_to_bring_it_online_is_over_when_it_is() -> None:
    scene = Scene(SLOW)
    scene.host.plug(scene.id, expect=1, target=2)
    scene.after(1.0)
    assert scene.host.set_online(scene.id, target=2).online == 2
    assert scene.host.take_duration() == 2.0
    assert scene.host.vcpus(scene.id).online == 1
    scene.after(2.0)
    assert scene.host.vcpus(scene.id).online == 2


def test_what_is_plugged_still_comes_online_sooner() -> None:
    scene = Scene(SLOW, online=2)
    scene.host.set_online(scene.id, target=1)
    assert scene.host.take_duration() == 0.5
    scene.after(5.0)
    scene.host.set_online(scene.id, target=2)
    assert scene.host.take_duration() == 1.0


def test_nothing_is_done_where_nothing_is_to_do() -> None:
    scene = Scene(SLOW, online=2)
    assert scene.host.set_online(scene.id, target=2).online == 2
    assert scene.host.take_duration() == 0


def test_a_guest_never_runs_more_than_is_plugged() -> None:
    scene = Scene(AT_ONCE)
    assert scene.host.set_online(scene.id, target=4).online == 1


def test_a_plug_that_expects_another_count_or_more_than_the_maximum_is_refused() -> None:
    scene = Scene(AT_ONCE)
    with pytest.raises(Conflict, match="'web' has 1"):
        scene.host.plug(scene.id, expect=2, target=3)
    with pytest.raises(Denied, match="maximum is 4"):
        scene.host.plug(scene.id, expect=1, target=5)


def test_a_sample_tells_counters_in_hundredths_and_the_run_queue() -> None:
    scene = Scene(AT_ONCE, 3.3333, 3.3333, online=4)
    scene.step()
    sample = scene.host.sample(scene.view, pressure=True)
    assert (sample.at_s, sample.busy_s, sample.runnable, sample.pressure_s) == (10.0, 33.33, 3, 0.0)
    assert sample.online == frozenset(range(4))


def test_a_full_guest_tells_its_pressure_where_it_is_asked_for() -> None:
    scene = Scene(AT_ONCE, 3.0)
    scene.step()
    assert scene.host.sample(scene.view, pressure=True).pressure_s == STEP_S
    assert scene.host.sample(scene.view).pressure_s is None


def test_stolen_time_shows_in_the_guest_and_at_its_threads_alike() -> None:
    scene = Scene(replace(AT_ONCE, contention=Contention(stolen_ratio=0.25)), 3.0)
    scene.step()
    sample, view = scene.host.sample(scene.view), scene.view
    assert (sample.busy_s, sample.steal_s) == (7.5, 2.5)
    assert (view.vcpu_time_s, view.vcpu_delay_s) == (7.5, 2.5)


def test_a_gap_in_the_trace_is_a_guest_that_does_not_answer() -> None:
    scene = Scene(AT_ONCE, 0.5, float("nan"), 0.5)
    scene.step()
    scene.step()
    with pytest.raises(AgentUnresponsive, match="'web'"):
        scene.host.sample(scene.view)
    scene.step()
    assert scene.host.sample(scene.view).at_s == 30.0


def test_a_guest_that_refuses_does_so_for_a_while() -> None:
    # With a share so near to 1 the first draw refuses, and so does the one after the while.
    scene = Scene(replace(AT_ONCE, refused_offlining_ratio=0.999), online=3)
    for after_s in (0.0, REFUSES_FOR_S - 1, 2.0):
        scene.after(after_s)
        with pytest.raises(AgentRefused, match="'web' refuses"):
            scene.host.set_online(scene.id, target=2)


def test_a_vcpu_that_is_asked_back_is_gone_a_moment_later() -> None:
    scene = Scene(AT_ONCE, online=3)
    scene.host.set_online(scene.id, target=2)
    assert scene.host.unplug(scene.id, expect=3, target=2) == 2
    assert scene.view.plugged == 3
    scene.after(EJECTS_AFTER_S)
    assert (scene.view.plugged, scene.view.slots) == (2, frozenset({0, 1}))
    assert scene.host.vcpus(scene.id).present == 2


def test_a_vcpu_that_the_guest_runs_is_not_taken_back() -> None:
    scene = Scene(AT_ONCE, online=3)
    with pytest.raises(Denied, match="giving one back"):
        scene.host.unplug(scene.id, expect=3, target=2)


def test_a_refused_removal_shows_as_the_firmware_tells_it() -> None:
    scene = Scene(replace(AT_ONCE, refused_removal_ratio=0.999), online=3)
    scene.host.set_online(scene.id, target=2)
    scene.host.unplug(scene.id, expect=3, target=2)
    scene.after(60.0)
    assert scene.view.plugged == 3
    assert scene.view.reports.last[2].refuses
