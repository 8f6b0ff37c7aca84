"""The policies of a replay: read, looked at for what they match, and made fit to be tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from autoscaler.core.policy import Match, Mode, Policy, PolicySet
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.problem import printable, shown
from autoscaler.replay.simulated_guest import policy_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoscaler.replay.trace import Trace

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPolicies:
    """One set, as it is tried."""

    label: str
    policies: PolicySet
    notes: tuple[str, ...] = ()

    def governs(self, domain: str) -> bool:
        """Whether a policy of these decides for the domain."""
        policy = policy_of(domain, self.policies)
        return policy is not None and policy.mode is not Mode.OFF


def read_policies(path: Path | None, option: str, *, command: str) -> TriedPolicies:
    """The policies of a file or folder; None: the default policy for every domain.

    What is wrong with them is printed and ends the command.
    """
    if path is None:
        everything = Policy(name="default", match=Match(name=("*",)))
        return TriedPolicies(label="default policy", policies=PolicySet((everything,)))
    if not path.exists():
        message = f"there is no {printable(str(path))}: give {option} a policy file or a folder"
        typer.echo(f"autoscaler {command}: {message}", err=True)
        raise typer.Exit(1)
    loaded = load_policies([path])
    for problem in loaded.errors:
        typer.echo(f"{problem.place}: error: {problem.message}", err=True)
    if loaded.policy_set is None:
        raise typer.Exit(1)
    return _acting(path.name or str(path), loaded.policy_set)


def _acting(label: str, policies: PolicySet) -> TriedPolicies:
    """A policy that only recommends is tried as if it acted: else there would be nothing to see."""
    quiet = [policy.name for policy in policies.policies if policy.mode is Mode.RECOMMEND]
    acting = tuple(
        replace(
            policy,
            mode=_acts(policy.mode),
            schedules=tuple(
                schedule if schedule.mode is None else replace(schedule, mode=_acts(schedule.mode))
                for schedule in policy.schedules
            ),
        )
        for policy in policies.policies
    )
    notes = (f"{label}: {_named(quiet)} only recommend, and are tried as if they acted",) if quiet else ()
    return TriedPolicies(label=label, policies=replace(policies, policies=acting), notes=notes)


def _acts(mode: Mode) -> Mode:
    return Mode.AUTO if mode is Mode.RECOMMEND else mode


def unmatched(tried: TriedPolicies, traces: Sequence[Trace]) -> tuple[str, ...]:
    """What matches nothing: policies without a domain, and domains without a policy; a sentence each."""
    used = {
        policy.name for trace in traces if (policy := policy_of(trace.domain, tried.policies)) is not None
    }
    idle = [policy for policy in tried.policies.policies if policy.name not in used]
    by_label = [policy.name for policy in idle if policy.match.metadata or policy.match.uuid]
    sentences = []
    if idle:
        sentences.append(f"{tried.label}: {_named([policy.name for policy in idle])} match no domain here")
    if by_label:
        sentences.append(
            f"{tried.label}: {_named(by_label)} match by label or UUID, which recorded demand does not have"
        )
    alone = [trace.domain for trace in traces if not tried.governs(trace.domain)]
    if alone:
        sentences.append(f"{tried.label}: no policy governs {_named(alone)}: left out")
    return tuple(sentences)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(shown, names[:_MOST_NAMED])) + more
