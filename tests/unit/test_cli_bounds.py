"""The command `bounds`: what the actuator may do, made from the policies, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler.actuator.bounds_file import BoundsFile
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.backends.connection import LibvirtConnection
from autoscaler.cli.main import app

POLICY = "version: 1\npolicies: [{name: web, match: {name: ['web-*']}, vcpus: {min: 2, max: 8}}]\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    path = tmp_path / "config.yaml"
    path.write_text("version: 1\nconnections: [{libvirt: 'qemu:///system'}]\npolicies: [policy.yaml]\n")
    return path


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bounds", *map(str, words)])
    return done.exit_code, done.output


def test_the_file_is_one_that_the_actuator_takes(config: Path, tmp_path: Path) -> None:
    output = tmp_path / "bounds.json"
    before = os.umask(0o077)
    try:
        assert run("--config.file", config, "--output", output) == (0, "")
    finally:
        os.umask(before)

    charter = BoundsFile(output).current()
    (web,) = charter.bounds
    assert charter.connections == (LibvirtConnection("qemu:///system"),)
    assert (web.policy, web.min_vcpus, web.max_vcpus) == ("web", 2, 8)
    assert Verb.UNPLUG not in web.may
    assert output.stat().st_mode & 0o777 == 0o644, "for the actuator's user to read"


def test_without_a_file_they_are_printed(config: Path) -> None:
    code, said = run("--config.file", config)

    assert code == 0
    assert '"policy": "web"' in said


def test_broken_policies_leave_the_file_as_it_is_and_say_where(config: Path, tmp_path: Path) -> None:
    output = tmp_path / "bounds.json"
    run("--config.file", config, "--output", output)
    before = output.read_bytes()
    (tmp_path / "policy.yaml").write_text(POLICY.replace("max: 8", "max: 1"))

    code, said = run("--config.file", config, "--output", output)

    assert code == 1
    assert "policy.yaml:2:" in said
    assert output.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"policy.yaml", "config.yaml", "bounds.json"}
