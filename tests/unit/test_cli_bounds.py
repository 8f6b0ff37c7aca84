"""The command `bounds`: what the actuator may do, made from the policies, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler.actuator.bounds_file import BoundsFile
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.backends.connection import LibvirtConnection
from autoscaler.cli.main import app
from tests.fakes.running_service import COMMAND

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


@pytest.fixture
def followed(config: Path, tmp_path: Path) -> Iterator[Path]:
    """The bounds, written again by a process of their own whenever they are due."""
    output = tmp_path / "bounds.json"
    words = ("bounds", "--config.file", config, "--output", output, "--follow")
    with subprocess.Popen((COMMAND, *words)) as process:
        try:
            wait_until(lambda: most_of(output) == 8)
            yield output
            assert process.poll() is None
        finally:
            process.terminate()


def most_of(output: Path) -> int | None:
    """The most vCPUs that the last policy allows; None: nothing is there yet."""
    return BoundsFile(output).current().bounds[-1].max_vcpus if output.exists() else None


def wait_until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def policy(most: int, name: str = "web") -> str:
    return POLICY.replace("max: 8", f"max: {most}").replace("name: web", f"name: {name}")


def test_edits_close_upon_each_other_are_all_followed(followed: Path, tmp_path: Path) -> None:
    for most in (*range(9, 30), 4):
        (tmp_path / "policy.yaml").write_text(policy(most))
        time.sleep(0.05 * (most % 7))
    wait_until(lambda: most_of(followed) == 4)


def test_what_lies_behind_links_is_followed_and_so_are_links_that_are_turned(
    followed: Path, config: Path, tmp_path: Path
) -> None:
    for number, most in enumerate((5, 6)):
        (tmp_path / f"set-{number}").mkdir()
        (tmp_path / f"set-{number}" / "web.yaml").write_text(policy(most))
    link = tmp_path / "current"
    link.symlink_to("set-0")
    config.write_text(config.read_text().replace("policy.yaml", "current"))
    wait_until(lambda: most_of(followed) == 5)
    (tmp_path / "set-0" / "web.yaml").write_text(policy(3))
    wait_until(lambda: most_of(followed) == 3)
    (tmp_path / "new").symlink_to("set-1")
    (tmp_path / "new").rename(link)
    wait_until(lambda: most_of(followed) == 6)


def test_broken_edits_leave_the_bounds_until_they_are_mended(
    followed: Path, config: Path, tmp_path: Path
) -> None:
    good = config.read_text()
    before = followed.read_bytes()
    (tmp_path / "policy.yaml").write_text(policy(1))
    config.write_text("nonsense")
    time.sleep(1)
    assert followed.read_bytes() == before
    config.write_text(good)
    time.sleep(1)
    assert followed.read_bytes() == before
    (tmp_path / "policy.yaml").write_text(policy(7))
    wait_until(lambda: most_of(followed) == 7)


def test_following_needs_a_file(config: Path) -> None:
    code, said = run("--config.file", config, "--follow")
    assert code == 2
    assert "--output FILE" in said
