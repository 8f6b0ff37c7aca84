"""Loads policy files: from paths to the policy set, or to everything that is wrong with them.

Invariant: a set is handed out only when no file has an error, so that a set in force is always whole.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.core.policy import PolicySet
from autoscaler.policyfile.checks import check_names, check_policy
from autoscaler.policyfile.compile import compile_policy
from autoscaler.policyfile.placed import PlacedPolicy
from autoscaler.policyfile.precedence import check_order
from autoscaler.policyfile.problem import Problem
from autoscaler.policyfile.schema import PolicyFileKeys, PolicyKeys
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.policyfile.typed import Reading, read_section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from autoscaler.policyfile.strict_yaml import Document
    from autoscaler.policyfile.text_file import TextFile

_SUFFIXES = frozenset({".yaml", ".yml"})
_UNREAD = "a folder in a folder is not looked into: name it as well, or move its policy files up"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicies:
    """What came of some policy files."""

    policy_set: PolicySet | None
    """None exactly when there are errors."""
    errors: tuple[Problem, ...]
    """By file in the order of loading, then by line."""
    warnings: tuple[Problem, ...]
    fingerprint: str
    """What `fingerprint` gave for these files as they were read."""


def load_policies(paths: Sequence[Path]) -> LoadedPolicies:
    """Load policy files, and those in folders, in the order given; within a folder in name order.

    Never raises for anything that a path or a file holds: all errors of all files are in the result.
    """
    return load_texts(*_read_files(paths), warnings=unread_folders(paths))


def load_texts(
    files: Sequence[TextFile], problems: Sequence[Problem] = (), *, warnings: Sequence[Problem] = ()
) -> LoadedPolicies:
    """Load policies from texts, wherever they came from.

    Args:
        files: the texts.
        problems: what was wrong before they were read.
        warnings: what is to be told with the warnings of their policies.
    """
    errors = list(problems)
    fingerprint = _fingerprint(files, errors)
    placed: list[PlacedPolicy] = []
    for file in files:
        of_file, problems = _read(file)
        errors += problems
        placed += of_file
    policies = [compile_policy(policy.keys, policy.source) for policy in placed]
    matches = [policy.match for policy in policies]
    for policy, match in zip(placed, matches, strict=True):
        errors += check_policy(policy, match)
    errors += check_names(placed)
    return LoadedPolicies(
        policy_set=None if errors else PolicySet(policies=tuple(policies), digest=_digest(files)),
        errors=_in_order(errors, files),
        warnings=_in_order([*warnings, *check_order(placed, matches)], files),
        fingerprint=fingerprint,
    )


def fingerprint(paths: Sequence[Path]) -> str:
    """A text that differs whenever `load_policies` would find other files, other bytes or other obstacles."""
    return _fingerprint(*_read_files(paths))


def _read_files(paths: Sequence[Path]) -> tuple[list[TextFile], list[Problem]]:
    listed, problems = policy_files(paths)
    return [read_text_file(path) for path in listed], problems


def policy_files(paths: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """The files that these paths stand for, each once, and what is wrong with the folders among them."""
    files: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        found, problem = _files_of(path)
        problems += [problem] if problem else []
        for file in found:
            files.setdefault(file.absolute(), file)
    return list(files.values()), problems


def unread_folders(paths: Sequence[Path]) -> list[Problem]:
    """A warning for each folder with policy files that lies in one of these and is not one of them."""
    named = {os.path.realpath(path) for path in paths}
    return [
        Problem(str(folder), 1, 1, _UNREAD)
        for path in paths
        for folder in _folders_in(path)
        if os.path.realpath(folder) not in named and _holds_policies(folder)
    ]


def _folders_in(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        # A file; or whatever is in the way is told where the path's own files are read.
        return []


def _holds_policies(folder: Path) -> bool:
    try:
        return bool(_policies_in(folder))
    except OSError:
        return False


def _policies_in(folder: Path) -> list[Path]:
    # Editors keep locks and copies under names that start with a dot.
    entries = [entry for entry in folder.iterdir() if entry.suffix in _SUFFIXES and entry.name[0] != "."]
    return sorted(entry for entry in entries if not entry.is_dir())


def _files_of(path: Path) -> tuple[list[Path], Problem | None]:
    try:
        if not path.is_dir():
            return [path], None
        files = _policies_in(path)
    except OSError as error:
        return [], Problem(str(path), 1, 1, f"this path cannot be read: {error.strerror}")
    if files:
        return files, None
    return [], Problem(
        str(path), 1, 1, "the folder holds no policy file; put one there, named *.yaml or *.yml"
    )


def _read(file: TextFile) -> tuple[list[PlacedPolicy], list[Problem]]:
    """The policies of one file, as far as they can be read, and what is wrong with its values."""
    document = read_document(file)
    problems = list(document.problems)
    if document.data is None:
        return [], problems
    whole = read_section(PolicyFileKeys, document)
    problems += whole.problems
    return [
        PlacedPolicy(keys=reading.value, document=document, path=("policies", index), reading=reading)
        for index, reading in enumerate(_each(whole, document))
        if reading.value is not None
    ], problems


def _each(whole: Reading[PolicyFileKeys], document: Document) -> Iterator[Reading[PolicyKeys]]:
    """Each policy on its own, so that a fault in one does not keep the others from being checked."""
    if whole.value is not None and not whole.refused:
        yield from (Reading(value=keys, refused=frozenset(), problems=()) for keys in whole.value.policies)
        return
    for index in range(document.length(("policies",))):
        yield read_section(PolicyKeys, document, ("policies", index))


def _in_order(problems: Iterable[Problem], files: Sequence[TextFile]) -> tuple[Problem, ...]:
    """Folders first, then the files as they were read, each by line."""
    order = {file.name: number for number, file in enumerate(files)}
    return tuple(sorted(problems, key=lambda found: (order.get(found.file, -1), found)))


def _digest(files: Sequence[TextFile]) -> str:
    return _hash(part for file in files for part in (os.fsencode(Path(file.name).name), file.content))


def _fingerprint(files: Sequence[TextFile], problems: Sequence[Problem]) -> str:
    found = [str(problem) for file in files for problem in file.problems] + list(map(str, problems))
    parts = [part for file in files for part in (os.fsencode(file.name), file.content)]
    return _hash(parts + [sentence.encode() for sentence in found])


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        # The length before each part: moving bytes from one file to the next is another set.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
