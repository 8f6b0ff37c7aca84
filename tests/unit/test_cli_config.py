"""The command `config show`: every setting, where it comes from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.answers import answer_schema
from autoscaler.cli.main import app

SECRET = "s3cr3t-token"
CONFIG = f"""\
version: 1
connections:
  - libvirt: qemu+ssh://root@hv1/system
    adopt: [nova]
  - qmp: guests
  - qmp: [{{name: db-1, qmp: "unix:/run/db.sock", labels: {{tier: gold}}}}]
policies: [mine, /etc/theirs]
interval: 1500ms
host: {{overcommit: 2.5, delay_below: 12.5%}}
webhook: {{url: "https://example.net/hook/{SECRET}?key={SECRET}"}}
log: {{format: json}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def show(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", "show", "--config.file", str(file), *arguments])


def settings(file: Path) -> dict[str, tuple[Any, str]]:
    found = json.loads(show(file, "--output", "json").stdout)
    jsonschema.Draft202012Validator(answer_schema("config-show")).validate(found)
    return {entry["key"]: (entry["value"], entry["place"]) for entry in found}


def test_what_is_written_is_shown_as_it_is_used_with_its_place(file: Path) -> None:
    found = settings(file)
    written = {
        "interval": ("1500ms", f"{file}:8:11"),
        "policies": ([str(file.parent / "mine"), "/etc/theirs"], f"{file}:7:11"),
        "host.overcommit": (2.5, f"{file}:9:20"),
        "host.delay_below": ("12.5%", f"{file}:9:38"),
        "log.format": ("json", f"{file}:11:15"),
        "connections[0].adopt": (["nova"], f"{file}:4:12"),
        "connections[1].qmp": (str(file.parent / "guests"), f"{file}:5:10"),
        "connections[2].qmp[0].name": ("db-1", f"{file}:6:18"),
        "connections[2].qmp[0].labels": ({"tier": "gold"}, f"{file}:6:58"),
    }
    assert {key: found[key] for key in written} == written


def test_what_is_not_written_is_shown_as_one_would_write_it(file: Path) -> None:
    found = settings(file)
    expected = {
        "journal.keep": "90d",
        "host.pressure_below": "60%",
        "web.listen": "127.0.0.1:9752",
        "log.level": "info",
        "deadlines.accepted": "10s",
        "webhook.on": ["begun", "ended"],
        "audit.most_mib": 1024,
        "connections[1].libvirt": None,
    }
    assert {key: found[key] for key in expected} == {key: (value, "") for key, value in expected.items()}


def test_without_a_webhook_there_is_none(file: Path) -> None:
    file.write_text("version: 1\nconnections: [{libvirt: qemu:///system}]\n")
    assert settings(file)["webhook"] == (None, "")


def test_no_secret_is_shown(file: Path) -> None:
    found = settings(file)
    assert found["webhook.url"][0] == "https://example.net/[hidden]"
    assert found["connections[0].libvirt"][0] == "qemu+ssh://root@hv1/system"
    for output in ("text", "json"):
        assert SECRET not in show(file, "--output", output).stdout


def test_people_get_a_table_in_which_a_default_is_called_so(file: Path) -> None:
    ran = show(file)
    assert ran.exit_code == 0
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["journal.keep", "90d", "default"] in lines
    assert ["interval", "1500ms", f"{file}:8:11"] in lines


def test_a_setting_that_is_shown_reads_back_as_the_same(file: Path) -> None:
    found = settings(file)
    # One that holds nothing is written by not writing it.
    keys = [
        key
        for key, (value, *_) in found.items()
        if "." in key and value is not None and not key.startswith(("connections", "webhook"))
    ]
    assert len(keys) > 15
    for key in keys:
        section, _, name = key.partition(".")
        other = file.with_name("other.yaml")
        text = f"version: 1\nconnections: [{{qmp: g}}]\n{section}: {{{name}: {json.dumps(found[key][0])}}}\n"
        text = text.replace(': "', ": '").replace('"}', "'}")
        other.write_text(text)
        if section != "deadlines":  # which hold among each other
            assert settings(other)[key][0] == found[key][0]


def test_errors_are_told_with_their_places_and_no_setting(file: Path) -> None:
    file.write_text(CONFIG.replace("1500ms", "never"))
    ran = show(file)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f"{file}:8:11: error" in ran.stderr
