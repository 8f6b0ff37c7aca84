"""The manual and the policies that come with the service say what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoscaler.core.policy import PolicySet
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.schema import PolicyFileKeys
from autoscaler.policyfile.typed import Section

POLICIES = Path(__file__).parents[2] / "policies"
MANUAL = (POLICIES / "README.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)


def load(path: Path) -> PolicySet:
    loaded = load_policies([path])
    assert (loaded.errors, loaded.warnings) == ((), ())
    assert loaded.policy_set is not None
    return loaded.policy_set


def load_text(folder: Path, text: str) -> PolicySet:
    path = folder / "example.yaml"
    path.write_text(text)
    return load(path)


def keys_of(section: type[Section]) -> set[str]:
    found = set()
    for key, field in section.model_fields.items():
        found.add(key)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= keys_of(field.annotation)
    return found


def test_the_manual_has_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"example {number}") for number, text in enumerate(EXAMPLES)]
)
def test_every_example_in_the_manual_loads(tmp_path: Path, text: str) -> None:
    assert load_text(tmp_path, text).policies


def test_the_defaults_that_the_manual_writes_out_are_the_defaults(tmp_path: Path) -> None:
    smallest, written_out = (load_text(tmp_path, text) for text in EXAMPLES[:2])
    assert smallest.policies == written_out.policies


def test_the_manual_names_every_key() -> None:
    missing = {key for key in keys_of(PolicyFileKeys) if not re.search(rf"\b{key}\b", MANUAL)}
    assert missing == set()


def test_the_messages_in_the_manual_are_those_that_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(EXAMPLES[0] + "    vcpus: {min: 08}\n    limit: {}\n")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    printed = [
        f"web.yaml:{error.line}:{error.column}: error: {error.message}"
        for error in load_policies([path]).errors
    ]
    assert printed == shown.splitlines()


def test_the_policies_that_come_with_the_service_load_together() -> None:
    assert {policy.name for policy in load(POLICIES).policies} >= {"demo", "web", "database"}


def test_the_demo_policy_governs_the_demo_domain() -> None:
    policy = load(POLICIES / "demo.yaml").governing("demo-1", "")
    assert policy is not None
    assert (policy.min_vcpus, policy.max_vcpus) == (1, 4)
