"""A whole replay of a few domains, made by hand: a day in which one of them is late, told by any report."""

from __future__ import annotations

import numpy as np

from autoscaler.replay.compare import change_of
from autoscaler.replay.gather import from_worst, gather
from autoscaler.replay.judged import Judged, Spending, Tried
from autoscaler.replay.result import AGAINST, OPTIMUM, POLICY, Drawn, Replayed, Terms
from tests.fakes.courses import course, judged, steps

HOSTILE = '<script>alert("x")</script>$x^{2$ | `a` [b](http://c)\n# d \u202e\x1b[31m*&amp;'
"""A name that would be markup, mathematics, a link, a heading, a cell and an order to a terminal."""
LABELS = {POLICY: "new.yaml", AGAINST: "old.yaml (old)"}
_WANTED = steps((1.0, 540), (2.2, 60), (np.nan, 60), (1.0, 780))


def tried(domain: str, *, late_minutes: int) -> tuple[Tried, dict[str, Judged]]:
    """One domain whose new policy comes so late to its hour of need, and whose old one is ready."""
    best = course(_WANTED, steps((2, 540), (3, 60), (2, 840)), domain)
    new = course(_WANTED, steps((2, 540 + late_minutes), (3, 60 - late_minutes), (2, 840)), domain)
    old = course(_WANTED, steps((2, 530), (3, 80), (2, 830)), domain)
    by_policy = {POLICY: judged(new, best), AGAINST: judged(old, best)}
    peak = judged(course(_WANTED, steps((3, 1440)), domain), best).score
    scores = {name: found.score for name, found in by_policy.items()}
    scores |= {"static peak": peak, OPTIMUM: judged(best, best).score}
    found = Tried(
        domain=domain,
        scores=scores,
        least_j=scores[OPTIMUM].j / 1.25,
        at_lags={(POLICY, lag_s): by_policy[POLICY].score for lag_s in (10.0, 300.0)},
        change=change_of(by_policy[POLICY], by_policy[AGAINST]),
        spent={name: Spending(sla=one.sla, slices=one.slices) for name, one in by_policy.items()},
    )
    return found, by_policy


def replayed(*domains: str) -> Replayed:
    """These domains, the first of which breaks its SLA under the new policy."""
    made = {name: tried(name, late_minutes=40 if number == 0 else 5) for number, name in enumerate(domains)}
    ranked = from_worst([one for one, _ in made.values()])
    drawn = [
        Drawn(
            title=f"worst {place} of {len(made)}",
            worst=True,
            policy=made[one.domain][1][POLICY],
            against=made[one.domain][1][AGAINST],
        )
        for place, one in enumerate(ranked[:2], start=1)
    ]
    terms = Terms(
        version="1.2.3",
        sources=("demand.csv",),
        half="report",
        domains=len(made),
        domain_days=float(len(made)),
        step_s=10.0,
        lag_s=30.0,
        seed=7,
        interpolated_ratio=0.25,
        interpolated=tuple(domains[1:]),
        objective_ratio=0.99,
        circumstances=("1 % of the samples are missing",),
        optimum="the fewest priced cost with no slice bad",
        notes=("demand.csv:3: a gap",),
    )
    return gather([one for one, _ in made.values()], terms, LABELS, drawn)
