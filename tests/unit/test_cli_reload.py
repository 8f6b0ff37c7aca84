"""The command `reload` as people and scripts meet it, against a control socket."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.main import app
from autoscaler.service.control import ControlSocket
from autoscaler.service.control_client import ControlUnreachable

CHANGED = {"added": [], "removed": [], "changed": ["web"], "reordered": False}
WARNING = {"file": "/p/\x1bweb.yaml", "line": 5, "column": 7, "message": "the policy 'x' never governs"}
GOOD = {"in_force": True, "sentence": "web changed", "changes": CHANGED, "errors": [], "warnings": [WARNING]}
ERRORS = [
    {"file": "/p/web.yaml", "line": 3, "column": 11, "message": "write a number"},
    {"file": "/p/db.yaml", "line": 1, "column": 1, "message": "the file cannot be read"},
]
BROKEN = GOOD | {"in_force": False, "sentence": "not reloaded: mend it", "errors": ERRORS, "warnings": []}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a configuration and the state directory that it names."""
    home = Path(tempfile.mkdtemp(prefix="ctl-"))
    (home / "state").mkdir()
    (home / "config.yaml").write_text("version: 1\nconnections: [{libvirt: qemu:///system}]\nstate: state\n")
    yield home
    shutil.rmtree(home)


def reload(home: Path, answer: Mapping[str, object], *arguments: str) -> Result:
    socket = ControlSocket(home / "state" / "control.sock", {"reload": lambda *_: answer})
    socket.start()
    try:
        return CliRunner().invoke(app, ["reload", *arguments])
    finally:
        socket.close()


def configured(home: Path) -> tuple[str, str]:
    return "--config.file", str(home / "config.yaml")


def test_what_changed_is_printed_and_warnings_beside_it(home: Path) -> None:
    found = reload(home, GOOD, *configured(home))
    assert (found.exit_code, found.stdout) == (0, "web changed\n")
    assert found.stderr == "/p/\\x1bweb.yaml:5:7: warning: the policy 'x' never governs\n"


def test_every_error_is_printed_with_its_place_and_the_exit_code_tells(home: Path) -> None:
    found = reload(home, BROKEN, *configured(home))
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.splitlines() == [
        "/p/web.yaml:3:11: error: write a number",
        "/p/db.yaml:1:1: error: the file cannot be read",
        "not reloaded: mend it",
    ]


@pytest.mark.parametrize(("answer", "code"), [(GOOD, 0), (BROKEN, 1)], ids=["good", "broken"])
def test_output_for_programs_is_the_whole_answer(home: Path, answer: Mapping[str, object], code: int) -> None:
    found = reload(home, answer, *configured(home), "--output", "json")
    assert found.exit_code == code
    assert json.loads(found.stdout) == answer


def test_a_socket_that_is_named_needs_no_configuration(home: Path) -> None:
    socket = str(home / "state" / "control.sock")
    found = reload(home, GOOD, "--config.file", "/nonexistent", "--socket", socket)
    assert (found.exit_code, found.stdout) == (0, "web changed\n")


def test_a_configuration_that_is_not_there_is_told(home: Path) -> None:
    found = reload(home, GOOD, "--config.file", str(home / "absent.yaml"))
    assert (found.exit_code, found.stdout) == (2, "")
    assert "autoscaler reload: there is no configuration" in found.stderr


def test_a_service_that_does_not_run_is_told_with_where_it_was_looked_for(home: Path) -> None:
    found = CliRunner().invoke(app, ["reload", *configured(home)])
    assert isinstance(found.exception, ControlUnreachable)
    assert f"{home}/state/control.sock" in str(found.exception)
