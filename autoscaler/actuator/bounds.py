"""What the policies allow at most, whatever the hour and the load: the bounds that every request is held to.

Invariant: bounds are never tighter than the policy that they were made from, and a verb that no mode of that
policy ever needs is not among them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.backends.actuator.protocol import Verb
from autoscaler.core.policy import Match, Mode, Reclaim, opted_out
from autoscaler.errors import Denied

if TYPE_CHECKING:
    from autoscaler.backends.connection import Connection
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy

_VERBS = {
    Mode.OFF: frozenset[Verb](),
    Mode.RECOMMEND: frozenset({Verb.READ}),
    Mode.UP_ONLY: frozenset({Verb.READ, Verb.PLUG, Verb.ONLINE}),
    Mode.AUTO: frozenset({Verb.READ, Verb.PLUG, Verb.ONLINE, Verb.OFFLINE}),
}
_DOWN = frozenset({Verb.OFFLINE, Verb.UNPLUG})


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainBounds:
    """What may be asked for the domains that fit."""

    policy: str
    """Its name, for sentences."""
    match: Match
    may: frozenset[Verb]
    min_vcpus: int
    max_vcpus: int | None
    """None: the domain's maximum."""

    def refusal(self, verb: Verb, target: int | None) -> str | None:
        """Why it may not be asked for, part of a sentence; None: it may."""
        if verb not in self.may:
            return f"its mode and reclaim allow {', '.join(sorted(self.may)) or 'nothing'}"
        if target is None:
            return None
        if verb in _DOWN:
            return f"its least is {self.min_vcpus}" if target < self.min_vcpus else None
        if self.max_vcpus is not None and target > self.max_vcpus:
            return f"its most is {self.max_vcpus}"
        return None


def bounds_of(policy: Policy) -> DomainBounds:
    """The widest that a policy ever allows, over all its schedules."""
    modes = {policy.mode, *(schedule.mode for schedule in policy.schedules if schedule.mode is not None)}
    may = frozenset[Verb]().union(*(_VERBS[mode] for mode in modes))
    if Mode.AUTO in modes and policy.down.reclaim is not Reclaim.OFFLINE:
        may |= {Verb.UNPLUG}
    least = [policy.min_vcpus, *(it.min_vcpus for it in policy.schedules if it.min_vcpus is not None)]
    most = [policy.max_vcpus, *(it.max_vcpus for it in policy.schedules if it.max_vcpus is not None)]
    return DomainBounds(
        policy=policy.name,
        match=policy.match,
        may=may,
        min_vcpus=min(least),
        max_vcpus=None if None in most else max(count for count in most if count is not None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """All that an actuator is told: where guests are, and what may be done with which."""

    connections: tuple[Connection, ...]
    agent_timeout_s: float
    """Longest that one command to a guest agent may take."""
    bounds: tuple[DomainBounds, ...]
    """In the order in which they are tried: the first that fits counts."""

    def check(self, view: DomainView, verb: Verb, target: int | None) -> None:
        """Let a request pass that the bounds allow.

        Raises:
            Unnamed: no bounds are there for the domain.
            OutOfBounds: they do not allow this.
        """
        name = f"domain {view.name} ({view.id.uuid})"
        found = self._of(view)
        if found is None:
            raise Unnamed(
                f"{name} is none of those that the actuator may touch: no policy names it, or it is kept out"
            )
        refusal = found.refusal(verb, target)
        if refusal is not None:
            wanted = verb if target is None else f"{verb} to {target} vCPUs"
            raise OutOfBounds(
                f"the actuator does not {wanted} for {name} by the policy {found.policy}: {refusal}; change "
                f"the policy, and see `autoscaler bounds | grep -A 20 {shlex.quote(found.policy)}`"
            )

    def _of(self, view: DomainView) -> DomainBounds | None:
        if view.claimed_by is not None or opted_out(view.labels):
            return None
        fits = (it for it in self.bounds if it.match.fits(view.name, view.id.uuid, view.labels))
        return next(fits, None)


class Unnamed(Denied):
    """No bounds are there for the domain."""


class OutOfBounds(Denied):
    """The bounds of the domain do not allow it."""
