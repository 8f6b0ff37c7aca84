"""What the commands print as JSON is what their schemas say, all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

from autoscaler.cli.answers import ANSWERS, answer_schema, command_of
from autoscaler.cli.main import app
from tests.fakes.shown_fleet import ShownFleet, shown_fleet, with_troubles

README = Path(__file__).parents[2] / "README.md"
COMMANDS = {
    "status": [],
    "list": [],
    "show": ["web-1"],
    "explain": ["web-2"],
    "events": ["--limit", "500"],
    "slo": [],
    "usage": ["--from", "2027-01-01", "--to", "2027-02-01"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def fleet(folder: Path) -> Iterator[ShownFleet]:
    with shown_fleet(folder, [f"web-{number}" for number in range(1, 6)] + ["db-1"], hours=0.5) as fleet:
        with_troubles(fleet)
        fleet.simulation.face.flush()
        yield fleet


def printed(fleet: ShownFleet, folder: Path, command: str) -> Any:  # noqa: ANN401 - JSON
    where = (
        ["--from-journal", str(folder / "journal.sqlite")] if command == "usage" else ["--server", fleet.url]
    )
    ran = CliRunner().invoke(app, [command, *COMMANDS[command], *where, "--output", "json"])
    return json.loads(ran.stdout)


def strict(schema: Any) -> Any:  # noqa: ANN401 - a schema
    """The schema, forbidding what it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(part) for name, part in schema.items()}
    return found | ({"additionalProperties": False} if "properties" in schema else {})


@pytest.mark.parametrize("command", COMMANDS)
def test_an_answer_is_as_its_schema_says_and_has_nothing_that_it_does_not_name(
    fleet: ShownFleet, folder: Path, command: str
) -> None:
    found = printed(fleet, folder, command)
    assert found
    jsonschema.Draft202012Validator(strict(answer_schema(command))).validate(found)


@pytest.mark.parametrize("command", ANSWERS)
def test_a_schema_is_printed_and_is_one(command: str) -> None:
    ran = CliRunner().invoke(app, ["schema", command])
    schema = json.loads(ran.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith(command_of(command))


def test_every_command_that_looks_has_a_schema() -> None:
    assert set(ANSWERS) == {*COMMANDS, "audit-verify", "audit-show", "config-show", "doctor", "webhook"}


def commands_with_output(group: typer.core.TyperGroup, *before: str) -> Iterator[str]:
    """Those that can print JSON, as `schema` names them."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands_with_output(command, *before, name)
        elif any("--output" in parameter.opts for parameter in command.params):
            yield "-".join((*before, name))


def test_the_manual_says_which_answers_have_a_schema_and_which_have_none() -> None:
    (paragraph,) = re.findall(r"`autoscaler schema list` describes.*?\n\n", README.read_text(), re.DOTALL)
    described, _, others = paragraph.partition("The JSON of")
    said = set(re.findall(r"`([a-z-]+)`", described))
    assert said | {"list"} == set(ANSWERS) - {"webhook"}
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    without = {name.replace(" ", "-") for name in re.findall(r"`([a-z ]+)`", others)}
    assert without == set(commands_with_output(group)) - set(ANSWERS)


def test_a_schema_of_something_else_is_asked_for_in_vain() -> None:
    ran = CliRunner().invoke(app, ["schema", "weather"])
    assert ran.exit_code == 2
    assert "policy, status, list" in " ".join(ran.output.split())
