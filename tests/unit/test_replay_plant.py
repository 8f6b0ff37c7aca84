"""The physics of guests: what they run, what waits, what is dropped, and what they would say of it."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.core.policy import Indicator, Sla
from autoscaler.replay.plant import BACKLOG_MOST_S, Plant
from autoscaler.replay.start import start_vcpus
from autoscaler.replay.trace import Trace

STEP_S = 10.0


def trace(*demand_vcpus: float, domain: str = "web", maximum: int = 8) -> Trace:
    return Trace(
        domain=domain,
        start_s=0.0,
        step_s=STEP_S,
        demand_vcpus=np.array(demand_vcpus),
        maximum=maximum,
        recorded_s=STEP_S,
    )


def test_a_guest_with_room_runs_what_it_wants() -> None:
    plant = Plant([trace(1.5)], [2])
    plant.advance()
    assert plant.busy_vcpus[0] == 1.5
    assert plant.backlog_s[0] == 0
    assert plant.waiting_ratio[0] == 0


def test_a_full_guest_runs_all_it_has_and_the_rest_waits() -> None:
    plant = Plant([trace(3.0)], [2])
    plant.advance()
    assert plant.busy_vcpus[0] == 2
    assert plant.backlog_s[0] == 10
    assert plant.waiting_ratio[0] == 1


def test_what_waits_is_wanted_on_top_and_worked_off_by_the_spare_vcpus() -> None:
    plant = Plant([trace(3.0, 1.0)], [2])
    plant.advance()
    plant.advance()
    assert plant.wanted_vcpus[0] == 2
    assert plant.busy_vcpus[0] == 2
    assert plant.backlog_s[0] == 0
    assert plant.waiting_ratio[0] == 1


def test_tasks_wait_only_until_the_backlog_is_worked_off() -> None:
    plant = Plant([trace(2.5, 1.0)], [2])
    plant.advance()
    plant.advance()
    assert plant.waiting_ratio[0] == 0.5


def test_once_the_backlog_is_worked_off_no_task_waits_any_more() -> None:
    plant = Plant([trace(2.5, 1.0, 1.0)], [2])
    for _ in range(3):
        plant.advance()
    assert plant.waiting_ratio[0] == 0
    assert plant.waited_s[0] == 1.5 * STEP_S


def test_what_would_wait_for_too_long_is_dropped() -> None:
    plant = Plant([trace(*[10.0] * 10)], [1])
    for _ in range(10):
        plant.advance()
    assert plant.backlog_s[0] == BACKLOG_MOST_S
    assert plant.busy_s[0] + plant.backlog_s[0] + plant.dropped_s[0] == 10 * 10 * STEP_S


def test_a_move_within_a_step_counts_from_its_moment() -> None:
    plant = Plant([trace(4.0)], [1])
    plant.set_online([0], [3], [2.5])
    plant.advance()
    assert plant.busy_s[0] == 2.5 + 3 * 7.5
    assert plant.courses()[0].online_vcpus[0] == 2.5


def test_a_move_of_one_guest_counts_whole_from_the_next_step_on_and_leaves_the_others() -> None:
    plant = Plant([trace(4.0, 4.0, 4.0), trace(4.0, 4.0, 4.0)], [1, 1])
    plant.set_online([0], [3], [2.5])
    for _ in range(3):
        plant.advance()
    assert [list(course.online_vcpus) for course in plant.courses()] == [[2.5, 3, 3], [1, 1, 1]]


def test_a_move_at_the_end_of_a_step_is_there_when_the_guest_is_sampled() -> None:
    plant = Plant([trace(4.0, 4.0)], [1])
    plant.set_online([0], [3], [STEP_S])
    plant.advance()
    assert plant.online[0] == 3
    assert plant.busy_s[0] == STEP_S


def test_a_move_can_be_asked_for_long_before() -> None:
    plant = Plant([trace(*[1.0] * 5)], [1])
    plant.set_online([0], [2], [35.0])
    for _ in range(5):
        plant.advance()
    (course,) = plant.courses()
    assert list(course.online_vcpus) == [1, 1, 1, 1.5, 2]
    assert [(move.at_s, move.from_vcpus, move.to_vcpus) for move in course.moves] == [(35.0, 1, 2)]


def test_a_host_that_withholds_time_makes_the_guest_wait_and_says_so_as_steal() -> None:
    plant = Plant([trace(4.0), trace(0.5)], [2, 2], np.array([0.25]))
    plant.advance()
    assert list(plant.busy_vcpus) == [1.5, 0.5]
    assert plant.steal_vcpus == pytest.approx([0.5, 0.5 / 3])


def test_the_run_queue_holds_what_is_wanted_and_does_not_fit() -> None:
    plant = Plant([trace(5.2)], [2])
    plant.advance()
    assert plant.runnable[0] == 5


def test_where_nothing_is_known_nothing_new_runs_and_the_course_says_unknown() -> None:
    plant = Plant([trace(3.0, float("nan"), 1.0)], [2])
    for _ in range(3):
        plant.advance()
    (course,) = plant.courses()
    assert list(course.busy_vcpus) == [2, 1, 1]
    assert np.isnan(course.wanted_vcpus[1])
    assert course.wanted_vcpus[2] == 1


def test_traces_on_different_grids_are_refused() -> None:
    with pytest.raises(AssertionError, match="grids"):
        Plant([trace(1.0), trace(1.0, 2.0)], [1, 1])


@pytest.mark.parametrize(
    ("demand_vcpus", "sla", "least", "expected"),
    [
        pytest.param([0.5] * 6, Sla(), 1, 1, id="room enough"),
        pytest.param([0.5] * 6, Sla(below=0.5), 1, 2, id="demand at the limit breaks it"),
        pytest.param([1.7] * 6, Sla(), 1, 3, id="the mean over the limit, rounded up"),
        pytest.param([0.5] * 6, Sla(), 2, 2, id="no fewer than the policy allows"),
        pytest.param([50.0] * 6, Sla(), 1, 8, id="no more than the domain can have"),
        pytest.param([1.7] * 6, Sla(indicator=Indicator.PRESSURE, below=0.1), 1, 2, id="pressure"),
        pytest.param([float("nan")] * 6 + [1.7] * 6, Sla(), 1, 3, id="the first slice is not known"),
        pytest.param([float("nan")] * 12, Sla(), 1, 1, id="none is known"),
    ],
)
def test_a_domain_starts_with_the_fewest_vcpus_that_keep_its_first_slice(
    demand_vcpus: list[float], sla: Sla, least: int, expected: int
) -> None:
    assert start_vcpus(trace(*demand_vcpus), sla, least=least) == expected
