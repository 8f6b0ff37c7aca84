"""From what came of each domain to the whole: totals, who fares worst, what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.replay.compare import worst_first
from autoscaler.replay.result import AGAINST, OPTIMUM, POLICY, Kind, LagRow, Replayed, Standing
from autoscaler.replay.score import total

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.replay.judged import Tried
    from autoscaler.replay.result import Drawn, Terms


def gather(
    tried: Sequence[Tried], terms: Terms, labels: Mapping[str, str], drawn: Sequence[Drawn] = ()
) -> Replayed:
    """Everything; `labels` say the policies for people, other strategies go by their names."""
    names = list(tried[0].scores)
    changes = [one.change for one in tried if one.change is not None]
    return Replayed(
        terms=terms,
        standings=tuple(_standing(name, tried, labels) for name in names),
        least_j={one.domain: one.least_j for one in tried},
        changes=worst_first(changes) if AGAINST in names else None,
        lags=tuple(_lag(name, lag_s, tried) for name, lag_s in tried[0].at_lags),
        drawn=tuple(drawn),
        spent={name: tuple(one.spent[name] for one in tried) for name in tried[0].spent},
    )


def from_worst(tried: Sequence[Tried]) -> list[Tried]:
    """The domains by how they fare under the policy: who spent most of the error budget, then the dearest."""
    return sorted(tried, key=_fares)


def _fares(one: Tried) -> tuple[float, float, str]:
    row = one.scores[POLICY]
    return -row.budget_spent_ratio, -row.j_over_optimum, one.domain


def _standing(name: str, tried: Sequence[Tried], labels: Mapping[str, str]) -> Standing:
    kind = Kind.OPTIMUM if name == OPTIMUM else Kind.POLICY if name in tried[0].spent else Kind.BASELINE
    rows = [one.scores[name] for one in tried]
    return Standing(name=name, label=labels.get(name, name), kind=kind, score=total(rows))


def _lag(name: str, lag_s: float, tried: Sequence[Tried]) -> LagRow:
    score = total([one.at_lags[name, lag_s] for one in tried])
    return LagRow(
        name=name,
        lag_s=lag_s,
        j_over_optimum=score.j_over_optimum,
        domains_in_slo_ratio=score.domains_in_slo_ratio,
        bad_ratio=score.bad_ratio,
    )
