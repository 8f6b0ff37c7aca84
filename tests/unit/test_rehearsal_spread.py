"""Rehearsals shared out: on all CPUs, and on a Dask cluster of worker processes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import LocalCluster

from autoscaler.core.policy import Match, Policy, PolicySet
from autoscaler.replay.circumstances import Circumstances, Lag
from autoscaler.replay.course import Course
from autoscaler.replay.trace import Trace
from autoscaler.service import rehearsal_cluster
from autoscaler.service.rehearsal import CannotRehearse, rehearse
from autoscaler.service.rehearsal_cluster import ClusterUnavailable, rehearse_on_cluster
from autoscaler.service.rehearsal_processes import WorkerLost, rehearse_on_all_cpus

POLICIES = PolicySet(policies=(Policy(name="every", match=Match(name=("*",))),), digest="test")
WORLD = Circumstances(lag=Lag.fixed(12.0), missing_ratio=0.05, refused_onlining_ratio=0.1)
STEPS = 300


def restless(number: int) -> Trace:
    chance = np.random.default_rng(number)
    demand_vcpus = np.repeat(chance.uniform(0.2, 5.0, STEPS // 20), 20) + chance.uniform(0.0, 0.5, STEPS)
    return Trace(
        domain=f"restless-{number}",
        start_s=0.0,
        step_s=10.0,
        demand_vcpus=demand_vcpus,
        maximum=12,
        recorded_s=10.0,
    )


TRACES = [restless(number) for number in range(10)]
MANY = [restless(number) for number in range(600)]


@pytest.fixture(scope="module")
def in_one_process() -> list[Course]:
    return rehearse(TRACES, POLICIES, WORLD)


def same(some: list[Course], others: list[Course]) -> bool:
    return all(
        one.domain == other.domain
        and one.moves == other.moves
        and np.array_equal(one.demand_vcpus, other.demand_vcpus)
        and np.array_equal(one.wanted_vcpus, other.wanted_vcpus, equal_nan=True)
        and np.array_equal(one.busy_vcpus, other.busy_vcpus)
        and np.array_equal(one.online_vcpus, other.online_vcpus)
        for one, other in zip(some, others, strict=True)
    )


def test_processes_come_to_what_one_comes_to_and_tell_how_far_they_are(in_one_process: list[Course]) -> None:
    told: list[int] = []
    found = rehearse_on_all_cpus(TRACES, POLICIES, WORLD, processes=2, progress=told.append)
    assert same(found, in_one_process)
    assert sum(told) == len(TRACES) * STEPS
    assert not active_children()


def test_a_process_that_is_killed_ends_the_replay_with_a_sentence() -> None:
    def kill() -> None:
        while not active_children():
            time.sleep(0.05)
        active_children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkerLost, match="fewer"):
        rehearse_on_all_cpus(TRACES, POLICIES, WORLD, processes=2)
    killer.join()
    assert not active_children()


def test_an_interrupt_ends_every_process() -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse_on_all_cpus(MANY, POLICIES, WORLD, processes=2, progress=interrupt)
    assert not active_children()


FOR_LONG = """
from multiprocessing import active_children
from tests.unit.test_rehearsal_spread import MANY, POLICIES, WORLD, rehearse_on_all_cpus

def tell(_):
    print(*[child.pid for child in active_children()], flush=True)

if __name__ == "__main__":
    rehearse_on_all_cpus(MANY, POLICIES, WORLD, processes=2, progress=tell)
"""


def test_no_process_outlives_a_replay_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "replay.py"
    script.write_text(FOR_LONG)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as replay:
        assert replay.stdout is not None
        workers = [Path("/proc", pid) for pid in replay.stdout.readline().decode().split()]
        replay.kill()
    end_s = time.monotonic() + 20
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < end_s, workers
        time.sleep(0.05)
    assert len(workers) == 2


def test_what_one_process_refuses_all_refuse() -> None:
    with pytest.raises(CannotRehearse, match="no policy matches"):
        rehearse_on_all_cpus(TRACES, PolicySet(), WORLD, processes=2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    # Not only the workers leave files: scheduler and client do as well, where this says.
    with (
        dask.config.set({"temporary-directory": str(tmp_path_factory.mktemp("dask"))}),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as running,
    ):
        yield running


def test_a_cluster_comes_to_what_one_process_comes_to_though_a_worker_is_killed_half_way(
    cluster: LocalCluster, in_one_process: list[Course]
) -> None:
    told: list[int] = []

    def progress(domain_steps: int) -> None:
        if not told:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        told.append(domain_steps)

    found = rehearse_on_cluster(
        TRACES, POLICIES, WORLD, scheduler=cluster.scheduler_address, progress=progress
    )
    assert same(found, in_one_process)
    assert sum(told) == len(TRACES) * STEPS


def test_what_one_process_refuses_a_cluster_refuses(cluster: LocalCluster) -> None:
    with pytest.raises(CannotRehearse, match="no policy matches"):
        rehearse_on_cluster(TRACES, PolicySet(), WORLD, scheduler=cluster.scheduler_address)


def test_a_cluster_that_is_not_there_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal_cluster, "CONNECT_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ClusterUnavailable, match="no Dask scheduler answered"):
            rehearse_on_cluster(
                TRACES, POLICIES, WORLD, scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            )


def test_a_cluster_without_workers_is_given_up_in_time(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal_cluster, "WITHOUT_WORKERS_S", 1.0)
    cluster.scale(0)  # type: ignore[no-untyped-call]
    with pytest.raises(ClusterUnavailable, match="dask worker"):
        rehearse_on_cluster(MANY, POLICIES, WORLD, scheduler=cluster.scheduler_address)
