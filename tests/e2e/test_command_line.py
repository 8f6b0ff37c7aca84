"""The command line as people and scripts meet it: help, exit codes, JSON, and what an interruption leaves."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import string
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler import __version__
from autoscaler.lab.image import Image
from tests.fakes.running_service import AS_FROM_A_TERMINAL, COMMAND, RunningService, idle_service

COMMANDS = (
    *(
        "run",
        "reload",
        "pause",
        "resume",
        "set",
        "check",
        "schema",
        "status",
        "list",
        "show",
        "explain",
        "slo",
        "plan",
        "top",
        "usage",
        "events",
        "demo",
        "replay",
        "advise",
    ),
    *("lab up", "lab load", "lab down", "lab list"),
)
PLAIN = {**os.environ, "COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
NOBODY = "http://127.0.0.1:1"


def autoscaler(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command as on a plain terminal of 80 columns."""
    return subprocess.run(
        (COMMAND, *arguments), capture_output=True, text=True, env=PLAIN, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service that watches an empty folder."""
    with idle_service() as service:
        yield service


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_fits_a_plain_terminal_and_ends_in_an_example(command: str) -> None:
    asked = autoscaler(*command.split(), "--help")
    assert (asked.returncode, asked.stderr) == (0, "")
    explained, _, examples = asked.stdout.partition("Example")
    assert f"autoscaler {command}" in examples
    assert max(len(line) for line in explained.splitlines()) <= 80
    assert asked.stdout.replace("\n", "").isprintable()


def test_the_help_of_all_lists_each_command_with_a_whole_sentence() -> None:
    asked = autoscaler("--help")
    assert asked.returncode == 0
    for command in {name.split()[0] for name in COMMANDS}:
        assert re.search(rf"^  {command} +[A-Z].*\.$", asked.stdout, re.MULTILINE)
    assert not any(line.endswith("...") for line in asked.stdout.splitlines()[1:])


def test_the_version_is_told() -> None:
    asked = autoscaler("--version")
    assert (asked.returncode, asked.stdout) == (0, f"autoscaler {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(("grow",), "grow", id="unknown command"),
        pytest.param(("list", "--colour"), "--colour", id="unknown option"),
        pytest.param(("show",), "domain", id="nothing to show"),
        pytest.param(("list", "web-1"), "web-1", id="an argument too many"),
        pytest.param(("status", "--output", "xml"), "xml", id="unknown form"),
        pytest.param(("events", "--limit", "0"), "--limit", id="out of range"),
        pytest.param(("list", "--server", "127.0.0.1:9752"), "--server", id="no address"),
        pytest.param(("list", "--server", "http://[::1"), "--server", id="half an address"),
        pytest.param(("lab", "down"), "--all", id="no guest named"),
        pytest.param(("lab", "up", "a b"), "a b", id="no name for a guest"),
        pytest.param(("check", "/nonexistent"), "/nonexistent", id="nothing to check"),
        pytest.param(("run", "--config.file", "/nonexistent"), "/nonexistent", id="no configuration"),
        pytest.param(("pause",), "--all", id="nothing to pause"),
        pytest.param(("resume", "web-1", "--all"), "--all", id="one and all"),
        pytest.param(("set", "web-1", "0"), "'N'", id="no vCPU at all"),
        pytest.param(("set", "web-1", "2", "--hold", "long"), "long", id="no time"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_with_it(arguments: tuple[str, ...], named: str) -> None:
    asked = autoscaler(*arguments)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert named in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.mark.parametrize("command", ["status", "list", "show web-1", "events", "events --follow"])
def test_a_service_that_does_not_run_is_told_in_one_sentence(command: str) -> None:
    asked = autoscaler(*command.split(), "--server", NOBODY)
    assert (asked.returncode, asked.stdout) == (1, "")
    (sentence,) = asked.stderr.splitlines()
    assert NOBODY in sentence
    assert "`autoscaler run`" in sentence


def test_a_server_that_is_no_autoscaler_is_told_so(service: RunningService) -> None:
    asked = autoscaler("list", "--server", f"{service.server}/grafana")
    assert asked.returncode == 1
    assert "is it an autoscaler" in asked.stderr


@pytest.mark.parametrize("command", ["status", "list", "events", "check", "lab list"])
def test_output_for_programs_is_one_json_document(service: RunningService, command: str) -> None:
    extra = {"check": (str(service.policy),), "lab list": ("--folder", str(service.folder))}
    asked = service.ask(*command.split(), *extra.get(command, ()), "--output", "json")
    assert asked.stderr == ""
    assert isinstance(json.loads(asked.stdout), list | dict)


def test_following_events_ends_by_ctrl_c_without_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        follower = subprocess.Popen(
            (*AS_FROM_A_TERMINAL, COMMAND, "events", "--follow", "--server", url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # Before it asks it may still be loading its modules, and an interruption is Python's to tell.
        asked, _ = server.accept()
        with asked:
            asked.recv(4096)
            asked.sendall(b"HTTP/1.0 200 OK\r\n\r\n[]")
        follower.send_signal(signal.SIGINT)
        printed, _ = follower.communicate(timeout=10)
    assert (follower.returncode, printed) == (130, "")


class Demo:
    """A demonstration with a temporary folder of its own, in a process group as a terminal makes one."""

    def __init__(self, folder: Path, *arguments: str, terminal: int | None = None) -> None:
        """Start it; without a `terminal` of its own its output is read here."""
        self._folder = folder
        on_terminal = () if terminal is None else ("setsid", "--ctty")
        environment = PLAIN if terminal is None else {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            (*AS_FROM_A_TERMINAL, *on_terminal, COMMAND, "demo", *arguments),
            stdin=terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, "TMPDIR": str(folder)},
            start_new_session=terminal is None,
        )

    def read_until(self, words: str) -> str:
        """What it prints up to the line with these words."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if words in line:
                return "".join(lines)
        raise AssertionError(f"it ended before {words!r}: {''.join(lines)}")

    def end(self, number: int) -> tuple[int, str]:
        """Signal the whole group, and return the exit code and what was printed from then on."""
        os.killpg(self.process.pid, number)
        printed, _ = self.process.communicate(timeout=30)
        return self.process.returncode, printed

    def leftovers(self, *, patience_s: float = 0.0) -> list[str]:
        """Files and processes that outlive it, by so long."""
        end_s = time.monotonic() + patience_s
        while found := [*map(str, self._folder.rglob("*")), *map(str, self._processes())]:
            if time.monotonic() >= end_s:
                return found
            time.sleep(0.1)
        return []

    def kill_guest(self) -> None:
        """End its QEMU as a crash does."""
        for pid in self._processes():
            if b"qemu" in _content(Path(f"/proc/{pid}/cmdline")).partition(b"\0")[0]:
                os.kill(pid, signal.SIGKILL)

    def sweep_up(self) -> None:
        """End what a demonstration that failed has left running, which would slow every test after it."""
        self.process.kill()
        self.process.wait()
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        mark = os.fsencode(f"{self._folder}/")
        return [
            int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _content(path)
        ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder with a name of one letter: libvirt needs the room for its sockets' names."""
    for letter in string.ascii_letters:
        folder = Path("/tmp") / letter
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            break
    yield folder
    shutil.rmtree(folder)


on_each_backend = pytest.mark.parametrize("backend", ["libvirt", "qmp"])


@pytest.mark.parametrize(
    ("backend", "words", "number", "code"),
    [
        pytest.param("libvirt", "booting", signal.SIGINT, 130, id="Ctrl-C while a guest boots"),
        pytest.param("qmp", "booting", signal.SIGHUP, 129, id="terminal closed while a guest boots"),
        pytest.param("libvirt", "wants 1.8", signal.SIGINT, 130, id="Ctrl-C under load"),
        pytest.param("qmp", "wants 1.8", signal.SIGTERM, 143, id="told to stop under load"),
        pytest.param("libvirt", "wants 1.8", signal.SIGKILL, -9, id="killed under load"),
        pytest.param("qmp", "wants 1.8", signal.SIGKILL, -9, id="killed under load, without libvirt"),
    ],
)
def test_a_demo_that_is_interrupted_leaves_nothing(
    lab_image: Image,  # noqa: ARG001 - built before, so that the demo boots at once
    short_folder: Path,
    backend: str,
    words: str,
    number: int,
    code: int,
) -> None:
    demo = Demo(short_folder, "--backend", backend)
    try:
        demo.read_until(words)
        time.sleep(0.5)
        ended, printed = demo.end(number)
        # A killed one is cleaned up after by another process, which has to notice first.
        leftovers = demo.leftovers(patience_s=10.0 if number == signal.SIGKILL else 0.0)
    finally:
        demo.sweep_up()
    assert ended == code
    assert "Traceback" not in printed
    assert leftovers == []


def test_a_demo_on_a_terminal_draws_the_guest_and_ends_with_the_terminal(
    lab_image: Image,  # noqa: ARG001 - as above
    short_folder: Path,
) -> None:
    ours, its = pty.openpty()
    demo = Demo(short_folder, "--backend", "qmp", terminal=its)
    os.close(its)
    try:
        drawn = b""
        while b"the guest wants 1.8" not in drawn:
            drawn += os.read(ours, 65536)
        os.close(ours)
        demo.process.wait(30)
        leftovers = demo.leftovers()
    finally:
        demo.sweep_up()
    assert "■ □ □ □" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    assert leftovers == []


@on_each_backend
def test_a_demo_whose_guest_crashes_says_so_and_leaves_nothing(
    lab_image: Image,  # noqa: ARG001 - as above
    short_folder: Path,
    backend: str,
) -> None:
    demo = Demo(short_folder, "--backend", backend)
    try:
        demo.read_until("wants 1.8")
        demo.kill_guest()
        printed, _ = demo.process.communicate(timeout=60)
        leftovers = demo.leftovers()
    finally:
        demo.sweep_up()
    assert demo.process.returncode == 1
    assert "autoscaler: the service does not see the guest demo-1 any more" in printed
    assert "Traceback" not in printed
    assert leftovers == []


@pytest.mark.whole_host
def test_a_demo_that_is_kept_can_be_looked_at_until_ctrl_c_ends_it_with_its_summary(
    lab_image: Image,  # noqa: ARG001 - as above
    short_folder: Path,
) -> None:
    demo = Demo(short_folder, "--backend", "qmp", "--keep")
    try:
        told = demo.read_until("look at it with").splitlines()[-1]
        server = told.rpartition("--server ")[2].rstrip("`")
        listed = autoscaler("list", "--server", server)
        load = demo.read_until("load it with").partition("`")[2].rpartition("`")[0]
        loaded = subprocess.run(load.split(), capture_output=True, text=True, timeout=30, check=False)
        ended, printed = demo.end(signal.SIGINT)
        leftovers = demo.leftovers()
    finally:
        demo.sweep_up()
    assert "demo-1" in listed.stdout
    assert (loaded.returncode, loaded.stdout) == (0, "demo-1 wants 1.8 vCPUs\n")
    assert "at the end" in printed
    assert ended == (1 if "did not go as it should" in printed else 0)
    assert leftovers == []


@pytest.mark.whole_host
@on_each_backend
def test_a_demo_for_programs_prints_one_object_and_tells_its_story_elsewhere(
    lab_image: Image,  # noqa: ARG001 - as above
    short_folder: Path,
    backend: str,
) -> None:
    told = subprocess.run(
        (COMMAND, "demo", "--backend", backend, "--output", "json"),
        capture_output=True,
        text=True,
        env={**PLAIN, "TMPDIR": str(short_folder)},
        timeout=180,
        check=False,
    )
    report = json.loads(told.stdout)
    assert list(report) == [
        *("backend", "accel", "qemu_version", "libvirt_version", "agent_version", "moves"),
        *("plugged_max", "online_max", "online_end", "metrics_samples", "ok"),
    ]
    for move in report["moves"]:
        assert list(move) == ["at_s", "from", "to", "reason", "stages"]
        assert list(move["stages"]) == ["accepted_s", "present_s", "online_s", "relieved_s"]
    assert report["backend"] == backend
    assert (report["libvirt_version"] is None) == (backend == "qmp")
    assert None not in {report["qemu_version"], report["agent_version"]}
    assert told.returncode == (0 if report["ok"] else 1)
    assert "booting the guest" in told.stderr
    assert list(short_folder.iterdir()) == []
