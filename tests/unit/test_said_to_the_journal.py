"""What ends a start is grave in systemd's journal, whichever process says it and before its log begins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CONFIG = "version: 1\nconnections: [{libvirt: 'test:///default'}]\npolicies: [a.yaml]\nstate: /dev/null\n"
GOOD = "version: 1\npolicies: [{name: a, match: {name: [a]}}]\n"
BAD = "version: 1\npolicies: [{name: a}]\n"
AUTOSCALER = "from autoscaler.cli.main import main; main()"
ACTUATOR = "from autoscaler.actuator.main import main; main()"


@contextmanager
def running(
    folder: Path, program: str, *arguments: str, in_journal: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that writes to `said`, which is systemd's journal to it, or is not."""
    with (folder / "said").open("w") as stream:
        found = os.fstat(stream.fileno())
        journal = f"{found.st_dev}:{found.st_ino}" if in_journal else "0:0"
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=folder,
            env={**os.environ, "JOURNAL_STREAM": journal},
            stdout=stream,
            stderr=stream,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def said(folder: Path, program: str, *arguments: str, in_journal: bool = True) -> list[str]:
    """All that a program says until it ends by itself."""
    with running(folder, program, *arguments, in_journal=in_journal) as process:
        process.wait(60)
    return (folder / "said").read_text().splitlines()


@pytest.mark.parametrize(
    ("program", "arguments", "config", "policies", "expected"),
    [
        (AUTOSCALER, ("run",), CONFIG, GOOD, "<3>autoscaler: the state directory /dev/null cannot be made"),
        (AUTOSCALER, ("run",), CONFIG + "foo: 1\n", GOOD, "<3>config.yaml:5:1: error: the key 'foo'"),
        (AUTOSCALER, ("run",), None, GOOD, "<3>autoscaler run: there is no configuration"),
        (AUTOSCALER, ("bounds",), CONFIG, BAD, "<3>{folder}/a.yaml:2:12: error: the key 'match'"),
        (AUTOSCALER, ("check",), CONFIG, BAD, "<3>{folder}/a.yaml:2:12: error: the key 'match'"),
        (AUTOSCALER, ("check",), CONFIG, None, "<3>autoscaler check: there is no {folder}/a.yaml"),
        (ACTUATOR, ("--bounds", "none"), CONFIG, GOOD, "<3>autoscaler-actuator: "),
    ],
    ids=["state", "key", "no configuration", "bounds", "check", "no policies", "actuator"],
)
def test_what_ends_a_start_has_the_priority_of_an_error_in_the_journal_and_none_elsewhere(
    tmp_path: Path,
    program: str,
    arguments: tuple[str, ...],
    config: str | None,
    policies: str | None,
    expected: str,
) -> None:
    for name, text in (("config.yaml", config), ("a.yaml", policies)):
        if text is not None:
            (tmp_path / name).write_text(text)
    if program == AUTOSCALER:
        arguments = (*arguments, "--config.file", "config.yaml")
    else:
        arguments = (*arguments, "--user", "0", "--socket", "socket")
    line = expected.format(folder=tmp_path)
    assert any(found.startswith(line) for found in said(tmp_path, program, *arguments))
    assert any(
        found.startswith(line.removeprefix("<3>"))
        for found in said(tmp_path, program, *arguments, in_journal=False)
    )


def test_a_warning_of_the_configuration_is_a_warning_in_the_journal(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "web: {listen: '0.0.0.0:9752'}\n")
    (tmp_path / "a.yaml").write_text(GOOD)
    found = said(tmp_path, AUTOSCALER, "check", "--config.file", "config.yaml")
    assert [line[:26] for line in found if "0.0.0.0" in line] == ["<4>config.yaml:5:15: warni"]


def test_each_line_of_the_actuators_log_has_its_priority_in_the_journal(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "a.yaml").write_text(GOOD)
    said(tmp_path, AUTOSCALER, "bounds", "--config.file", "config.yaml", "--output", "bounds.json")
    arguments = ("--bounds", "bounds.json", "--user", "0", "--socket", str(tmp_path / "socket"))
    with running(tmp_path, ACTUATOR, *arguments, in_journal=True) as process:
        deadline = time.monotonic() + 30
        while "holds" not in (log := (tmp_path / "said").read_text()):
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.05)
    assert log.startswith("<6>INFO holds test:///default for uid 0")
