"""The commands `pause`, `resume` and `set`, against a control socket that notes what it is asked."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from autoscaler.backends.local.peer import Peer
from autoscaler.cli.main import app
from autoscaler.errors import AutoscalerError
from autoscaler.service.control import ControlSocket
from autoscaler.service.control_client import ControlRefused

if TYPE_CHECKING:
    from autoscaler.service.control import Verb

ANSWER = {
    "sentence": "domain 'a\x1bb' is paused",
    "notes": ["a note"],
    "recorded": True,
    "order": {"vcpus": None},
}


class Asked:
    """A control socket with the three verbs, which answer the same."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control.sock"
        self.requests: list[tuple[str, Mapping[str, object]]] = []
        self.answer: Mapping[str, object] = ANSWER
        self.error: AutoscalerError | None = None
        self._socket = ControlSocket(
            self.path, {name: self._verb(name) for name in ("pause", "resume", "set")}
        )
        self._socket.start()
        self.close = self._socket.close

    def _verb(self, name: str) -> Verb:
        def verb(request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
            self.requests.append((name, dict(request)))
            if self.error is not None:
                raise self.error
            return self.answer

        return verb

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--socket", str(self.path)])


@pytest.fixture
def asked() -> Iterator[Asked]:
    folder = Path(tempfile.mkdtemp(prefix="ord-"))
    asked = Asked(folder)
    yield asked
    asked.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("arguments", "request_made"),
    [
        pytest.param("pause web-1", ("pause", {"domain": "web-1", "for_s": None}), id="pause"),
        pytest.param("pause --all --for 2h", ("pause", {"all": True, "for_s": 7200.0}), id="pause all"),
        pytest.param("pause web-1 --for 1.5d", ("pause", {"domain": "web-1", "for_s": 129600.0}), id="days"),
        pytest.param("resume web-1", ("resume", {"domain": "web-1"}), id="resume"),
        pytest.param("resume --all", ("resume", {"all": True}), id="resume all"),
        pytest.param("set web-1 4", ("set", {"domain": "web-1", "vcpus": 4, "for_s": 3600.0}), id="set"),
        pytest.param(
            "set web-1 4 --hold 30m", ("set", {"domain": "web-1", "vcpus": 4, "for_s": 1800.0}), id="hold"
        ),
    ],
)
def test_a_command_asks_for_what_it_was_told(
    asked: Asked, arguments: str, request_made: tuple[str, dict[str, object]]
) -> None:
    found = asked.run(*arguments.split())
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == "domain 'a\\x1bb' is paused\na note\n"
    assert asked.requests == [request_made]


@pytest.mark.parametrize(
    "arguments",
    [
        "pause",
        "pause web-1 --all",
        "resume",
        "resume web-1 --all",
        "pause web-1 --for 2",
        "pause web-1 --for 0s",
        "pause web-1 --for 400d",
        "pause web-1 --for soon",
        "set web-1",
        "set web-1 0",
        "set web-1 four",
        "set web-1 4 --hold 1w",
    ],
)
def test_a_wrong_call_is_a_usage_error_and_asks_for_nothing(asked: Asked, arguments: str) -> None:
    assert asked.run(*arguments.split()).exit_code == 2
    assert asked.requests == []


def test_an_order_that_could_not_be_recorded_is_told_on_stderr_and_by_the_exit_code(asked: Asked) -> None:
    asked.answer = ANSWER | {"recorded": False, "notes": ["a restart would forget it"]}
    found = asked.run("pause", "--all")
    assert (found.exit_code, found.stderr) == (1, "a restart would forget it\n")


def test_a_refusal_is_the_services_own_sentence(asked: Asked) -> None:
    asked.error = AutoscalerError("no running domain is called 'web-9'")
    found = asked.run("pause", "web-9")
    assert isinstance(found.exception, ControlRefused)
    assert str(found.exception) == "no running domain is called 'web-9'"


def test_output_for_programs_is_the_whole_answer(asked: Asked) -> None:
    assert json.loads(asked.run("set", "web-1", "4", "--output", "json").stdout) == ANSWER
