"""Policy files as tests write them."""

from __future__ import annotations

from pathlib import Path

from autoscaler.policyfile import LoadedPolicies, load_policies

GOOD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}}\n"


def one(policy: str) -> str:
    """A file with one policy whose further keys start in column 5 of line 4."""
    return f"version: 1\npolicies:\n  - {{name: a, match: {{name: [a]}},\n    {policy}}}\n"


def load(*texts: str) -> LoadedPolicies:
    """Write texts as 0.yaml, 1.yaml ... into the working folder and load them by their bare names."""
    names = [Path(f"{number}.yaml") for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        name.write_text(text)
    return load_policies(names)


def errors(*texts: str) -> list[str]:
    """Everything that is wrong with these files."""
    return [str(problem) for problem in load(*texts).errors]
