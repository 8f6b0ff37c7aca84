"""What is allowed, and yet may not be what was meant: policies that take domains from each other.

The first policy that fits a domain governs it, so that a special one stands before the general one. That two
fit one domain is said all the same, for an order of lines is easily got wrong and hard to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.policyfile.overlaps import MOST_NAMED, overlaps
from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.shadows import shadowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.core.policy import Match
    from autoscaler.policyfile.overlaps import Overlap, Shared
    from autoscaler.policyfile.placed import PlacedPolicy
    from autoscaler.policyfile.problem import Problem


def check_order(placed: Sequence[PlacedPolicy], matches: Sequence[Match]) -> Iterator[Problem]:
    """A warning for each policy that fits what an earlier one governs; it names both lines."""
    read = [index for index, policy in enumerate(placed) if policy.read("match")]
    policies, matches = [placed[index] for index in read], [matches[index] for index in read]
    covered = dict(shadowed(matches))
    for index, earlier in covered.items():
        yield policies[index].problem(_never_governs(policies[index], policies[earlier]))
    for index, found in overlaps(matches):
        if index not in covered:
            yield policies[index].problem(_governed_before(policies[index], policies, found))


def _never_governs(policy: PlacedPolicy, earlier: PlacedPolicy) -> str:
    return (
        f"the policy {shown(policy.keys.name)} never governs a domain; "
        f"{_named(earlier)} comes first and fits all that this one fits"
    )


def _governed_before(policy: PlacedPolicy, policies: Sequence[PlacedPolicy], found: Sequence[Overlap]) -> str:
    named = [
        f"{_named(policies[overlap.earlier])} ({_described(overlap.shared)})"
        for overlap in found[: MOST_NAMED - 1]
    ]
    by_label = any(overlap.shared.labels for overlap in found)
    way_out = "'not_name' or 'not_metadata'" if by_label else "'not_name'"
    more = " and others" if len(found) == MOST_NAMED else ""
    return (
        f"the policy {shown(policy.keys.name)} fits domains that go to an earlier one: "
        f"{', '.join(named)}{more}; if that is meant, {way_out} can leave them out here"
    )


def _named(policy: PlacedPolicy) -> str:
    return f"{shown(policy.keys.name)} at {policy.source}"


def _described(shared: Shared) -> str:
    """The domain that two policies fit, in words."""
    labels = ", ".join(shown(f"{key}={value}") for key, value in shared.labels.items())
    domain = shown(shared.name) if shared.name else f"the UUID {shared.uuid}"
    return f"for example {domain}{' with ' if labels else ''}{labels}"
