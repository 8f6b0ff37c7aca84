"""The actuator as a process: whom it answers, what it refuses, and what outlives a fault of either side."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from autoscaler.actuator.bounds import DomainBounds
from autoscaler.actuator.turns import CHANGES_PER_MINUTE
from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.guests import ActuatedGuests
from autoscaler.backends.actuator.hypervisor import ActuatedQmp
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.backends.connection import QmpFolderConnection
from autoscaler.core.model import DomainId, DomainView
from autoscaler.core.policy import Match
from autoscaler.errors import (
    AgentError,
    BackendUnavailable,
    Denied,
    DomainBusy,
    OutcomeUnknown,
)
from tests.fakes.running_actuator import RunningActuator
from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent
from tests.fakes.scripted_guest import ScriptedGuest
from tests.fakes.scripted_qmp import ScriptedQmp

NOBODY = 65534
WEB = DomainBounds(policy="web", match=Match(name=("web",)), may=frozenset(Verb), min_vcpus=1, max_vcpus=3)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


class House:
    """Two scripted guests, `web` within bounds and `stranger` in none, behind one actuator."""

    def __init__(self, folder: Path, opened: contextlib.ExitStack) -> None:
        self.folder = folder
        self.connection = QmpFolderConnection(folder / "guests")
        self.qemu: dict[str, ScriptedQmp] = {}
        self.agents: dict[str, ScriptedAgent] = {}
        for name in ("web", "stranger"):
            home = folder / "guests" / name
            home.mkdir(parents=True)
            guest = ScriptedGuest(present=2, online={0, 1})
            qemu = ScriptedQmp(path=home / "qmp.sock", uuid=str(uuid4()), plugged_at_boot=2, maximum=8)
            self.qemu[name] = opened.enter_context(qemu)
            self.agents[name] = opened.enter_context(ScriptedAgent(path=home / "agent.sock", guest=guest))
        self.refusals: list[str] = []
        """What the client was told."""
        self.actuator = RunningActuator(folder)
        self.actuator.allow(WEB, connections=[self.connection], timeout_s=0.5)
        self.actuator.start()
        self.client = ActuatorClient(
            self.actuator.socket, asked=lambda *_: None, refused=self.refusals.append
        )
        self.hypervisor = ActuatedQmp(self.connection.label, self.client)
        self.guests = ActuatedGuests(self.client)

    def id(self, name: str) -> DomainId:
        return DomainId(self.connection.label, self.qemu[name].uuid)

    def view(self, name: str) -> DomainView:
        end_s = time.monotonic() + 20
        while time.monotonic() < end_s:
            found = {view.name: view for view in self.hypervisor.domains()}
            if name in found:
                return found[name]
            time.sleep(0.05)
        raise AssertionError(f"{name} is not seen: {self.hypervisor.troubles()}")


@pytest.fixture
def house() -> Iterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="act-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as opened:
        opened.callback(shutil.rmtree, folder)
        found = House(folder, opened)
        yield found
        if found.actuator.runs:
            assert found.actuator.stop() == 0


def say(path: Path, line: bytes) -> dict[str, object]:
    """Send a line as it is; give the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(20)
        peer.connect(os.fspath(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(line)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := peer.recv(1 << 16):
                answer += chunk
    found = json.loads(answer)
    assert isinstance(found, dict)
    return found


def test_what_the_bounds_allow_is_done_and_what_they_forbid_is_refused_and_counted(house: House) -> None:
    web = house.view("web")
    house.hypervisor.plug(web.id, expect=2, target=3)
    assert house.qemu["web"].plugged == 3

    with pytest.raises(Denied, match="its most is 3"):
        house.hypervisor.plug(web.id, expect=3, target=4)
    with pytest.raises(Denied, match="its least is 1"):
        house.guests.set_online(web.id, target=0)

    assert house.qemu["web"].plugged == 3
    assert house.refusals == ["bounds", "bounds"]


def test_a_domain_that_no_bounds_name_is_neither_changed_nor_asked(house: House) -> None:
    stranger = house.view("stranger")

    with pytest.raises(Denied, match="no policy names it"):
        house.hypervisor.plug(stranger.id, expect=2, target=3)
    with pytest.raises(Denied, match="no policy names it"):
        house.guests.sample(stranger)

    assert house.qemu["stranger"].plugged == 2
    assert house.refusals == ["unnamed", "unnamed"]


def test_bounds_that_come_a_moment_after_the_policy_are_waited_for(house: House) -> None:
    web = house.view("web")
    wider = threading.Timer(
        0.5,
        house.actuator.allow,
        args=[replace(WEB, max_vcpus=5)],
        kwargs={"connections": [house.connection], "timeout_s": 0.5},
    )
    wider.start()

    house.hypervisor.plug(web.id, expect=2, target=5)

    wider.join()
    assert house.qemu["web"].plugged == 5
    assert house.refusals == []


def test_a_domain_is_changed_so_often_and_no_more(house: House) -> None:
    web = house.view("web")

    for _ in range(CHANGES_PER_MINUTE):
        house.client.change(Verb.ONLINE, web.id, target=2)
    with pytest.raises(DomainBusy, match="as many requests as a minute may have"):
        house.client.change(Verb.ONLINE, web.id, target=2)

    assert house.refusals == ["rate"]
    assert house.guests.sample(web).online == {0, 1}, "it is read as before"


def test_a_hung_guest_costs_its_own_threads_only(house: House) -> None:
    every = replace(WEB, match=Match(name=("*",)))
    house.actuator.allow(every, connections=[house.connection], timeout_s=0.5)
    web, other = house.view("web"), house.view("stranger")
    house.agents["web"].faults[ANY] = Fault.SILENT
    failures: list[BaseException] = []

    def hang() -> None:
        with pytest.raises((AgentError, DomainBusy)) as raised:
            house.guests.sample(web)
        failures.append(raised.value)

    threads = [threading.Thread(target=hang) for _ in range(20)]
    for thread in threads:
        thread.start()
    began_s = time.monotonic()
    house.guests.sample(other)
    house.hypervisor.plug(web.id, expect=2, target=3)
    assert time.monotonic() - began_s < 5.0
    for thread in threads:
        thread.join()
    assert len(failures) == 20


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"no json\n", id="no JSON"),
        pytest.param(b"[" * 1500 + b"\n", id="deep"),
        pytest.param(b"x" * 100_000, id="endless"),
        pytest.param(b'{"verb": "plug", "verb": "read"}\n', id="a key twice"),
        pytest.param(b'{"verb": "destroy"}\n', id="a sixth verb"),
        pytest.param(b"\xff\xfe\n", id="no UTF-8"),
        pytest.param(b'{"verb": "read", "what": "domains", "target": NaN}\n', id="NaN"),
    ],
)
def test_whatever_is_no_request_is_answered_and_forgotten(house: House, line: bytes) -> None:
    if line == b"\n":
        with contextlib.suppress(json.JSONDecodeError):
            say(house.actuator.socket, line)
    else:
        assert "error" in say(house.actuator.socket, line)

    assert "Traceback" not in house.actuator.said()
    assert house.view("web").plugged == 2


