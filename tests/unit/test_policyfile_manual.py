"""The manual and the policies that come with the service say what is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.core.policy import OPT_OUT, Mode, PolicySet
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.json_schema import policy_schema

POLICIES = Path(__file__).parents[2] / "policies"
SHIPPED = sorted(POLICIES.glob("*.yaml"))
MANUAL = (POLICIES / "README.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
LANGUAGE = policy_schema()["properties"]["policies"]["items"]


def load(path: Path) -> PolicySet:
    loaded = load_policies([path])
    assert (loaded.errors, loaded.warnings) == ((), ())
    assert loaded.policy_set is not None
    return loaded.policy_set


def load_text(folder: Path, text: str) -> PolicySet:
    path = folder / "example.yaml"
    path.write_text(text)
    return load(path)


def keys(
    schema: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every key of a policy that takes a value, with its path."""
    for key, described in schema["properties"].items():
        inner = described["items"] if "properties" in described.get("items", {}) else described
        if "properties" in inner:
            yield from keys(inner, (*path, key))
        else:
            yield (*path, key), described


KEYS = dict(keys(LANGUAGE))


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table of keys under a heading, by their first cell without its quotes."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    table = section.partition("| key | unit | default | meaning |\n|---|---|---|---|\n")[2].partition("\n\n")[
        0
    ]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
    return {row[0].strip("` "): row for row in cells}


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


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_the_manual_has_every_key_with_its_unit_default_and_meaning(path: tuple[str, ...]) -> None:
    section = f"`{path[0]}`" if len(path) > 1 else "A policy"
    found = rows(section).get(".".join(path[1:]) or path[0])
    assert found is not None, f"{'.'.join(path)} has no row"
    _, unit, default, meaning = found
    assert unit
    assert meaning
    described = KEYS[path]
    if "default" in described:
        value = described["default"]
        if isinstance(value, list):
            text = f"[{', '.join(value)}]"
        else:
            text = value if isinstance(value, str) else f"{value:g}" if value != {} else "{}"
        assert default == f"`{text}`"
    else:
        assert not default.startswith("`") or path[0] == "vcpus"


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_an_example_of_the_manual_or_a_shipped_policy_has_every_key(path: tuple[str, ...]) -> None:
    texts = [*EXAMPLES, *(path.read_text() for path in SHIPPED)]
    assert any(re.search(rf"(^|[{{ ]){path[-1]}:", text, re.MULTILINE) for text in texts)


@pytest.mark.parametrize("word", [*Mode])
def test_the_manual_has_every_mode(word: Mode) -> None:
    assert f"| `{word}` |" in MANUAL


@pytest.mark.parametrize("reason", [*Reason])
def test_the_manual_has_every_reason_with_its_sentence(reason: Reason) -> None:
    assert f"| `{reason}` | {SENTENCES[reason]} |" in MANUAL.partition("## Reasons")[2]


def test_the_manual_names_the_label_that_opts_a_domain_out() -> None:
    assert f'<labels {OPT_OUT[0]}="{OPT_OUT[1]}"/>' in MANUAL


def test_the_messages_in_the_manual_are_those_that_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(EXAMPLES[0] + "    vcpus: {min: 08}\n    limit: {}\n")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    printed = [
        f"web.yaml:{error.line}:{error.column}: error: {error.message}"
        for error in load_policies([path]).errors
    ]
    assert printed == shown.splitlines()


@pytest.mark.parametrize("path", SHIPPED, ids=[path.name for path in SHIPPED])
def test_each_file_that_comes_with_the_service_loads_without_a_warning(path: Path) -> None:
    assert load(path).policies


def test_the_files_that_come_with_the_service_do_not_contradict_each_other() -> None:
    loaded = load_policies([POLICIES])
    assert loaded.errors == ()
    # One of them is for every domain, and takes some from the others or gets what they leave.
    assert all("'observe'" in warning.message for warning in loaded.warnings)


def test_the_policy_that_observes_changes_nothing_and_fits_everything() -> None:
    policy = load(POLICIES / "observe.yaml").governing("anything", "")
    assert policy is not None
    assert policy.mode is Mode.RECOMMEND


def test_the_database_is_not_shrunk_in_office_hours() -> None:
    (policy,) = load(POLICIES / "database.yaml").policies
    (hours,) = policy.schedules
    assert (policy.mode, hours.mode) == (Mode.AUTO, Mode.UP_ONLY)


def test_no_schedule_and_no_fallback_takes_the_licensed_software_beyond_its_licence() -> None:
    (policy,) = load(POLICIES / "licensed.yaml").policies
    assert policy.max_vcpus is not None
    most = [policy.missing.raise_to_vcpus or 0, *(hours.max_vcpus or 0 for hours in policy.schedules)]
    assert max(most) <= policy.max_vcpus


def test_the_manual_lists_every_file_that_comes_with_the_service() -> None:
    assert set(re.findall(r"^\| \[(\w+\.yaml)\]\(\1\)", MANUAL, re.MULTILINE)) == {
        path.name for path in SHIPPED
    }


def test_the_demo_policy_governs_the_demo_domain() -> None:
    policy = load(POLICIES / "demo.yaml").governing("demo-1", "")
    assert policy is not None
    assert (policy.min_vcpus, policy.max_vcpus) == (1, 4)
