"""What became of a domain's service level: slices judged, the error budget, how fast it burns.

Slices lie on the monotonic clock, so the wall clock may jump. Invariant: every slice since the domain's first
sight is good, bad or unknown, exactly one of them; what was not measured is unknown and never good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from autoscaler.core.burning import Burn, allowed_ratio, at_risk_s, burn
from autoscaler.core.dumped import branch, text
from autoscaler.core.policy import Indicator
from autoscaler.core.slice_cutter import SliceCutter
from autoscaler.core.slice_ledger import SliceLedger

if TYPE_CHECKING:
    from autoscaler.core.demand import Load
    from autoscaler.core.policy import Sla

_NOW = "5m"
_SPANS_S = {_NOW: 300.0, "30m": 1800.0, "1h": 3600.0, "6h": 21600.0, "3d": 259200.0}


class SliceOutcome(StrEnum):
    """What became of a slice. A closed set: these are metric labels."""

    GOOD = "good"
    """The indicator stayed below its limit."""
    BAD = "bad"
    UNKNOWN = "unknown"
    """Less than half of it was measured, or the host withheld too much for it to be good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloReport:
    """Where a domain stands against its SLA, as of the last slice that closed."""

    objective_ratio: float
    good: int
    """Slices of the window, to a 720th of it; so are `bad` and `unknown`."""
    bad: int
    unknown: int
    attained_ratio: float | None
    """Good share of the window's known slices; None: none is known."""
    measured_s: float
    """How much of the window those are: what `attained_ratio` is a share of."""
    budget_s: float
    """How much of a whole window may be bad: what `budget_remaining_ratio` is a share of."""
    budget_remaining_ratio: float
    """Share of the bad slices that a whole window allows which are not spent; below 0: overspent."""
    burn_rates: Mapping[str, float | None]
    """By span: the bad share over the share allowed, so that 1 spends the budget in one window; None: nothing
    known. A span longer than the window counts the window."""
    exhausted_in_s: float | None
    """When the budget is spent at the pace of the last hour; 0: it is, None: never at a pace within it, nor
    while the last 5 minutes burned nothing: the hour's pace is not that of now then."""
    last_slice_bad: bool
    """Whether the last slice that was measured was bad: one alone puts no promise at risk."""
    slices_total: Mapping[SliceOutcome, int]
    """All slices since the domain was first seen."""