def test_a_request_has_at_most_2_kib(house: House) -> None:
    request = json.dumps({"verb": "read", "what": "domains", "host": house.connection.label}).encode()

    assert "ok" in say(house.actuator.socket, request.ljust(2048) + b"\n")
    for length in (2049, 65_000):
        answer = say(house.actuator.socket, request.ljust(length) + b"\n")
        assert "a line of more than 2048 bytes" in str(answer["error"])


@as_root
def test_nobody_but_root_and_the_services_user_is_answered(house: House) -> None:
    house.actuator.stop()
    house.actuator = RunningActuator(house.folder, uid=NOBODY)
    house.actuator.start()
    house.actuator.socket.chmod(0o666)
    # Who is refused is told so at once, and hung up on, perhaps before his request is out.
    ask = """
import contextlib, socket, sys
with socket.socket(socket.AF_UNIX) as asking:
    asking.connect(sys.argv[1])
    with contextlib.suppress(BrokenPipeError):
        asking.sendall(b'{"verb": "read", "what": "domains", "host": "x"}\\n')
    print(asking.recv(4096).decode())
"""

    def asked_by(uid: int) -> str:
        command = ("/usr/bin/python3", "-c", ask, os.fspath(house.actuator.socket))
        done = subprocess.run(
            ("setpriv", f"--reuid={uid}", "--regid=0", "--clear-groups", *command),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert "holds no connection x" in asked_by(NOBODY)
    assert "nobody else" in asked_by(12345)


def test_the_sockets_file_is_for_its_user_and_group_only(house: House) -> None:
    assert house.actuator.socket.stat().st_mode & 0o777 == 0o660


def test_a_change_whose_answer_is_lost_is_unknown_and_a_stopped_actuator_is_unavailable(house: House) -> None:
    web = house.view("web")
    house.agents["web"].faults[ANY] = Fault.SILENT
    killer = threading.Timer(0.2, house.actuator.stop, args=[signal.SIGKILL])
    killer.start()

    with pytest.raises(OutcomeUnknown, match="journalctl -u vcpu-autoscaler-actuator"):
        house.client.change(Verb.ONLINE, web.id, target=3)
    killer.join()
    with pytest.raises(BackendUnavailable, match="systemctl status vcpu-autoscaler-actuator"):
        house.hypervisor.domains()

    house.agents["web"].faults.clear()
    house.actuator.start()
    assert house.view("web").plugged == 2


def test_other_connections_end_it_to_be_started_with_those(house: House) -> None:
    other = QmpFolderConnection(house.folder / "elsewhere")
    house.actuator.allow(WEB, connections=[other])

    assert house.actuator.process.wait(20) == 1
    assert "other connections" in house.actuator.said()


def test_without_bounds_it_says_how_they_are_made_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "autoscaler.actuator.main", "--bounds", tmp_path / "none"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "`autoscaler bounds --output" in done.stderr
    assert "Traceback" not in done.stderr
