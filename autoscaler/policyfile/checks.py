"""What can be wrong with a policy although each of its values is right.

Invariant: a check speaks only of values that were read; one that was refused has its own problem already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.policy import OPT_OUT, Reclaim, opted_out
from autoscaler.policyfile.glob import common, wider
from autoscaler.policyfile.neighbours import names_of
from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.schedule_checks import check_schedules
from autoscaler.policyfile.schema import RaiseToKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.core.policy import Match
    from autoscaler.policyfile.placed import PlacedPolicy
    from autoscaler.policyfile.problem import Problem


def check_policy(placed: PlacedPolicy, match: Match) -> Iterator[Problem]:
    """Everything that is wrong within one policy, of which `match` is what its keys mean."""
    yield from _bounds(placed)
    yield from _fallback(placed)
    yield from _budget(placed)
    yield from _unplug_after(placed)
    yield from check_schedules(placed)
    if placed.read("match"):
        yield from _empty_match(placed, match)


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


def _budget(placed: PlacedPolicy) -> Iterator[Problem]:
    """A budget in which not one slice may be bad is none, as an objective of 100% has none."""
    sla = placed.keys.sla
    if not placed.read("sla"):
        return
    slices = round((1 - sla.objective) * sla.window / sla.slice, 6)
    if slices < 1:
        yield placed.problem(
            f"'objective' leaves no error budget: in a 'window' {slices:.2g} slices may be bad; lower it or "
            "take a longer 'window' or a shorter 'slice'",
            *("sla", "objective"),
        )


def _unplug_after(placed: PlacedPolicy) -> Iterator[Problem]:
    down = placed.keys.limits.down
    if "unplug_after" not in down.model_fields_set or down.reclaim is Reclaim.OFFLINE_THEN_UNPLUG:
        return
    if placed.read("limits", "down", "reclaim"):
        message = (
            f"'unplug_after' means nothing with 'reclaim: {down.reclaim}'; "
            f"write 'reclaim: {Reclaim.OFFLINE_THEN_UNPLUG}' or leave it out"
        )
        yield placed.problem(message, "limits", "down", "unplug_after")


def _empty_match(placed: PlacedPolicy, match: Match) -> Iterator[Problem]:
    if not match.name and not match.uuid and not match.metadata:
        yield placed.problem("'match' fits no domain; give it a 'name', a 'uuid' or 'metadata'", "match")
    elif "*" in match.not_name or (not match.uuid and _all_left_out(match)):
        yield placed.problem("'match' fits no domain; 'not_name' takes out all that it lets in", "match")
    elif opted_out(dict(match.metadata)):
        label = "=".join(OPT_OUT)
        message = f"'match' fits no domain; the label {label} keeps a domain out of every policy"
        yield placed.problem(message, "match", "metadata", OPT_OUT[0])
    elif any(_taken_out(key, pattern, match) for key, pattern in match.metadata):
        message = "'match' fits no domain; 'not_metadata' takes out all that 'metadata' lets in"
        yield placed.problem(message, "match")
    for index, pattern in enumerate(match.name):
        if _fits_nothing(pattern):
            message = f"'name[{index}]' cannot be {shown(pattern)}; no text fits this pattern"
            yield placed.problem(message, "match", "name", index)
    for which, labels in (("metadata", match.metadata), ("not_metadata", match.not_metadata)):
        for key, pattern in labels:
            if _fits_nothing(pattern):
                message = f"{shown(key)} cannot be {shown(pattern)}; no text fits this pattern"
                yield placed.problem(message, "match", which, key)


def _all_left_out(match: Match) -> bool:
    return all(any(wider(out, pattern) for out in match.not_name) for pattern in names_of(match))


def _taken_out(key: str, pattern: str, match: Match) -> bool:
    return any(other == key and wider(out, pattern) for other, out in match.not_metadata)


def _fits_nothing(pattern: str) -> bool:
    return "[" in pattern and next(common(pattern, "*"), None) is None
