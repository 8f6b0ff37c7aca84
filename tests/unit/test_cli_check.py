"""The command `check`: what it prints and how it exits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from autoscaler.cli.check import check

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

GOOD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}}\n"
SHADOWED = GOOD + "  - {name: b, match: {name: [a]}}\n"
BAD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}, vcpus: {min: 08, max: yes}}\n"
CONFIG = "version: 1\nconnections: [{libvirt: qemu:///system}]\n"


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, arguments)


def test_good_files_exit_with_0(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    result = run("a.yaml")
    assert (result.exit_code, result.output) == (0, "1 file, 0 errors, 0 warnings\n")


def test_every_problem_is_a_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    result = run("a.yaml")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "a.yaml:3:48: error: 'min' cannot be '08'; write a whole number from 1 to 4096 in plain digits",
        "a.yaml:3:57: error: 'max' cannot be 'yes'; write a whole number from 1 to 4096",
        "1 file, 2 errors, 0 warnings",
    ]


def test_a_warning_is_a_finding_only_when_strict(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHADOWED)
    assert run("a.yaml").exit_code == 0
    result = run("a.yaml", "--strict")
    assert result.exit_code == 1
    assert result.output.startswith("a.yaml:4:5: warning: the policy 'b' never governs a domain; ")


def test_json_has_every_problem_in_its_parts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD.replace(", max: yes", ""))
    result = run("a.yaml", "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "errors": [
            {
                "file": "a.yaml",
                "line": 3,
                "column": 48,
                "message": "'min' cannot be '08'; write a whole number from 1 to 4096 in plain digits",
            }
        ],
        "warnings": [],
    }


def test_a_path_that_does_not_exist_is_a_usage_error() -> None:
    result = run("none", "nothing.yaml")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "autoscaler check: there is no none; name a file or a folder",
        "autoscaler check: there is no nothing.yaml; name a file or a folder",
    ]


def test_a_configuration_is_checked_as_one_also_beside_policies(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "config.yaml").write_text(CONFIG + "interval: 1ms\n")
    result = run(".")
    assert result.output.splitlines() == [
        "config.yaml:3:11: error: 'interval' cannot be '1ms'; write a duration from 200ms to 5m",
        "2 files, 1 error, 0 warnings",
    ]


def test_a_folder_without_files_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("empty")
    assert result.exit_code == 1
    assert "empty:1:1: error: the folder holds no policy file" in result.output


def test_control_characters_of_names_and_values_reach_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J.yaml").write_text('version: 1\npolicies: "\\e[31m\\u202e"\n')
    result = run(".")
    assert result.output.splitlines()[0] == (
        r"\x1b[2J.yaml:2:11: error: 'policies' cannot be '\x1b[31m\u202e'; write a list, such as [a, b]"
    )
