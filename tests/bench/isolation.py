"""What hung guests cost the others, and what an attack by an agent costs the service."""

from __future__ import annotations

import cmath
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import DomainId, DomainView, RunState
from autoscaler.errors import AutoscalerError
from autoscaler.service.clock import SystemClock
from tests.bench.figures import Figure, figure
from tests.bench.guest_row import GuestRow, guest_row
from tests.fakes.attacks import ATTACKS
from tests.fakes.running_service import running_service

GUESTS = 100
MANY = 30
INTERVAL_S = 1.0
WATCHED_S = 10.0
RUNS = 5
SILENCE = "silence"
_TIMEOUT_S = 0.5

Say = Callable[[str], None]


def isolation(say: Say) -> list[Figure]:
    """How much later guests are sampled while others of the 100 hang, in %; then what `hostile` measures."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-bench-")))
        (folder / "g").mkdir()
        row = stack.enter_context(guest_row(folder / "g", GUESTS))
        service = stack.enter_context(running_service(folder, f"qmp: {folder}/g"))
        service.wait_for_tick()
        for run in range(RUNS):
            for name, hung in (("one", [17 * run]), ("many", list(range(run, run + MANY)))):
                mean, worst = _delays(row, set(hung))
                found.setdefault(name, []).append(mean)
                found.setdefault(f"{name}.p99", []).append(worst)
                say(f"isolation {run + 1} of {RUNS}, {len(hung)} hung: {mean:+.2f} %, p99 {worst:+.2f} %")
    figures = [figure(f"isolation.{name}", "% of interval", values) for name, values in found.items()]
    return [*figures, *hostile(say)]


def _delays(row: GuestRow, hung: set[int]) -> tuple[float, float]:
    """By how much the samples of the others move when these guests hang: on average, and the latest 1 %."""
    time.sleep(4 * INTERVAL_S)
    row.take_samplings()
    time.sleep(WATCHED_S)
    before = row.take_samplings()
    for number in hung:
        row.attack(number, SILENCE)
    time.sleep(WATCHED_S)
    after = row.take_samplings()
    for number in hung:
        row.come_back(number)
    others = [number for number in range(GUESTS) if number not in hung]
    usual_s = _usual_moment_s([at_s for number in others for at_s in before[number]])
    calm, hard = (
        sorted(
            (at_s - usual_s + INTERVAL_S / 2) % INTERVAL_S for number in others for at_s in samplings[number]
        )
        for samplings in (before, after)
    )
    mean_s = statistics.mean(hard) - statistics.mean(calm)
    return 100 * mean_s / INTERVAL_S, 100 * (_p99(hard) - _p99(calm)) / INTERVAL_S


def _usual_moment_s(moments_s: Sequence[float]) -> float:
    """At which moment of the interval they lie: the middle of the circle's arc that they fill."""
    turns = sum(cmath.exp(2j * cmath.pi * at_s / INTERVAL_S) for at_s in moments_s)
    return cmath.phase(turns) / (2 * cmath.pi) * INTERVAL_S


def _p99(ordered: Sequence[float]) -> float:
    return ordered[int(0.99 * (len(ordered) - 1))]


def hostile(say: Say) -> list[Figure]:
    """Memory at its peak and CPU time of one call to an agent that attacks, over every attack."""
    peaks_mib: list[float] = []
    cpu_ms: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-bench-")))
        row = stack.enter_context(guest_row(folder, len(ATTACKS)))
        for number, name in enumerate(ATTACKS):
            costs = [_cost(folder, row, number, name) for _ in range(RUNS)]
            peaks_mib.extend(peak for peak, _ in costs)
            cpu_ms.extend(cpu for _, cpu in costs)
            peak, cpu = (statistics.median(values) for values in zip(*costs, strict=True))
            say(f"hostile, {name}: {peak:.2f} MiB, {cpu:.1f} ms of CPU")
    return [
        figure("hostile.memory", "MiB", peaks_mib),
        figure("hostile.cpu", "ms", cpu_ms),
    ]


def _meet(agent: GuestAgent, view: DomainView) -> None:
    """Ask an agent until it answers: it may be busy with its last attack."""
    end_s = time.monotonic() + 10
    while True:
        try:
            agent.sample(view)
        except AutoscalerError:
            assert time.monotonic() < end_s, f"{view.name} does not answer"
            agent.forget(view.id)
        else:
            return


def _cost(folder: Path, row: GuestRow, number: int, name: str) -> tuple[float, float]:
    """Peak of memory in MiB and CPU time in ms, of two calls: tracing one would slow it down."""
    channel = SocketAgentChannel(lambda _: UnixAddress(f"{folder}/guest-{number}/agent.sock"))
    agent, clock = GuestAgent(channel, SystemClock(), timeout_s=_TIMEOUT_S), SystemClock()
    view = DomainView(
        id=DomainId("bench", f"guest-{number}"),
        name=f"guest-{number}",
        state=RunState.RUNNING,
        plugged=1,
        maximum=4,
        at_s=clock.monotonic_s(),
    )
    try:
        _meet(agent, view)
        row.attack(number, name)
        tracemalloc.start()
        with suppress(AutoscalerError):
            agent.sample(view)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        began_s = time.thread_time()
        with suppress(AutoscalerError):
            agent.sample(view)
        return peak / 1024**2, 1000 * (time.thread_time() - began_s)
    finally:
        channel.close()
        row.come_back(number)
