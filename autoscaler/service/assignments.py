"""Which policy governs which domain, looked up once while neither the policies nor the domain's facts change.

A thousand patterns are too many to try for each of a thousand domains at every tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.owner import Owner
from autoscaler.core.policy import Mode, Policy

if TYPE_CHECKING:
    from collections.abc import Collection

    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.core.policy import PolicySet


@dataclass(frozen=True, slots=True)
class _Assignment:
    """What was looked up, and for which name, labels and owner."""

    name: str
    labels: Mapping[str, str]
    claimed_by: Owner | None
    fitting: Policy | None
    """The policy that fits, in whatever mode."""
    governing: Policy | None
    """The same, unless it says to leave the domain alone."""


class Assignments:
    """The policies in force and whom they govern."""

    def __init__(self, policies: PolicySet) -> None:
        self.policies = policies
        self._known: dict[DomainId, _Assignment] = {}

    def apply(self, policies: PolicySet) -> None:
        """Put another set in force."""
        self.policies = policies
        self._known.clear()

    def policy_of(self, view: DomainView) -> Policy | None:
        """The policy that governs a domain; None: it is left alone."""
        return self._assignment(view).governing

    def off_by(self, view: DomainView) -> Policy | None:
        """The policy that fits a domain and says to leave it alone; None: there is none."""
        assignment = self._assignment(view)
        return assignment.fitting if assignment.governing is None else None

    def keep_only(self, present: Collection[DomainId]) -> None:
        """Forget the domains that are gone, whether a policy governed them or not."""
        if len(self._known) > len(present):
            self._known = {domain: known for domain, known in self._known.items() if domain in present}

    def _assignment(self, view: DomainView) -> _Assignment:
        known = self._known.get(view.id)
        if known is None or (known.name, known.labels, known.claimed_by) != (
            view.name,
            view.labels,
            view.claimed_by,
        ):
            fitting = _fitting(self.policies, view)
            known = self._known[view.id] = _Assignment(
                view.name, view.labels, view.claimed_by, fitting, _unless_off(fitting)
            )
        return known


def governing(policies: PolicySet, view: DomainView) -> Policy | None:
    """The policy of a set that governs a domain at some time of the day or other; None: it is left alone."""
    return _unless_off(_fitting(policies, view))


def _fitting(policies: PolicySet, view: DomainView) -> Policy | None:
    if view.claimed_by is not None:
        return None
    return policies.governing(view.name, view.id.uuid, view.labels)


def _unless_off(policy: Policy | None) -> Policy | None:
    if policy is not None and policy.mode is Mode.OFF:
        return policy if any(schedule.mode for schedule in policy.schedules) else None
    return policy