class Slo:
    """One domain's slices and what they say."""

    __slots__ = ("_at_risk_s", "_burn", "_cutter", "_ledger", "_report", "_sla")

    def __init__(self, sla: Sla, now_s: float) -> None:
        self._sla = sla
        self._cutter = SliceCutter(sla.slice_s, now_s)
        self._ledger = SliceLedger(sla.slice_s, sla.window_s)
        self._report: SloReport | None = None
        """Of the slices closed so far; None: not asked for since."""
        self._burn: Burn | None = None
        self._at_risk_s = 0.0

    @property
    def sla(self) -> Sla:
        """What is promised."""
        return self._sla

    def feed(self, load: Load | None, now_s: float) -> tuple[SliceOutcome, ...]:
        """Take in what a tick measured (None: nothing) and return the slices that closed by it, in order."""
        if load is not None:
            self._cutter.measure(self._indicated(load), load.at_s - load.span_s, load.at_s)
        outcomes, unmeasured = self._close(now_s)
        return (*outcomes, *(SliceOutcome.UNKNOWN,) * unmeasured) if outcomes or unmeasured else ()

    def report(self) -> SloReport:
        """Count up; free between two slices."""
        if self._report is None:
            self._report = self._count()
        return self._report

    @property
    def burn(self) -> Burn | None:
        """How the promise is being broken, as of the last slice that closed; None: it is not."""
        return self._burn

    @property
    def at_risk_s(self) -> float:
        """For how much measured time no slice was good, where the promise is at risk; else 0."""
        return self._at_risk_s

    def _indicated(self, load: Load) -> float | None:
        """What the SLA is measured by; None: this load does not tell.

        A host that withholds time makes a guest look as if it wanted less: then only what is bad is known.
        """
        value = self._plainly_indicated(load)
        return None if load.starved and value is not None and value < self._sla.below else value

    def _plainly_indicated(self, load: Load) -> float | None:
        if self._sla.indicator is Indicator.PRESSURE:
            return load.pressure_ratio
        if self._sla.indicator is Indicator.RUN_QUEUE:
            return load.run_queue_ratio
        return load.demand_vcpus / load.online

    def _close(self, now_s: float) -> tuple[list[SliceOutcome], int]:
        """Count what is over; of a long silence only how many slices it was, for it may have been years."""
        means, unmeasured = self._cutter.close(now_s)
        if not means and not unmeasured:
            return [], 0
        self._report = None
        outcomes = [self._judge(mean) for mean in means]
        for outcome in outcomes:
            if outcome is SliceOutcome.UNKNOWN:
                self._ledger.skip(1)
            else:
                self._ledger.add(good=outcome is SliceOutcome.GOOD)
        self._ledger.skip(unmeasured)
        self._see_danger()
        return outcomes, unmeasured

    def _see_danger(self) -> None:
        self._burn = burn(self._sla, self._ledger)
        self._at_risk_s = 0.0 if self._burn is not None else at_risk_s(self._sla, self._ledger)

    def _judge(self, mean: float | None) -> SliceOutcome:
        if mean is None:
            return SliceOutcome.UNKNOWN
        return SliceOutcome.GOOD if mean < self._sla.below else SliceOutcome.BAD

    def _count(self) -> SloReport:
        window, ever = self._ledger.in_window(), self._ledger.ever()
        allowed = allowed_ratio(self._sla)
        budget = allowed * self._ledger.window
        spans = {name: self._ledger.last(span_s) for name, span_s in _SPANS_S.items()}
        ratios = {name: count.bad_ratio for name, count in (*spans.items(), ("window", window))}
        hourly = ratios["1h"]
        exhausted_in_s = None
        if window.bad >= budget:
            exhausted_in_s = 0.0
        elif hourly and hourly > allowed and ratios[_NOW] != 0:
            exhausted_in_s = (budget - window.bad) / hourly * self._sla.slice_s
        return SloReport(
            objective_ratio=self._sla.objective_ratio,
            good=window.good,
            bad=window.bad,
            unknown=window.unknown,
            attained_ratio=window.good / window.known if window.known else None,
            measured_s=window.known * self._sla.slice_s,
            budget_s=budget * self._sla.slice_s,
            budget_remaining_ratio=1 - window.bad / budget,
            burn_rates={name: None if ratio is None else ratio / allowed for name, ratio in ratios.items()},
            exhausted_in_s=exhausted_in_s,
            last_slice_bad=self._ledger.since_good().bad > 0,
            slices_total={
                SliceOutcome.GOOD: ever.good,
                SliceOutcome.BAD: ever.bad,
                SliceOutcome.UNKNOWN: ever.unknown,
            },
        )

    def dump(self, now_s: float) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "meaning": _meaning(self._sla),
            "open": self._cutter.dump(now_s),
            "ledger": self._ledger.dump(),
        }

    @classmethod
    def load(cls, sla: Sla, dumped: Mapping[str, object], now_s: float, away_s: float) -> Self:
        """Go on from what was dumped `away_s` before now; the time between is unknown.

        Raises:
            ValueError: the dump is malformed, or its slices were judged by another measure.
        """
        if text(dumped, "meaning") != _meaning(sla):
            raise ValueError("the slices were judged by another service level")
        slo = cls(sla, now_s)
        slo._ledger.load(branch(dumped, "ledger"))
        slo._cutter.load(branch(dumped, "open"), now_s - max(away_s, 0.0))
        slo._close(now_s)
        slo._see_danger()
        return slo


def _meaning(sla: Sla) -> str:
    """What has to be the same for old slices to count; the objective may change, the slices stay."""
    return f"{sla.indicator} {sla.below!r} in {sla.slice_s!r} s of {sla.window_s!r} s"
