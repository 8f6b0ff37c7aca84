"""The guests of a replay as physics: what each wants, gets and leaves undone, for all at once.

Face, in the order of its use; arrays have the shape (domains,), a row a trace, times are seconds since the
traces' start:

    plant = Plant(traces, online, stolen_ratio)
    plant.set_online(rows, vcpus, at_s)     as often as wanted: now, or at a time to come
    plant.advance()                         runs one step for every domain
    plant.now_s, plant.online               what holds at the end of that step, and
    plant.busy_vcpus, plant.wanted_vcpus, plant.steal_vcpus, plant.runnable, plant.waiting_ratio, plant.known
                                            what that step was like
    plant.busy_s, plant.steal_s, plant.waited_s
                                            counters since the start
    plant.courses()                         at the end: what became of each

Invariants: no domain runs more than its online vCPUs; all work is done, or waits, or was dropped, and counts
once; no row knows of another, and every operation is exact to the last digit in any array, so that a domain
fares the same in whatever company.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from autoscaler.replay.course import Course, Move

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from autoscaler.replay.trace import Trace

BACKLOG_MOST_S: Final = 60.0
"""Work that waits for longer than the online vCPUs need for it in this time is dropped: clients give up."""
_AHEAD: Final = 256


class Plant:
    """Guests whose traces lie on one grid."""

    def __init__(
        self,
        traces: Sequence[Trace],
        online: Sequence[int],
        stolen_ratio: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Begin with so many vCPUs online, nothing waiting and every counter at nothing.

        Args:
            traces: at least one; all with the same step, start and number of steps.
            online: VCPUs at the start, one figure a trace.
            stolen_ratio: Shape (steps,), below 1: share of its time that the host withholds from a vCPU that
                wants to run; None: nothing is withheld.
        """
        first = traces[0]
        assert all(
            (trace.step_s, trace.start_s, len(trace.demand_vcpus))
            == (first.step_s, first.start_s, len(first.demand_vcpus))
            for trace in traces
        ), "traces on different grids"
        domains, self.steps = len(traces), len(first.demand_vcpus)
        self.step_s = first.step_s
        self.step = 0
        """Steps that are over."""
        self.online = np.array(online, dtype=np.int64)
        self.known = np.zeros(domains, dtype=np.bool_)
        """Whether the trace says what was wanted; where it does not, nothing new is."""
        self.busy_s, self.steal_s, self.waited_s = (np.zeros(domains) for _ in range(3))
        self.busy_vcpus, self.wanted_vcpus, self.steal_vcpus, self.waiting_ratio = (
            np.zeros(domains) for _ in range(4)
        )
        self.runnable = np.zeros(domains, dtype=np.int64)
        """Tasks that want a CPU, as a guest counts them."""
        self.backlog_s, self.dropped_s = np.zeros(domains), np.zeros(domains)
        """VCPU-seconds of work that wait, and that were given up since the start."""
        self._traces = traces
        self._stolen_ratio = np.zeros(self.steps) if stolen_ratio is None else stolen_ratio
        self._known_ahead = np.empty((0, domains), dtype=np.bool_)
        self._new_s_ahead = np.empty((0, domains))
        """Of the steps up to the next multiple of `_AHEAD`: vCPU-seconds of work, and if they are known."""
        self._otherwise_s = np.zeros(domains)
        """By how many vCPU-seconds the step under way has more, or fewer, than its last count would give."""
        self._steady_s = self.online.astype(np.float64) * self.step_s
        """What the vCPUs online now come to in a whole step."""
        self._moved = False
        """Whether any count has changed since that was reckoned."""
        self._waits = False
        """Whether there is any backlog."""
        self._nothing = np.zeros(domains)
        self._due: dict[int, list[tuple[float, int, int]]] = {}
        """Moves to come, by the step in which they fall: when, whose, and to how many vCPUs."""
        self._moves: list[list[Move]] = [[] for _ in traces]
        self._wanted, self._busy, self._online = (np.empty((domains, self.steps)) for _ in range(3))

    @property
    def now_s(self) -> float:
        """The time at which the next step begins."""
        return self.step * self.step_s

    def set_online(self, rows: Iterable[int], vcpus: Iterable[int], at_s: Iterable[float]) -> None:
        """Let each of these domains run so many vCPUs from its time on; one a domain and time, in order."""
        for row, count, when_s in zip(rows, vcpus, at_s, strict=True):
            self.move(row, count, when_s)

    def move(self, row: int, vcpus: int, at_s: float) -> None:
        """The same for one domain. A time up to now holds from the start of the next step on."""
        if at_s <= self.now_s:
            self._change(row, vcpus, self.now_s)
        else:
            # A move at the very end of a step is true when the guest is sampled there.
            ends_in = max(ceil(at_s / self.step_s) - 1, self.step)
            self._due.setdefault(ends_in, []).append((at_s, row, vcpus))

    def advance(self) -> None:
        """Run the next step."""
        step, span_s = self.step, self.step_s
        for at_s, row, vcpus in sorted(self._due.pop(step, ())):
            self._change(row, vcpus, at_s)
        online_s = self._online_s()
        stolen_ratio = self._stolen_ratio[step]
        capacity_s = online_s * (1 - stolen_ratio) if stolen_ratio else online_s
        new_s = self._new_s(step)
        work_s = new_s + self.backlog_s
        busy_s = np.minimum(work_s, capacity_s)
        self._wait(capacity_s, new_s, work_s - busy_s)
        self.busy_vcpus = busy_s / span_s
        self.wanted_vcpus = work_s / span_s
        self.runnable = np.rint(self.wanted_vcpus).astype(np.int64)
        self.busy_s += busy_s
        self.steal_vcpus = self._nothing
        if stolen_ratio:
            # A vCPU that the host lets run for a share of the time waits for the rest while it has work.
            self.steal_vcpus = self.busy_vcpus * (stolen_ratio / (1 - stolen_ratio))
            self.steal_s += self.steal_vcpus * span_s
        self._wanted[:, step] = self.wanted_vcpus
        self._busy[:, step] = self.busy_vcpus
        self._online[:, step] = online_s
        self.step = step + 1

    def courses(self) -> list[Course]:
        """What became of each domain in the steps that are over, in the traces' order; no move says why."""
        over = slice(0, self.step)
        return [
            Course(
                domain=trace.domain,
                step_s=self.step_s,
                maximum=trace.maximum,
                demand_vcpus=trace.demand_vcpus[over],
                wanted_vcpus=np.where(np.isnan(trace.demand_vcpus[over]), np.nan, self._wanted[row, over]),
                busy_vcpus=self._busy[row, over],
                online_vcpus=self._online[row, over] / self.step_s,
                moves=tuple(self._moves[row]),
            )
            for row, trace in enumerate(self._traces)
        ]

    def _new_s(self, step: int) -> npt.NDArray[np.float64]:
        """The work that a step brings; taken from the traces for many steps at once, which is quicker."""
        ahead = step % _AHEAD
        if ahead == 0:
            steps = slice(step, step + _AHEAD)
            demand_vcpus = np.array([trace.demand_vcpus[steps] for trace in self._traces]).T.copy()
            self._known_ahead = ~np.isnan(demand_vcpus)
            self._new_s_ahead = np.where(self._known_ahead, demand_vcpus, 0.0) * self.step_s
        self.known = self._known_ahead[ahead]
        new_s: npt.NDArray[np.float64] = self._new_s_ahead[ahead]
        return new_s

    def _online_s(self) -> npt.NDArray[np.float64]:
        """What the vCPUs online come to in the step under way, in vCPU-seconds; mostly as in the last one."""
        if not self._moved:
            return self._steady_s
        self._steady_s, self._moved = self.online.astype(np.float64) * self.step_s, False
        online_s = self._steady_s + self._otherwise_s
        self._otherwise_s[:] = 0.0
        return online_s

    def _wait(
        self,
        capacity_s: npt.NDArray[np.float64],
        new_s: npt.NDArray[np.float64],
        left_s: npt.NDArray[np.float64],
    ) -> None:
        """Let what was left undone wait; until it is done, some task of the guest waits for a CPU.

        What waited before is worked off by the capacity beyond what the step itself brought.
        """
        waited, self._waits = self._waits, bool(np.count_nonzero(left_s))
        if not (waited or self._waits):
            self.waiting_ratio = self._nothing
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            cleared = np.where(self.backlog_s > 0, self.backlog_s / (capacity_s - new_s), 0.0)
        self.waiting_ratio = np.where(left_s > 0, 1.0, np.minimum(cleared, 1.0))
        self.waited_s += self.waiting_ratio * self.step_s
        self.backlog_s = np.minimum(left_s, BACKLOG_MOST_S * self.online)
        self.dropped_s += left_s - self.backlog_s

    def _change(self, row: int, vcpus: int, at_s: float) -> None:
        before = int(self.online[row])
        if vcpus != before:
            self._otherwise_s[row] += (before - vcpus) * (at_s - self.now_s)
            self.online[row], self._moved = vcpus, True
            self._moves[row].append(Move(at_s=at_s, from_vcpus=before, to_vcpus=vcpus, reason=""))
