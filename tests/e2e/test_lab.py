"""Real guests: they boot, want the load that they are told to want, are as difficult as asked, and go."""

from __future__ import annotations

import base64
import contextlib
import json
import operator
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli.lab import lab_app
from autoscaler.lab import modules, process, sources
from autoscaler.lab.cache import cache_folder
from autoscaler.lab.errors import LabError
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import HARDENED, GuestSpec, Onlining
from tests.fakes.running_service import AS_FROM_A_TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.lab.image import Image
    from autoscaler.lab.libvirt_guest import LibvirtGuest
    from tests.conftest import Boot

PATIENCE_S = 60.0
COMMAND = "from autoscaler.cli.lab import lab_app; lab_app()"


class Line:
    """One JSON request, one JSON answer, over a unix socket; for as long as the block lasts."""

    def __init__(self, path: Path, *, patience_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience_s)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def ask(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return", answer.get("error"))

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def agent(guest: QemuGuest, *, patience_s: float = PATIENCE_S) -> contextlib.closing[Line]:
    return contextlib.closing(Line(guest.files.agent_socket, patience_s=patience_s))


def read(line: Line, path: str) -> str:
    handle = line.ask("guest-file-open", path=path)
    content = line.ask("guest-file-read", handle=handle, count=65536)["buf-b64"]
    line.ask("guest-file-close", handle=handle)
    return base64.b64decode(content).decode()


def busy_s(line: Line) -> float:
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, read(line, "/proc/stat").split()[1:11])
    return (user + nice + system + irq + softirq) / 100


def busy_vcpus(line: Line, over_s: float) -> float:
    begin_s, before = time.monotonic(), busy_s(line)
    time.sleep(over_s)
    return (busy_s(line) - before) / (time.monotonic() - begin_s)


def becomes_busy(line: Line, expected: float) -> None:
    """Measure until it is as expected: a host that is short of time itself gives a guest less for a while."""
    until(lambda: busy_vcpus(line, over_s=2) == pytest.approx(expected, abs=0.15))


def plug(guest: QemuGuest) -> None:
    """Hot-add the lowest free vCPU."""
    with contextlib.closing(Line(guest.files.qmp_socket, patience_s=PATIENCE_S)) as qmp:
        qmp.ask("qmp_capabilities")
        slots = qmp.ask("query-hotpluggable-cpus")
        free = next(slot for slot in reversed(slots) if "qom-path" not in slot)
        assert qmp.ask("device_add", driver=free["type"], id="added", **free["props"]) == {}


def online(line: Line) -> int:
    return sum(vcpu["online"] for vcpu in line.ask("guest-get-vcpus"))


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def pair(lab_image: Image, qemu_root: Path) -> Iterator[QemuGuest]:
    """A guest with two vCPUs."""
    with QemuGuest.start(GuestSpec(name="pair", vcpus=2, maximum=2), lab_image, qemu_root) as guest:
        guest.wait_agent()
        yield guest
        guest.load(0)


@pytest.mark.whole_host
@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        pytest.param(0.5, 0.5, id="half a vCPU"),
        pytest.param(1.0, 1.0, id="one vCPU, which two may share"),
        pytest.param(1.8, 1.8, id="nearly two"),
        pytest.param(3.6, 2.0, id="more than there are"),
        pytest.param(0, 0, id="none"),
    ],
)
def test_a_guest_is_as_busy_as_it_was_told_to_be(pair: QemuGuest, wanted: float, got: float) -> None:
    pair.wait_up()
    pair.load(wanted)
    with agent(pair) as line:
        becomes_busy(line, got)


@pytest.mark.whole_host
def test_a_starved_guest_is_never_idle(pair: QemuGuest) -> None:
    with agent(pair) as line:
        line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": False}])
        pair.load(1.2)
        try:
            until(lambda: busy_vcpus(line, over_s=2) > 0.97)
        finally:
            line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": True}])


@pytest.mark.parametrize("silence", ["agent stop", "agent hang"])
def test_the_agent_can_be_silenced_and_comes_back(pair: QemuGuest, silence: str) -> None:
    pair.command(silence)
    with pytest.raises(LabError, match="did not answer"):
        pair.wait_agent(timeout_s=1)
    pair.command("agent start")
    pair.wait_agent()


@pytest.mark.whole_host
def test_the_agent_restarts_under_load(pair: QemuGuest) -> None:
    pair.load(1)
    pair.command("agent restart")
    pair.wait_agent()
    with agent(pair) as line:
        becomes_busy(line, 1)


