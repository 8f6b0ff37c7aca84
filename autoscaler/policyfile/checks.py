"""What can be wrong with a policy although each of its values is right.

Invariant: a check speaks only of values that were read; one that was refused has its own problem already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import Problem, printable, shown
from autoscaler.policyfile.schema import RaiseToKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.policyfile.schema import PolicyKeys
    from autoscaler.policyfile.strict_yaml import Document, KeyPath
    from autoscaler.policyfile.typed import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPolicy:
    """A policy as it was written, and where."""

    keys: PolicyKeys
    document: Document
    path: KeyPath
    reading: Reading[PolicyKeys]

    @property
    def line(self) -> int:
        """Line of the file in which the policy starts."""
        return self.document.values[self.path].line

    @property
    def source(self) -> str:
        """``file:line``, fit for a terminal."""
        return f"{printable(self.document.file)}:{self.line}"

    def read(self, *keys: str) -> bool:
        """Whether the value at `keys` stands for what was written."""
        return self.reading.has((*self.path, *keys))

    def problem(self, message: str, *keys: str) -> Problem:
        """A problem at `keys` of this policy."""
        return self.document.problem((*self.path, *keys), message)


def check_policy(placed: PlacedPolicy) -> Iterator[Problem]:
    """Everything that is wrong within one policy."""
    yield from _bounds(placed)
    yield from _fallback(placed)
    yield from _empty_match(placed)


def check_names(policies: Sequence[PlacedPolicy]) -> Iterator[Problem]:
    """Every policy whose name an earlier one has, over all files."""
    first: dict[str, PlacedPolicy] = {}
    for placed in policies:
        name = placed.keys.name
        if (earlier := first.setdefault(name, placed)) is not placed:
            message = (
                f"the policy name {shown(name)} is taken by {earlier.source}; a name stands once in all files"
            )
            yield placed.problem(message, "name")


def _bounds(placed: PlacedPolicy) -> Iterator[Problem]:
    low, high = placed.keys.vcpus.min, placed.keys.vcpus.max
    if high is None or low <= high or not (placed.read("vcpus", "min") and placed.read("vcpus", "max")):
        return
    yield placed.problem(
        f"'max' cannot be {high}; it must not be below 'min', which is {low}", "vcpus", "max"
    )


def _fallback(placed: PlacedPolicy) -> Iterator[Problem]:
    then, vcpus = placed.keys.missing.then, placed.keys.vcpus
    if not isinstance(then, RaiseToKeys):
        return
    if placed.read("vcpus", "min") and then.raise_to < vcpus.min:
        bound = f"below 'min', which is {vcpus.min}"
    elif placed.read("vcpus", "max") and vcpus.max is not None and then.raise_to > vcpus.max:
        bound = f"above 'max', which is {vcpus.max}"
    else:
        return
    message = f"'raise_to' cannot be {then.raise_to}; it must not be {bound}"
    yield placed.problem(message, "missing", "then", "raise_to")


def _empty_match(placed: PlacedPolicy) -> Iterator[Problem]:
    match = placed.keys.match
    if not placed.read("match"):
        return
    if not match.name and not match.uuid:
        yield placed.problem("'match' fits no domain; give it a 'name' or a 'uuid'", "match")
    elif "*" in match.not_name or (not match.uuid and set(match.name) <= set(match.not_name)):
        yield placed.problem("'match' fits no domain; 'not_name' takes out all that it lets in", "match")
