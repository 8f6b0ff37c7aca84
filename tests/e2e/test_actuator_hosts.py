"""One actuator over several connections: a host that hangs holds up neither another's guests nor its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from autoscaler.actuator.held import MOST_AT_ONCE
from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.hypervisor import ActuatedQmp
from autoscaler.backends.actuator.protocol import Reading, Refusal
from autoscaler.backends.connection import LibvirtConnection, QmpFolderConnection
from autoscaler.core.model import DomainId
from autoscaler.errors import BackendUnavailable
from tests.fakes.hung_daemon import hung_daemon
from tests.fakes.libvirt_daemon import passing_libvirt_daemon
from tests.fakes.running_actuator import EVERYTHING, RunningActuator
from tests.fakes.scripted_qmp import ScriptedQmp

pytest.importorskip("libvirt")

MOST_OF_A_SERVICE = 193
"""Requests that a service has out at most."""
MORE_THAN_ITS_SHARE = MOST_AT_ONCE + 100
SOON_S = 5.0
END_S = 6.0


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="act-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def actuator(folder: Path) -> Iterator[RunningActuator]:
    """One that does not run yet."""
    actuator = RunningActuator(folder)
    yield actuator
    if actuator.runs:
        actuator.stop(signal.SIGKILL)


def client_of(actuator: RunningActuator, refusals: list[Refusal]) -> ActuatorClient:
    return ActuatorClient(actuator.socket, asked=lambda *_: None, refused=refusals.append)


def ask_for_ever(client: ActuatorClient, host: str) -> None:
    """Want a guest of a host read, until the client is closed or the actuator ends."""
    with contextlib.suppress(BackendUnavailable):
        client.read(Reading.VCPUS, host=host, uuid=str(uuid4()))


def test_requests_without_end_for_a_hung_host_delay_no_change_of_another(
    actuator: RunningActuator, folder: Path
) -> None:
    home = folder / "guests" / "web"
    home.mkdir(parents=True)
    connection, refusals = QmpFolderConnection(folder / "guests"), list[Refusal]()
    with (
        hung_daemon(folder / "hung.sock") as uri,
        ScriptedQmp(path=home / "qmp.sock", uuid=str(uuid4()), plugged_at_boot=2, maximum=8) as qemu,
    ):
        actuator.allow(EVERYTHING, connections=[LibvirtConnection(uri), connection])
        actuator.start()
        hung, well = (client_of(actuator, refusals) for _ in range(2))
        threads = [
            threading.Thread(target=ask_for_ever, args=(hung, uri)) for _ in range(MORE_THAN_ITS_SHARE)
        ]
        for thread in threads:
            thread.start()
        end_s = time.monotonic() + 20
        while not refusals:
            assert time.monotonic() < end_s, "the hung host takes all the places that there are"
            time.sleep(0.05)

        began_s = time.monotonic()
        seen = ActuatedQmp(connection.label, well)
        assert [view.name for view in seen.domains()] == ["web"]
        seen.plug(DomainId(connection.label, qemu.uuid), expect=2, target=3)

        assert time.monotonic() - began_s < SOON_S
        assert qemu.plugged == 3
        assert set(refusals) == {Refusal.TURNS}
        hung.close()
        for thread in threads:
            thread.join()
        assert actuator.stop() == 0


def test_requests_that_come_while_the_actuator_gets_no_cpu_are_answered_once_it_does(
    actuator: RunningActuator, folder: Path
) -> None:
    connection, answers = QmpFolderConnection(folder), list[object]()
    actuator.allow(EVERYTHING, connections=[connection])
    actuator.start()
    client = client_of(actuator, [])
    threads = [
        threading.Thread(target=lambda: answers.append(client.read(Reading.DOMAINS, host=connection.label)))
        for _ in range(MOST_OF_A_SERVICE)
    ]
    actuator.process.send_signal(signal.SIGSTOP)
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    actuator.process.send_signal(signal.SIGCONT)
    for thread in threads:
        thread.join()
    assert len(answers) == MOST_OF_A_SERVICE


def test_an_actuator_that_is_stopped_while_it_opens_connections_to_hung_hosts_ends_in_a_few_seconds(
    actuator: RunningActuator, folder: Path
) -> None:
    with hung_daemon(folder / "one.sock") as one, hung_daemon(folder / "other.sock") as other:
        actuator.allow(EVERYTHING, connections=[LibvirtConnection(one), LibvirtConnection(other)])
        actuator.start()
        client = client_of(actuator, [])
        threads = [threading.Thread(target=ask_for_ever, args=(client, uri)) for uri in (one, other)]
        for thread in threads:
            thread.start()
        time.sleep(1.0)

        began_s = time.monotonic()
        assert actuator.stop() == 0
        assert time.monotonic() - began_s < END_S
        for thread in threads:
            thread.join()
    assert actuator.said().endswith("stopped; every guest stays as it is\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")
def test_an_actuator_that_is_stopped_while_its_libvirtd_hangs_ends_in_a_few_seconds(
    actuator: RunningActuator,
) -> None:
    with passing_libvirt_daemon() as daemon:
        actuator.allow(EVERYTHING, connections=[LibvirtConnection(daemon.uri)])
        actuator.start()
        client_of(actuator, []).read(Reading.DOMAINS, host=daemon.uri)
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            assert actuator.stop() == 0
            assert time.monotonic() - began_s < END_S
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    assert f"{daemon.uri} does not answer: its connections are left to end" in actuator.said()
