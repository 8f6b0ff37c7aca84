"""What `autoscaler advise` does once its options are read: demand in, candidates tried, proposals told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from autoscaler import __version__
from autoscaler.cli.advice_view import print_advices
from autoscaler.cli.demand import Sources, read_demand
from autoscaler.cli.everywhere import on_every_domain
from autoscaler.cli.output import Output, print_json
from autoscaler.cli.tried_policies import read_policies, unmatched
from autoscaler.cli.world import circumstances_of
from autoscaler.core.policy import Match, Mode, Policy
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.written import pattern_of, written
from autoscaler.replay.advise import CHOOSING_RATIO, GAIN_RATIO
from autoscaler.replay.report.sections import named
from autoscaler.replay.simulated_guest import policy_of
from autoscaler.service.advice import AdvicePart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from autoscaler.cli.tried_policies import TriedPolicies
    from autoscaler.replay.proposal import Advice, Proposal, Tried
    from autoscaler.replay.trace import Trace

_START = Policy(name="advised", match=Match())
"""What a proposal starts from for a domain that no policy governs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were given."""

    sources: Sources
    policy: Path | None
    yaml: Path | None
    lag_s: float | None
    jobs: int | None
    scheduler: str | None


def run_advise(asked: Asked, output: Output) -> None:
    """Do it, print it, and write the policy file that was asked for."""
    if asked.yaml is not None and asked.yaml.exists():
        raise typer.BadParameter(f"{asked.yaml} exists; name a new file", param_hint="--yaml")
    policies = None if asked.policy is None else read_policies(asked.policy, "--policy", command="advise")
    demand = read_demand(asked.sources)
    notes = [
        *demand.notes,
        *_made_up([trace.domain for trace in demand.traces if trace.interpolated]),
        *(() if policies is None else unmatched(policies, demand.traces)),
    ]
    for note in notes:
        typer.echo(f"autoscaler advise: {note}", err=True)
    bases = {trace.domain: _base(trace, policies) for trace in demand.traces}
    advices = _advise(demand.traces, bases, asked)
    if asked.yaml is not None:
        _write(asked.yaml, advices, {name: base or _START for name, base in bases.items()})
    if output is Output.JSON:
        print_json(_document(advices, notes))
    else:
        promised = {name: (base or _START).sla.objective_ratio for name, base in bases.items()}
        print_advices(advices, promised)


def _made_up(interpolated: Sequence[str]) -> Iterator[str]:
    if interpolated:
        yield (
            f"what lies between the rows of {named(interpolated)} is interpolated, for they are further "
            "apart than steps: that flatters what is advised"
        )


def _base(trace: Trace, policies: TriedPolicies | None) -> Policy | None:
    """The policy in force; None: none governs the domain."""
    if policies is None or not policies.governs(trace.domain):
        return None
    return policy_of(trace.domain, policies.policies)


def _advise(traces: Sequence[Trace], bases: Mapping[str, Policy | None], asked: Asked) -> list[Advice]:
    circumstances = circumstances_of(asked.lag_s, seed=asked.sources.seed)

    def part(group: tuple[Trace, ...]) -> AdvicePart:
        starts = tuple((bases[trace.domain] or _START, bases[trace.domain] is not None) for trace in group)
        return AdvicePart(group, starts, circumstances)

    return on_every_domain(
        "rehearsing", traces, circumstances, part, jobs=asked.jobs, scheduler=asked.scheduler
    )


def _document(advices: Sequence[Advice], notes: Sequence[str]) -> dict[str, Any]:
    return {
        "choosing_ratio": CHOOSING_RATIO,
        "least_gain_ratio": GAIN_RATIO,
        "notes": list(notes),
        "domains": [
            {
                "domain": advice.domain,
                "advice": "leave" if advice.proposal is None else "change",
                "proposal": None if advice.proposal is None else asdict(advice.proposal),
                "why": advice.why,
                "as_it_is": None if advice.as_it_is is None else _tried(advice.as_it_is),
                "tried": [_tried(one) for one in advice.tried],
            }
            for advice in advices
        ],
    }


def _tried(tried: Tried) -> dict[str, Any]:
    parts = (("choosing", tried.choosing), ("verifying", tried.verifying))
    return asdict(tried) | {
        name: asdict(part) | {"attained_ratio": part.attained_ratio} for name, part in parts
    }


def _write(path: Path, advices: Sequence[Advice], bases: Mapping[str, Policy]) -> None:
    comments = [
        f"Proposed by vcpu-autoscaler {__version__} from recorded demand; read it before you use it.",
        "The mode is recommend: make it auto when you agree with what it says.",
        "Limits, schedules and whatever else a policy in force has besides are not repeated here.",
    ]
    comments += [f"{printable(advice.domain)}: {advice.why}" for advice in advices]
    policies = list(_policies(advices, bases))
    if not policies:
        typer.echo(
            "autoscaler advise: every domain is to be left as it is: no policy file is written", err=True
        )
        return
    with path.open("x", encoding="utf-8") as file:
        file.write(written(policies, comments))
    typer.echo(f"autoscaler advise: the proposals are in {printable(str(path))}", err=True)


def _policies(advices: Sequence[Advice], bases: Mapping[str, Policy]) -> Iterator[Policy]:
    """One policy for all domains with the same proposal."""
    groups: dict[Policy, list[str]] = {}
    for advice in advices:
        pattern = pattern_of(advice.domain)
        if advice.proposal is None:
            continue
        if pattern is None:
            typer.echo(
                f"autoscaler advise: no policy can name {printable(advice.domain)!r}: left out", err=True
            )
            continue
        groups.setdefault(_proposed(advice.proposal, bases[advice.domain]), []).append(pattern)
    for number, (policy, patterns) in enumerate(groups.items(), start=1):
        yield replace(policy, name=f"advised-{number}", match=Match(name=tuple(patterns)))


def _proposed(proposal: Proposal, base: Policy) -> Policy:
    """What a file says of it, alike for all domains with the same proposal and service level."""
    return proposal.policy(replace(_START, sla=base.sla, mode=Mode.RECOMMEND))
