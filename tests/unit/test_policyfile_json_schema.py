"""What editors are told of the policy language is what the service takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.policyfile.json_schema import policy_schema
from autoscaler.policyfile.strict_yaml import Data, Scalar, read_document
from autoscaler.policyfile.text_file import decode
from tests.fakes.policy_files import GOOD, load, one

POLICIES = Path(__file__).parents[2] / "policies"
SHIPPED = sorted(POLICIES.glob("*.yaml"))
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", (POLICIES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
SCHEMA = policy_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def as_editors_see(data: Data | None) -> Any:  # noqa: ANN401 - JSON
    """The data as YAML 1.2 reads it, which is what yaml-language-server does."""
    if isinstance(data, dict):
        return {key: as_editors_see(value) for key, value in data.items()}
    if isinstance(data, list):
        return [as_editors_see(entry) for entry in data]
    assert isinstance(data, Scalar)
    if data.plain and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|true|false|null", data.text):
        return json.loads(data.text)
    return data.text


def complaints(text: str) -> list[str]:
    document = read_document(decode("policy.yaml", text.encode()))
    return [error.json_path for error in VALIDATOR.iter_errors(as_editors_see(document.data))]


def keys(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key with its path and what is said of it."""
    for key, described in schema.get("properties", {}).items():
        yield f"{path}.{key}", described
        yield from keys(described, f"{path}.{key}")
        yield from keys(described.get("items", {}), f"{path}.{key}[]")
        for form in described.get("oneOf", ()):
            yield from keys(form, f"{path}.{key}")


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_command_prints_the_file_that_is_shipped() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert result.output == (POLICIES / "schema.json").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=[path.name for path in SHIPPED])
def test_the_shipped_policies_fit_it_and_name_it_in_their_first_line(path: Path) -> None:
    text = path.read_text()
    assert complaints(text) == []
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize("text", EXAMPLES, ids=[f"example {number}" for number in range(len(EXAMPLES))])
def test_the_examples_of_the_manual_fit_it(text: str) -> None:
    assert complaints(text) == []


WRONG = [
    pytest.param("vcpu: {min: 1}", "$.policies[0]", id="unknown key"),
    pytest.param("vcpus: {min: 0}", "$.policies[0].vcpus.min", id="out of bounds"),
    pytest.param("vcpus: {min: many}", "$.policies[0].vcpus.min", id="no number"),
    pytest.param("mode: on", "$.policies[0].mode", id="no mode"),
    pytest.param("sla: {objective: 99}", "$.policies[0].sla.objective", id="no percent sign"),
    pytest.param("sla: {slice: 60}", "$.policies[0].sla.slice", id="no unit"),
    pytest.param("sla: {indicator: {}}", "$.policies[0].sla.indicator", id="no indicator"),
    pytest.param("strategy: {adaptive: {}, target: {}}", "$.policies[0].strategy", id="two strategies"),
    pytest.param("limits: {down: {reclaim: eject}}", "$.policies[0].limits.down.reclaim", id="reclaim"),
    pytest.param("missing: {then: wait}", "$.policies[0].missing.then", id="neither form"),
    pytest.param(
        "schedules: [{name: x, from: 8:00, to: 18:00, timezone: UTC, mode: off}]",
        "$.policies[0].schedules[0].from",
        id="no time of day",
    ),
    pytest.param(
        "schedules: [{name: x, from: 08:00, to: 18:00, timezone: UTC}]",
        "$.policies[0].schedules[0]",
        id="nothing set",
    ),
    pytest.param("host: {weight: 101}", "$.policies[0].host.weight", id="weight"),
]


@pytest.mark.parametrize(("policy", "path"), WRONG)
def test_it_refuses_what_the_service_refuses_at_its_place(
    policy: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaints(one(policy)) == [path]
    assert len(load(one(policy)).errors) == 1


def test_a_misspelt_key_that_is_needed_is_refused() -> None:
    assert complaints(GOOD.replace("version", "verison")) == ["$", "$"]


def test_every_key_is_described_in_a_sentence() -> None:
    found = dict(keys(SCHEMA))
    assert len(found) > 50
    for path, described in found.items():
        assert described["description"].endswith("."), path


def test_every_default_and_example_is_one_that_the_schema_takes() -> None:
    for path, described in keys(SCHEMA):
        validator = Draft202012Validator(described)
        for value in (
            *described.get("examples", ()),
            *([described["default"]] if "default" in described else ()),
        ):
            assert list(validator.iter_errors(value)) == [], path


@pytest.mark.parametrize(
    ("path", "default"),
    [
        (".policies[].sla.objective", "99%"),
        (".policies[].sla.window", "30d"),
        (".policies[].limits.up.cooldown", "0s"),
        (".policies[].limits.down.per_day", 500),
        (".policies[].strategy.target.utilization", "65%"),
        (".policies[].missing.then", "hold"),
        (".policies[].schedules[].days", ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        (".policies[].host.weight", 1.0),
    ],
    ids=str,
)
def test_a_default_is_written_as_in_a_file(path: str, default: object) -> None:
    assert dict(keys(SCHEMA))[path]["default"] == default
