"""The replay as JSON; policies/replay.md has every field.

Invariant: every figure is a finite number or null.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.replay.result import Kind

if TYPE_CHECKING:
    from autoscaler.replay.compare import Change
    from autoscaler.replay.result import Replayed, Standing
    from autoscaler.replay.score import DomainScore

FORMAT = "vcpu-autoscaler-replay/1"
"""By this a folder is known to hold a report."""
_FIGURES = (
    *("j_over_optimum", "vcpu_hours", "domains_in_slo_ratio", "bad_ratio", "removals_per_domain_day"),
    *("theta_u", "theta_o", "tau_u", "tau_o", "instability"),
)


def document(replayed: Replayed) -> dict[str, Any]:
    """One JSON document, fit for `json.dumps(..., allow_nan=False)`."""
    terms = replayed.terms
    found: dict[str, Any] = {
        "format": FORMAT,
        "policies": {standing.name: _standing(standing, replayed) for standing in replayed.standings},
        "domains": terms.domains,
        "domain_days": terms.domain_days,
        "lag_s": terms.lag_s,
        "objective": terms.objective_ratio,
        "terms": asdict(terms),
        "comparison": None if replayed.changes is None else [_change(change) for change in replayed.changes],
        "lags": [asdict(row) for row in replayed.lags],
        "per_domain": {
            standing.name: [_row(row, standing, replayed) for row in standing.score.domains]
            for standing in replayed.standings
        },
    }
    plain: dict[str, Any] = _finite(found)
    return plain


def _standing(standing: Standing, replayed: Replayed) -> dict[str, Any]:
    gap = {"gap_ratio": replayed.gap_ratio} if standing.kind is Kind.OPTIMUM else {}
    figures = {name: getattr(standing.score, name) for name in _FIGURES}
    return figures | {
        "label": standing.label,
        "kind": str(Kind(standing.kind)),
        "every_domain_in_slo": standing.compliant,
        **gap,
    }


def _row(row: DomainScore, standing: Standing, replayed: Replayed) -> dict[str, Any]:
    least = {"least_j": replayed.least_j[row.domain]} if standing.kind is Kind.OPTIMUM else {}
    return asdict(row) | least


def _change(change: Change) -> dict[str, Any]:
    return {
        "domain": change.domain,
        "verdict": str(change.verdict),
        "breaks_sla": change.breaks_sla,
        "j_ratio": change.j_ratio,
        "new": asdict(change.new),
        "old": asdict(change.old),
        "why": change.why,
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same, with plain numbers, and null for what is none."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