@pytest.mark.parametrize(
    "reboot",
    [
        pytest.param(operator.methodcaller("command", "reboot"), id="by itself"),
        pytest.param(QemuGuest.reboot, id="by the reset button"),
    ],
)
def test_a_rebooted_guest_has_no_load_and_its_agent_again(
    pair: QemuGuest, reboot: Callable[[QemuGuest], None]
) -> None:
    pair.load(1)
    with agent(pair) as line:
        boot_id = read(line, "/proc/sys/kernel/random/boot_id")
    reboot(pair)

    def booted() -> bool:
        pair.wait_agent()
        # What the guest was asked while it went down is never answered.
        with contextlib.suppress(TimeoutError), agent(pair, patience_s=2) as line:
            return read(line, "/proc/sys/kernel/random/boot_id") != boot_id
        return False

    until(booted)
    pair.wait_up()
    with agent(pair) as line:
        becomes_busy(line, 0)


def test_a_guest_without_agent_takes_load_and_never_answers(boot_qemu_guest: Boot[QemuGuest]) -> None:
    guest = boot_qemu_guest(GuestSpec(name="mute", agent=False))
    guest.load(0.5)
    with pytest.raises(LabError, match="did not answer"):
        guest.wait_agent(timeout_s=2)


def test_a_guest_like_rhel_refuses_files_and_onlines_by_itself(boot_qemu_guest: Boot[QemuGuest]) -> None:
    guest = boot_qemu_guest(GuestSpec(name="rhel", block=HARDENED, onlining=Onlining.BY_GUEST))
    with agent(guest) as line:
        allowed = {each["name"] for each in line.ask("guest-info")["supported_commands"] if each["enabled"]}
        assert {"guest-set-vcpus", "guest-get-cpustats"} <= allowed
        assert not any(name.startswith(("guest-file-", "guest-exec")) for name in allowed)
        plug(guest)
        until(lambda: online(line) == 2)
        line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": False}])
        time.sleep(1)
        assert online(line) == 1, "what was taken offline on purpose stays offline"


def test_a_slow_guest_onlines_late_and_cannot_be_hurried(boot_qemu_guest: Boot[QemuGuest]) -> None:
    guest = boot_qemu_guest(GuestSpec(name="slow", onlining=Onlining.SLOW, onlining_delay_s=4))
    with agent(guest) as line:
        plug(guest)
        until(lambda: len(line.ask("guest-get-vcpus")) == 2)
        seen_s = time.monotonic()
        refusal = line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": True}])
        assert refusal["class"] == "CommandNotFound"
        until(lambda: online(line) == 2)
        assert time.monotonic() - seen_s > 3


def test_a_guest_that_never_onlines_sees_the_vcpu_and_leaves_it(boot_qemu_guest: Boot[QemuGuest]) -> None:
    guest = boot_qemu_guest(GuestSpec(name="never", onlining=Onlining.NEVER))
    with agent(guest) as line:
        plug(guest)
        until(lambda: len(line.ask("guest-get-vcpus")) == 2)
        time.sleep(1)
        assert online(line) == 1
    assert guest.vcpus() == (2, 4)


def test_a_destroyed_guest_leaves_no_process_and_no_folder(
    boot_qemu_guest: Boot[QemuGuest], qemu_root: Path
) -> None:
    guest = boot_qemu_guest(GuestSpec(name="gone"))
    pid = guest.pid
    guest.destroy()
    assert pid is not None
    assert not process.is_running(pid, b"qemu")
    assert not guest.folder.exists()
    assert QemuGuest.find(qemu_root, "gone") is None


def test_a_killed_guest_leaves_debris_that_does_not_hinder_its_successor(
    boot_qemu_guest: Boot[QemuGuest], lab_image: Image, qemu_root: Path
) -> None:
    spec = GuestSpec(name="crash", agent=False)
    killed = boot_qemu_guest(spec)
    killed.kill()
    assert killed.files.qmp_socket.exists()
    with QemuGuest.start(spec, lab_image, qemu_root) as successor:
        with pytest.raises(LabError, match="runs already"):
            QemuGuest.start(spec, lab_image, qemu_root)
        assert QemuGuest.find(qemu_root, "crash") is not None
        successor.kill()
        QemuGuest.tidy(qemu_root)
        assert not successor.folder.exists()


def test_the_command_boots_loads_lists_and_ends_a_guest(lab_image: Image, qemu_root: Path) -> None:
    del lab_image
    folder = ["--folder", str(qemu_root / "cli")]

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(lab_app, [*words, *folder], catch_exceptions=code == 0)
        assert done.exit_code == code, done.output
        return done.output

    assert "cli-1 is up with 1 of 3 vCPUs" in run("up", "cli-1", "--maximum", "3")
    assert "runs already" in run("up", "cli-1")
    assert "wants 0.5 vCPUs" in run("load", "cli-1", "0.5")
    (row,) = json.loads(run("list", "--output", "json"))
    assert (row["name"], row["vcpus"], row["maximum"]) == ("cli-1", 1, 3)
    assert row["qmp"] == str(qemu_root / "cli/cli-1/qmp.sock")
    assert "cli-1 is down" in run("down", "--all")
    assert "does not run" in run("down", "cli-1")
    assert json.loads(run("list", "--output", "json")) == []


