"""The tables of a replay, as text: the same cells on the terminal, in Markdown and on the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.replay.report.blocks import Grid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from autoscaler.replay.compare import Change
    from autoscaler.replay.result import LagRow, Standing

_MANY = 100
_VIOLATED = " (!)"


def standings_table(standings: Sequence[Standing]) -> Grid:
    """A row for each strategy; those that do not keep every domain inside its SLO stay, and are marked."""
    return Grid(
        headings=(
            *("Strategy", "J / optimum", "vCPU-hours", "of P99.5 + 20 %", "Domains in SLO", "Bad slices"),
            *("Removals a domain-day", "theta_u", "theta_o", "tau_u", "tau_o", "Instability"),
        ),
        rows=tuple(map(_standing, standings)),
        words=frozenset({0}),
        marked=frozenset(number for number, standing in enumerate(standings) if not standing.compliant),
    )


def _standing(standing: Standing) -> tuple[str, ...]:
    score = standing.score
    return (
        standing.label,
        figure(score.j_over_optimum, 3),
        amount(score.vcpu_hours),
        percent(score.vcpu_hours_over_p995, 0),
        percent(score.domains_in_slo_ratio, 1) + ("" if standing.compliant else _VIOLATED),
        percent(score.bad_ratio, 2),
        figure(score.removals_per_domain_day, 1),
        percent(score.theta_u, 2),
        percent(score.theta_o, 1),
        percent(score.tau_u, 2),
        percent(score.tau_o, 1),
        percent(score.instability, 2),
    )


def changes_table(changes: Sequence[Change], interpolated: Collection[str]) -> Grid:
    """A row for each domain, the new policy's figures after the old one's; interpolated ones are labelled."""
    made_up = frozenset(interpolated)
    return Grid(
        headings=(
            *("Domain", "Fares", "Why", "Attained", "Bad slices", "vCPU-hours", "Adds", "Removals", "J"),
        ),
        rows=tuple(_change(change, interpolated=change.domain in made_up) for change in changes),
        words=frozenset({0, 1, 2}),
        marked=frozenset(number for number, change in enumerate(changes) if change.breaks_sla),
    )


def _change(change: Change, *, interpolated: bool) -> tuple[str, ...]:
    old, new = change.old, change.new
    return (
        change.domain + (" (interpolated)" if interpolated else ""),
        "breaks its SLA" if change.breaks_sla else str(change.verdict),
        change.why,
        f"{percent(old.attained_ratio, 2)} -> {percent(new.attained_ratio, 2)}",
        f"{old.bad} -> {new.bad}",
        f"{amount(old.vcpu_hours)} -> {amount(new.vcpu_hours)}",
        f"{old.adds} -> {new.adds}",
        f"{old.removals} -> {new.removals}",
        f"{100 * (change.j_ratio - 1):+.1f} %",
    )


def lags_table(rows: Sequence[LagRow], labels: dict[str, str]) -> Grid:
    """A row for each strategy, a column for each lag: cost, and the share of domains inside their SLO."""
    lags = sorted({row.lag_s for row in rows})
    by_place = {(row.name, row.lag_s): row for row in rows}
    names = list(dict.fromkeys(row.name for row in rows))
    return Grid(
        headings=("Strategy", *(f"{lag_s:g} s" for lag_s in lags)),
        rows=tuple((labels[name], *(_lag(by_place[name, lag_s]) for lag_s in lags)) for name in names),
        words=frozenset({0}),
    )


def _lag(row: LagRow) -> str:
    mark = "" if row.domains_in_slo_ratio >= 1 else _VIOLATED
    return f"{figure(row.j_over_optimum, 3)} ({percent(row.domains_in_slo_ratio, 0)} in SLO){mark}"


def percent(ratio: float | None, digits: int) -> str:
    """A ratio as people write it; ``-`` where there is none."""
    return "-" if ratio is None or not math.isfinite(ratio) else f"{100 * ratio:.{digits}f} %"


def amount(value: float) -> str:
    """Hours or days: whole ones where there are many, and where there are few three digits, not 0."""
    return f"{value:.0f}" if value >= _MANY else f"{value:.3g}"


def figure(value: float | None, digits: int) -> str:
    """A number; ``-`` where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
