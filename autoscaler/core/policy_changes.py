"""What two sets of policies differ in, by what they mean: where a policy is written counts for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.core.policy import Policy, PolicySet

_MOST_NAMED = 10
"""A sentence with more names than this would not be read; it has the counts instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanges:
    """Names of policies, each kind in the order of its set."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """In both sets, with another meaning."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of those, the keys in which they differ."""
    reordered: bool = False
    """Whether policies of both sets changed places: where several fit a domain, the first governs it."""

    def __str__(self) -> str:
        """Part of a sentence for people: ``web changed in sla and vcpus, db added, old removed``."""
        kinds = {"changed": self.changed, "added": self.added, "removed": self.removed}
        if sum(map(len, kinds.values())) > _MOST_NAMED:
            parts = [f"{len(names)} {kind}" for kind, names in kinds.items() if names]
        else:
            parts = [f"{name} {kind}{self._in(name)}" for kind, names in kinds.items() for name in names]
        if self.reordered:
            parts.append("their order changed")
        return ", ".join(parts) or "nothing changed"

    def _in(self, name: str) -> str:
        return f" in {' and '.join(self.keys[name])}" if name in self.keys else ""


def differences(before: PolicySet, after: PolicySet) -> PolicyChanges:
    """What makes `after` another set than `before`; no two policies of one set have the same name."""
    old, new = _by_name(before), _by_name(after)
    stayed = [name for name in old if name in new]
    changed = tuple(name for name in new if name in old and new[name] != old[name])
    return PolicyChanges(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=changed,
        keys={name: _differing(old[name], new[name]) for name in changed},
        reordered=stayed != [name for name in new if name in old],
    )


def _by_name(policies: PolicySet) -> dict[str, Policy]:
    return {policy.name: meaning_of(policy) for policy in policies.policies}


def meaning_of(policy: Policy) -> Policy:
    """The policy without the place where it is written."""
    return replace(policy, source="")


_KEYS = {"min_vcpus": "vcpus", "max_vcpus": "vcpus", "up": "limits", "down": "limits"}
"""Under which key of the file a part of a policy is written, where it is another word."""


def _differing(old: Policy, new: Policy) -> tuple[str, ...]:
    parts = (part.name for part in fields(old) if getattr(old, part.name) != getattr(new, part.name))
    return tuple(dict.fromkeys(_KEYS.get(part, part) for part in parts))
