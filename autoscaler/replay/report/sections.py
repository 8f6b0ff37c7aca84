"""The report in its order: what came of it, on what terms, then the evidence; no page or Markdown yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.replay.compare import Verdict
from autoscaler.replay.report.blocks import Grid, Listed, Section, Sentence, Shown
from autoscaler.replay.report.tables import amount, changes_table, lags_table, percent, standings_table
from autoscaler.replay.result import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.replay.compare import Change
    from autoscaler.replay.result import Replayed

_MOST_NAMED = 5
_NO_GAP_RATIO = 0.00005
"""Below this two digits of a percentage show none."""
_MEANINGS = (
    "J is the priced cost: vCPU-minutes, and each vCPU added or removed at its price.",
    (
        "A slice is bad when its indicator, by what the guest really wanted, was not below the limit; "
        "unknown slices count neither way."
    ),
    (
        "A domain is inside its SLO when no more of its known slices over the whole trace were bad than its "
        "objective allows. A promise over a longer window would forgive more at a time."
    ),
    (
        "theta_u and theta_o: vCPUs missing and vCPUs too many, over those needed. tau_u and tau_o: share of "
        "the time with too few and with too many. Instability: share of the time in which supply and need "
        "move apart (elasticity metrics of the SPEC Research Group)."
    ),
    "(!) and a marked row: some domain is outside its SLO. Such a row is no bargain, however low its cost.",
)


def sections(replayed: Replayed, pictures: Sequence[Shown]) -> tuple[Section, ...]:
    """All of it; `pictures` by the name of their file."""
    by_file = {shown.file: shown for shown in pictures}
    labels = {standing.name: standing.label for standing in replayed.standings}
    found = [
        Section("What came of it", tuple(outcome(replayed))),
        Section("On what terms", (Grid(headings=("What", "Value"), rows=facts(replayed), words=_BOTH),)),
        Section("Every strategy", (standings_table(replayed.standings), *_of(by_file, "scatter.png"))),
    ]
    if replayed.changes is not None:
        changes = changes_table(replayed.changes, replayed.terms.interpolated)
        found.append(Section("New against old, domain by domain", (changes,)))
    if replayed.lags:
        text = "The same replay with another lag from decision to running vCPU: J over the optimum's."
        found.append(
            Section("If vCPUs come sooner or later", (Sentence(text), lags_table(replayed.lags, labels)))
        )
    found.append(Section("Error budgets", _of(by_file, "budget.png", "worst.png")))
    drawn = tuple(shown for shown in pictures if shown.file.startswith("domain-"))
    found += [
        Section("Domains", drawn),
        Section("How to read this", (Listed(_MEANINGS),)),
        Section("Repaired and left out", (Listed(replayed.terms.notes or ("Nothing.",)),)),
    ]
    return tuple(section for section in found if section.blocks)


_BOTH = frozenset({0, 1})


def _of(by_file: dict[str, Shown], *files: str) -> tuple[Shown, ...]:
    return tuple(by_file[file] for file in files if file in by_file)


def facts(replayed: Replayed) -> tuple[tuple[str, str], ...]:
    """On what terms the figures were got, as pairs of words."""
    terms = replayed.terms
    objective = "differs by domain" if terms.objective_ratio is None else f"{100 * terms.objective_ratio:g} %"
    made_up = (
        f"{percent(terms.interpolated_ratio, 0)} of the domain-days were recorded more coarsely than a step "
        f"({named(terms.interpolated)}); what lies between is interpolated, which flatters every strategy "
        "that reacts"
        if terms.interpolated
        else "none of the demand"
    )
    return (
        ("Demand from", "; ".join(terms.sources)),
        ("Domains", f"{terms.domains} ({HALVES[terms.half]}), {amount(terms.domain_days)} domain-days"),
        ("Objective", objective),
        ("Step", f"{terms.step_s:g} s"),
        ("Lag", f"{terms.lag_s:g} s from a decision to a vCPU that runs"),
        ("Interpolated", made_up),
        ("Circumstances", "; ".join(terms.circumstances) or "none besides"),
        ("Seed", str(terms.seed)),
        ("Optimum", terms.optimum),
        ("Optimum's gap", _gap(replayed.gap_ratio)),
        ("Made by", f"vcpu-autoscaler {terms.version}"),
    )


def _gap(gap_ratio: float) -> str:
    """How far the optimum is from what nothing can be below, in words."""
    if gap_ratio < _NO_GAP_RATIO:
        return "none: no course that keeps every slice costs less"
    return (
        f"the optimum is exact but for {percent(gap_ratio, 2)}: a course that keeps every slice costs "
        f"at least {percent(1 / (1 + gap_ratio), 2)} of what it costs"
    )


HALVES = {
    "all": "all of them; what was tuned on some of them flatters itself here",
    "report": "the half 'report', which nothing is to be tuned on",
    "tune": "the half 'tune'; figures to be quoted come from the half 'report'",
}


def outcome(replayed: Replayed) -> Iterator[Sentence]:
    """What came of it, in a few sentences."""
    policy = next(standing for standing in replayed.standings if standing.name == POLICY)
    score = policy.score
    yield Sentence(
        f"{policy.label}: {percent(score.domains_in_slo_ratio, 1)} of the domains are inside their SLO, at "
        f"{score.j_over_optimum:.3f} times the optimum's cost, with {amount(score.vcpu_hours)} vCPU-hours "
        f"and {score.removals_per_domain_day:.1f} removals a domain-day.",
        alarming=not policy.compliant,
    )
    if replayed.changes is not None:
        yield from _against(replayed.changes, replayed.broken)


def _against(changes: Sequence[Change], broken: Sequence[Change]) -> Iterator[Sentence]:
    count = {verdict: sum(change.verdict is verdict for change in changes) for verdict in Verdict}
    yield Sentence(
        f"Against the old policy, {count[Verdict.WORSE]} domains fare worse, {count[Verdict.BETTER]} better "
        f"and {count[Verdict.SAME]} the same. Both are judged by what the old policy promises."
    )
    if broken:
        domains = named([change.domain for change in broken])
        yield Sentence(
            f"The new policy breaks the SLA of {len(broken)} domains that the old one kept: {domains}.",
            alarming=True,
        )


def named(domains: Sequence[str]) -> str:
    """A few of them by name."""
    return ", ".join(domains[:_MOST_NAMED]) + (" and others" if domains[_MOST_NAMED:] else "")
