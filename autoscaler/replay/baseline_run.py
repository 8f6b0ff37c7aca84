"""Known rules over simulated guests: what each of them makes of recorded demand.

A guest is seen where a step ends, by what it would report, and moved as the service moves it: vCPUs that were
never plugged take the lag of a plug, those that were take that of a warm growth, refusals and silent guests
are those of the circumstances, one change of a domain is under way at a time, and nothing is done to a guest
that does not answer. No rule knows of a host that domains share, so its size has no say here.

Invariant: all rules meet the same luck, and each domain fares the same in whatever company, to the last
digit.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import AgentRefused
from autoscaler.replay.abreast import abreast, alike, cut
from autoscaler.replay.baselines.baseline import Seen
from autoscaler.replay.plant import Plant
from autoscaler.replay.simulated_guest import SimulatedGuest
from autoscaler.replay.start import start_vcpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Sla
    from autoscaler.replay.baselines.baseline import Rule
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

    Floats = npt.NDArray[np.float64]
    Vcpus = npt.NDArray[np.int64]

_LOAD_S = (60.0, 300.0)
"""Over how long the kernel's load averages fade."""


def run_baselines(
    rules: Sequence[Rule],
    traces: Sequence[Trace],
    circumstances: Circumstances,
    sla: Sla,
    *,
    progress: Callable[[int], None] | None = None,
) -> dict[str, list[Course]]:
    """What each rule makes of each trace, by the rule's name, in the traces' order.

    All rules run in one plant, which is quicker than one after the other and takes 24 bytes for each step of
    each domain under each rule: who has many domains gives some of them at a time. `progress` is told of
    domain-steps that are over, so many at a time, a domain counting once for all rules.
    """
    found: dict[str, dict[int, Course]] = {rule.name: {} for rule in rules}
    for rows in alike(traces):
        bench = _Bench(rules, [traces[row] for row in rows], circumstances, sla)
        for _ in range(bench.plant.steps):
            bench.advance()
            if progress is not None:
                progress(len(rows))
        courses = bench.plant.courses()
        for number, course in enumerate(courses):
            rule, row = rules[number // len(rows)], rows[number % len(rows)]
            found[rule.name][row] = cut(course, traces[row])
    return {name: [courses[row] for row in range(len(traces))] for name, courses in found.items()}


class _Bench:
    """Rules side by side over domains with one step; the plant has a row for each domain under each rule."""

    def __init__(
        self, rules: Sequence[Rule], traces: Sequence[Trace], circumstances: Circumstances, sla: Sla
    ) -> None:
        usual = np.array([start_vcpus(trace, sla) for trace in traces])
        self._baselines = [rule.begin(traces, usual) for rule in rules]
        self._intervals = [_Every(rule.every_s) for rule in rules]
        start = np.concatenate([baseline.start for baseline in self._baselines])
        every_trace = abreast(traces) * len(rules)
        stolen_ratio = circumstances.stolen_ratio(len(every_trace[0].demand_vcpus), traces[0].step_s)
        self.plant = Plant(every_trace, start.tolist(), stolen_ratio)
        self._gauges = _Gauges(self.plant, traces, len(rules), circumstances)
        self._guests = [
            SimulatedGuest(row, trace, self.plant, host="", circumstances=circumstances)
            for row, trace in enumerate(every_trace)
        ]
        self._maximum = np.array([trace.maximum for trace in every_trace])
        self._want, self._plugged = start.copy(), start.copy()
        self._under_way_until_s = np.zeros(len(start))

    def advance(self) -> None:
        """Run a step, and let each rule look at its end."""
        self.plant.advance()
        self._gauges.read()
        now_s, domains = self.plant.now_s, len(self._guests) // len(self._baselines)
        for number, (baseline, interval) in enumerate(zip(self._baselines, self._intervals, strict=True)):
            if interval.due(now_s):
                rows = slice(number * domains, (number + 1) * domains)
                self._want[rows] = np.clip(baseline.want(self._gauges.seen(rows)), 1, self._maximum[rows])
        to_move = self._want != self.plant.online
        to_move &= self._gauges.known & (now_s >= self._under_way_until_s)
        for row in np.flatnonzero(to_move).tolist():
            self._move(row, int(self._want[row]), now_s)

    def _move(self, row: int, target: int, now_s: float) -> None:
        guest, plugged = self._guests[row], int(self._plugged[row])
        if target > plugged:
            guest.plug(plugged, target, now_s)
            self._plugged[row] = target
        try:
            self._under_way_until_s[row] = now_s + guest.set_online(target, now_s)
        except AgentRefused:
            """What the guest refuses is tried again at the next step."""


class _Gauges:
    """What all guests have reported, as of their last answers."""

    def __init__(
        self, plant: Plant, traces: Sequence[Trace], rules: int, circumstances: Circumstances
    ) -> None:
        self._plant, self._times = plant, rules
        silent = [circumstances.chances(trace.domain).missing(plant.steps) for trace in traces]
        self._silent = np.array(silent).T
        rows = len(traces) * rules
        self.known = np.ones(rows, dtype=np.bool_)
        self._fade = np.array([[1 - exp(-plant.step_s / over_s)] for over_s in _LOAD_S])
        first = [float(np.nan_to_num(trace.demand_vcpus[0])) for trace in traces]
        self._loads = np.tile(first, (len(_LOAD_S), rules))
        self._ran_s = np.zeros(rows)
        self._told = np.zeros((7, rows))
        """Last told: vCPUs online, busy, load1, load5, the time, busy and online vCPU-seconds."""
        self._told[0] = plant.online

    def read(self) -> None:
        """Take in what the last step brought."""
        plant = self._plant
        # The kernel looks at its run queue every 5 s: over a step that comes to the mean number of tasks.
        self._loads += (plant.wanted_vcpus - self._loads) * self._fade
        self._ran_s += plant.online * plant.step_s
        self.known = plant.known & ~np.tile(self._silent[plant.step - 1], self._times)
        at_s = np.full(len(self.known), plant.now_s)
        with np.errstate(invalid="ignore", divide="ignore"):
            busy_vcpus = (plant.busy_s - self._told[5]) / (at_s - self._told[4])
        told = [plant.online, busy_vcpus, *self._loads, at_s, plant.busy_s, self._ran_s]
        self._told = np.array(told) if self.known.all() else np.where(self.known, told, self._told)

    def seen(self, rows: slice) -> Seen:
        """What a rule sees of its domains."""
        online, busy_vcpus, load1, load5, at_s, busy_s, ran_s = self._told[:, rows]
        return Seen(
            now_s=self._plant.now_s,
            known=self.known[rows],
            online=online.astype(np.int64),
            busy_vcpus=busy_vcpus,
            load1=load1,
            load5=load5,
            at_s=at_s,
            busy_s=busy_s,
            ran_s=ran_s,
        )


class _Every:
    """When a rule is due that works at an interval: at the end of the step that reaches a multiple of it.

    So an interval that is no multiple of the step is kept on average: every 15 s, with steps of 10 s, means
    after 20, 30, 50 and 60 s.
    """

    __slots__ = ("_interval_s", "_next_s")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = self._next_s = interval_s

    def due(self, now_s: float) -> bool:
        """Whether the time has come; says so once."""
        if now_s < self._next_s:
            return False
        self._next_s = (now_s // self._interval_s + 1) * self._interval_s
        return True