def test_a_kernel_of_the_callers_own_boots_with_the_hosts_own_programs(
    qemu_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = sources.from_packages(cache_folder(), lambda _: None)
    for folder in ("bin", "modules"):
        (tmp_path / folder).mkdir()
    for name, content in parts.modules:
        (tmp_path / f"modules/{name}.ko").write_bytes(content)
    # What a kernel's package has not as a module is built in, which differs from release to release.
    built_in = set(modules.WANTED) - dict(parts.modules).keys()
    (tmp_path / "modules/modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in built_in))
    (tmp_path / "bin/busybox").symlink_to(parts.busybox)
    (tmp_path / "bin/qemu-ga").symlink_to(parts.agent)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    words = ["up", "own", "--kernel", str(parts.kernel), "--modules", str(tmp_path / "modules")]
    try:
        done = CliRunner().invoke(lab_app, [*words, "--folder", str(qemu_root / "own")])
        assert "own is up with 1 of 4 vCPUs" in done.output
    finally:
        for guest in QemuGuest.find_all(qemu_root / "own"):
            guest.destroy()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["up", "../x"], id="a bad name"),
        pytest.param(["up", "x", "--vcpus", "5"], id="more vCPUs than the maximum"),
        pytest.param(["up", "x", "--self-onlining", "--never-onlining"], id="two ways of onlining"),
        pytest.param(["up", "x", "--slow-onlining", "soon"], id="no time"),
        pytest.param(["up", "x", "--connect", "qemu:///embed?root=/x"], id="a driver that ends at once"),
        pytest.param(["up", "x", "--connect", "qemu:///session", "--folder", "/x"], id="two places"),
        pytest.param(["down"], id="nothing to take down"),
        pytest.param(["down", "x", "--all"], id="one and all"),
        pytest.param(["list", "--output", "xml"], id="an unknown form"),
    ],
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(lab_app, [*words]).exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(lab_image: Image, qemu_root: Path, number: signal.Signals) -> None:
    del lab_image
    folder = qemu_root / "stopped"
    with subprocess.Popen(
        [*AS_FROM_A_TERMINAL, sys.executable, "-c", COMMAND, "up", "half", "--folder", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as command:
        until((folder / "half/qmp.sock").exists)
        command.send_signal(number)
        assert command.wait(PATIENCE_S) != 0
    assert not (folder / "half").exists()
    assert QemuGuest.find_all(folder) == []


def test_a_guest_under_libvirt_behaves_as_one_under_bare_qemu(
    boot_libvirt_guest: Boot[LibvirtGuest], lab_image: Image
) -> None:
    guest = boot_libvirt_guest(GuestSpec(name="lv-1", vcpus=2))
    assert guest.vcpus() == (2, 4)
    guest.load(1.5)
    guest.command("agent stop")
    with pytest.raises(LabError, match="did not answer"):
        guest.wait_agent(timeout_s=1)
    guest.reboot()
    guest.wait_agent()
    connection = guest.domain.connect()
    found = type(guest).find(connection, "lv-1")
    assert found is not None
    assert found.uuid == guest.uuid
    with pytest.raises(LabError, match="could not start the guest lv-1"):
        type(guest).start(GuestSpec(name="lv-1"), lab_image, connection)
    guest.kill()
    until(lambda: type(guest).find(connection, "lv-1") is None)
    guest.destroy()


def test_a_domain_that_is_not_the_labs_is_never_touched() -> None:
    from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415 - as in conftest

    with contextlib.closing(connect("test:///default")) as connection:
        assert LibvirtGuest.find_all(connection) == []
        with pytest.raises(LabError, match="was not made by the lab"):
            LibvirtGuest.find(connection, "test")


EMBEDDED = """
import sys
from autoscaler.lab.embed import embedded_libvirt
from autoscaler.lab.image import build_image
from autoscaler.lab.spec import GuestSpec
from autoscaler.lab.stopping import exit_when_told
with exit_when_told(), embedded_libvirt() as uri:
    from autoscaler.lab.libvirt_guest import LibvirtGuest, connect
    guest = LibvirtGuest.start(GuestSpec(name="left"), build_image(), connect(uri))
    print(guest.uuid, uri.partition("=")[2], flush=True)
    guest.wait_agent()
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [pytest.param(None, id="the end of the block"), signal.SIGTERM])
def test_an_embedded_driver_takes_its_guests_along(lab_image: Image, number: signal.Signals | None) -> None:
    del lab_image
    with subprocess.Popen(
        [sys.executable, "-c", EMBEDDED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        uuid, root = owner.stdout.readline().split()
        if number is not None:
            owner.send_signal(number)
        owner.communicate(timeout=60)
    assert not Path(root).exists()
    assert not any(_mentions(folder, uuid) for folder in Path("/proc").glob("[0-9]*"))


def _mentions(folder: Path, text: str) -> bool:
    with contextlib.suppress(OSError):
        return text.encode() in (folder / "cmdline").read_bytes()
    return False
