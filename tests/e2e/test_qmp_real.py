"""The QMP backend against real QEMU processes without a guest OS: plugging needs none."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.qmp.guests import GuestFolder
from autoscaler.core.model import DomainEventKind, RunState
from autoscaler.errors import Conflict, Denied
from tests.fakes.qmp_room import Listener, QmpRoom, names, only, sweep_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.backends.qmp.hypervisor import QmpHypervisor

UUID = "3d9cbd0e-57a4-4d4c-8d3c-6b3f6a1f2c55"


class BareQemu:
    """A QEMU process in a folder of guests, with a monitor for another hand than the backend's."""

    def __init__(self, folder: Path, machine: str) -> None:
        home = folder / "bare"
        home.mkdir()
        arguments = (
            f"-nodefaults -no-user-config -display none -machine {machine},accel=tcg -m 32 -smp 1,maxcpus=4 "
            f"-uuid {UUID} -qmp unix:{home}/qmp.sock,server=on,wait=off "
            f"-monitor unix:{home}/monitor.sock,server=on,wait=off "
            f"-device virtio-serial -chardev socket,id=agent,path={home}/agent.sock,server=on,wait=off "
            f"-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0,id=agent0"
        )
        self.process = subprocess.Popen(["qemu-system-x86_64", *arguments.split()])
        self._monitor = home / "monitor.sock"

    def say(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(5)
            monitor.connect(str(self._monitor))
            monitor.sendall(f"{command}\n".encode())
            heard = b""
            while heard.count(b"(qemu)") < 2:
                heard += monitor.recv(4096)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A guest folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="qmp-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["q35", "pc"])
def qemu(request: pytest.FixtureRequest, folder: Path) -> Iterator[BareQemu]:
    qemu = BareQemu(folder, request.param)
    yield qemu
    qemu.kill()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def hypervisor(qemu: BareQemu, folder: Path, listener: Listener) -> Iterator[QmpHypervisor]:
    """A backend that has found the guest; `listener` hears what comes after."""
    assert qemu.process.poll() is None
    with QmpRoom(folder) as room:
        hypervisor = room.look_at(GuestFolder(folder))
        hypervisor.subscribe(listener)
        sweep_until(hypervisor, ["bare"])
        assert listener.next().kind is DomainEventKind.STARTED
        yield hypervisor


def test_vcpus_are_plugged_lowest_first_up_to_the_maximum(hypervisor: QmpHypervisor) -> None:
    domain = only(hypervisor).id
    assert domain.uuid == UUID

    hypervisor.plug(domain, expect=1, target=3)

    view = only(hypervisor)
    assert (view.state, view.plugged, view.maximum) == (RunState.RUNNING, 3, 4)
    with pytest.raises(Conflict, match="domain bare has 3 vCPUs plugged, not 1"):
        hypervisor.plug(domain, expect=1, target=2)
    with pytest.raises(Denied, match="maximum of 4 vCPUs"):
        hypervisor.plug(domain, expect=3, target=5)
    hypervisor.plug(domain, expect=3, target=4)
    assert only(hypervisor).plugged == 4


def test_a_paused_guest_is_given_vcpus_too(hypervisor: QmpHypervisor, qemu: BareQemu) -> None:
    qemu.say("stop")
    view = only(hypervisor)
    assert view.state is RunState.PAUSED

    hypervisor.plug(view.id, expect=1, target=2)

    assert only(hypervisor).plugged == 2


def test_the_vcpu_threads_of_a_running_guest_are_timed(hypervisor: QmpHypervisor) -> None:
    first = only(hypervisor)
    time.sleep(0.1)
    second = only(hypervisor)

    assert first.vcpu_time_s is not None
    assert second.vcpu_time_s is not None
    assert 0 < first.vcpu_time_s <= second.vcpu_time_s
    assert second.vcpu_delay_s is not None


@pytest.mark.usefixtures("hypervisor")
def test_what_others_do_to_the_guest_is_heard(qemu: BareQemu, listener: Listener) -> None:
    for command, expected in (
        ("stop", DomainEventKind.CHANGED),
        ("cont", DomainEventKind.CHANGED),
        ("system_reset", DomainEventKind.REBOOTED),
    ):
        qemu.say(command)
        assert listener.next().kind is expected


def test_a_killed_guest_is_gone_at_once(
    hypervisor: QmpHypervisor, qemu: BareQemu, listener: Listener
) -> None:
    qemu.kill()

    assert listener.next().kind is DomainEventKind.STOPPED
    assert names(hypervisor) == []
    assert "hung up" in hypervisor.troubles()["bare"]


def test_a_stopped_process_stands_as_last_seen_is_given_up_and_found_again(
    hypervisor: QmpHypervisor, qemu: BareQemu
) -> None:
    (before,) = hypervisor.domains()
    qemu.process.send_signal(signal.SIGSTOP)
    for _ in range(2):  # The first finds out, and may still hear of it.
        assert hypervisor.domains() == [before]
    assert "has not answered yet" in hypervisor.troubles()["bare"]
    sweep_until(hypervisor, [])
    told = set[str]()
    deadline = time.monotonic() + 20
    while not any(sentence.startswith("no QMP greeting") for sentence in told):
        assert time.monotonic() < deadline
        assert names(hypervisor) == []
        told.add(hypervisor.troubles()["bare"])
        time.sleep(0.1)
    assert all(f"continue it with `kill -CONT {qemu.process.pid}`" in sentence for sentence in told)
    assert not any("another client" in sentence for sentence in told)

    qemu.process.send_signal(signal.SIGCONT)
    sweep_until(hypervisor, ["bare"])


def test_a_process_that_is_stopped_before_the_service_starts_is_told_from_a_taken_socket(
    hypervisor: QmpHypervisor, qemu: BareQemu, folder: Path
) -> None:
    hypervisor.close()
    qemu.process.send_signal(signal.SIGSTOP)
    with QmpRoom(folder) as room:
        stopped = room.look_at(GuestFolder(folder))
        told = set[str]()
        end_s = time.monotonic() + 8  # long enough for QEMU's backlog to be full of what gave up waiting
        while time.monotonic() < end_s:
            assert names(stopped) == []
            told |= set(stopped.troubles().values())
            time.sleep(0.1)
        (sentence,) = (one for one in told if "has not answered yet" not in one)
        assert f"continue it with `kill -CONT {qemu.process.pid}`" in sentence
        assert not any("another client" in one for one in told)
        qemu.process.send_signal(signal.SIGCONT)
        sweep_until(stopped, ["bare"])


def test_a_second_backend_on_one_socket_is_told_so(hypervisor: QmpHypervisor, folder: Path) -> None:
    assert names(hypervisor) == ["bare"]
    with QmpRoom(folder) as room:
        second = room.look_at(GuestFolder(folder))
        deadline = time.monotonic() + 5
        while "another client is connected" not in second.troubles().get("bare", ""):
            assert names(second) == []
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert names(hypervisor) == ["bare"]


def test_closing_leaves_the_guest_running(hypervisor: QmpHypervisor, qemu: BareQemu, folder: Path) -> None:
    hypervisor.plug(only(hypervisor).id, expect=1, target=2)
    hypervisor.close()

    assert qemu.process.poll() is None
    with QmpRoom(folder) as room:
        assert only(room.look_at(GuestFolder(folder))).plugged == 2
