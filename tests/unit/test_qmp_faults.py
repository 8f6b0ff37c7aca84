from __future__ import annotations

import logging
import socket
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.backends.address import TcpAddress, UnixAddress
from autoscaler.backends.qmp import hypervisor as qmp_backend
from autoscaler.backends.qmp.guests import GuestFolder, GuestList, QmpGuest
from autoscaler.backends.qmp.links import _GLANCE_S
from autoscaler.core.model import DomainEvent, DomainEventKind
from autoscaler.errors import BackendUnavailable, DomainBusy, DomainGone, OutcomeUnknown
from tests.fakes.as_nobody import as_nobody
from tests.fakes.qmp_room import TIMEOUT_S, Listener, QmpRoom, guest_of, names, only, sweep_until
from tests.fakes.scripted_qmp import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_UUID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[QmpRoom]:
    with QmpRoom(tmp_path) as room:
        yield room


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def trouble_with(room: QmpRoom, guest: QmpGuest) -> str:
    """Why the guest is left out, once that is more than that it has not answered yet."""
    hypervisor = room.look_at(GuestList([guest]))
    deadline = time.monotonic() + 5
    while True:
        assert names(hypervisor) == []
        trouble = hypervisor.troubles()[guest.name]
        if "not answered yet" not in trouble:
            return trouble
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        pytest.param({"chardevs": ("charmonitor",)}, "libvirt manages the QEMU", id="managed by libvirt"),
        pytest.param({"uuid": "none"}, "as its UUID, which is none", id="no UUID"),
        pytest.param(
            {"faults": {"query-uuid": Fault.NONSENSE}}, "in a form that is not known", id="nonsense"
        ),
        pytest.param(
            {"faults": {"query-status": Fault.HANGS_UP}}, "hung up during query-status", id="hang-up"
        ),
        pytest.param({"faults": {"query-status": Fault.SILENT}}, "did not answer", id="hung"),
        pytest.param({"faults": {"query-cpus-fast": Fault.REFUSES}}, "refuses to be looked at", id="refusal"),
    ],
)
def test_a_qemu_that_cannot_be_looked_at_is_left_out_and_explained(
    room: QmpRoom, behaviour: dict[str, Any], complaint: str
) -> None:
    assert complaint in trouble_with(room, guest_of(room.serve(**behaviour)))


def test_a_socket_that_is_not_there_is_explained(room: QmpRoom) -> None:
    guest = QmpGuest(name="web", qmp=UnixAddress(f"{room.folder}/absent"))

    assert trouble_with(room, guest).startswith(f"there is no socket unix:{room.folder}/absent: start QEMU")


def test_a_socket_that_its_qemu_left_behind_is_explained(room: QmpRoom) -> None:
    server = room.serve()
    server.stop()

    assert trouble_with(room, guest_of(server)).startswith(f"nobody listens at unix:{server.path}")


def test_a_tcp_port_that_is_closed_is_explained(room: QmpRoom) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    guest = QmpGuest(name="web", qmp=TcpAddress("127.0.0.1", port))
    assert trouble_with(room, guest).startswith(f"nobody listens at tcp:127.0.0.1:{port}")


@pytest.mark.parametrize(
    "locked", [pytest.param("web/qmp.sock", id="the socket"), pytest.param("web", id="its folder")]
)
def test_missing_permission_is_explained(locked: str) -> None:
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder, QmpRoom(Path(folder)) as room:
        room.serve()
        room.folder.chmod(0o755)
        (room.folder / locked).chmod(0)
        with as_nobody():
            hypervisor = room.look_at(GuestFolder(room.folder))
            assert names(hypervisor) == []
            trouble = hypervisor.troubles()["web"]
        (room.folder / locked).chmod(0o700)

    assert trouble.startswith(
        f"no permission on the socket unix:{folder}/web/qmp.sock: run the autoscaler as"
    )


def test_what_does_not_speak_qmp_is_explained(room: QmpRoom) -> None:
    path = f"{room.folder}/monitor"

    def talk(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(b"QEMU 7.2.22 monitor - type 'help' for more information\r\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        trouble = trouble_with(room, QmpGuest(name="web", qmp=UnixAddress(path)))
        thread.join()

    assert f"what answers at unix:{path} does not speak QMP" in trouble


@pytest.mark.parametrize("others", [pytest.param(1, id="one client"), pytest.param(4, id="and more waiting")])
def test_a_socket_that_serves_another_client_is_explained(room: QmpRoom, others: int) -> None:
    server = room.serve()
    clients = [
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(others)
    ]
    for client in clients:
        client.connect_ex(str(server.path))
    clients[0].settimeout(10)
    assert clients[0].recv(1), "it is greeted, and so served"

    trouble = trouble_with(room, guest_of(server))
    for client in clients:
        client.close()

    assert "another client is connected to this QMP socket" in trouble


def test_a_guest_with_another_uuid_than_configured_is_refused(room: QmpRoom) -> None:
    assert "another guest runs there" in trouble_with(room, guest_of(room.serve(), uuid=OTHER_UUID))


def test_of_two_guests_with_one_uuid_the_first_is_kept(room: QmpRoom) -> None:
    hypervisor = room.look(room.serve("web"), room.serve("copy"))

    assert names(hypervisor) == ["web"]
    assert "domains web and copy state the same UUID" in hypervisor.troubles()["copy"]


@pytest.mark.parametrize(
    "hung_at",
    [
        pytest.param("greeting", id="from the start"),
        pytest.param("query-status", id="after it was connected"),
    ],
)
def test_a_hung_guest_costs_the_others_one_wait(room: QmpRoom, hung_at: str) -> None:
    hung = room.serve("hung", uuid=OTHER_UUID, faults={hung_at: Fault.SILENT})
    hypervisor = room.look(hung, room.serve("web"))
    names(hypervisor)

    took_s = []
    for _ in range(20):
        started_s = time.monotonic()
        assert names(hypervisor) == ["web"]
        took_s.append(time.monotonic() - started_s)
    # Not even the shortest wait; a machine that is busy with other things may draw out some, whoever hangs.
    assert statistics.median(took_s) < _GLANCE_S

    hung.faults.clear()
    hung.hang_up()
    sweep_until(hypervisor, ["hung", "web"])


def test_a_slow_guest_is_seen_by_its_late_answers(room: QmpRoom) -> None:
    slow = room.serve("slow", uuid=OTHER_UUID, slow_s=0.4, faults={"query-status": Fault.SLOW})
    hypervisor = room.look(slow, room.serve("web"))

    assert names(hypervisor) == ["web"]
    assert "has not answered yet" in hypervisor.troubles()["slow"]
    sweep_until(hypervisor, ["slow", "web"])


def test_a_qemu_that_ends_is_gone_and_a_new_one_is_found(room: QmpRoom) -> None:
    server, listener = room.serve(), Listener()
    hypervisor = room.look(server)
    hypervisor.subscribe(listener)
    domain = only(hypervisor).id
    assert listener.next() == DomainEvent(DomainEventKind.STARTED, domain)

    server.stop()
    assert listener.next() == DomainEvent(DomainEventKind.STOPPED, domain)
    assert names(hypervisor) == []
    with pytest.raises(DomainGone, match="domain web is not connected"):
        hypervisor.plug(domain, expect=1, target=2)

    server.start()
    sweep_until(hypervisor, ["web"])
    assert listener.next() == DomainEvent(DomainEventKind.STARTED, domain)


def test_a_link_that_was_down_is_not_tried_at_every_sweep(room: QmpRoom) -> None:
    server = room.serve(faults={"query-status": Fault.HANGS_UP})
    hypervisor = room.look(server)
    for _ in range(30):
        names(hypervisor)

    assert [command for command, _ in server.heard].count("query-status") <= 2


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.HANGS_UP])
def test_a_lost_reply_leaves_the_outcome_unknown(room: QmpRoom, fault: Fault) -> None:
    server = room.serve(faults={"device_add": fault})
    hypervisor = room.look(server)

    with pytest.raises(OutcomeUnknown, match="whether domain web got its vCPUs is not known"):
        hypervisor.plug(only(hypervisor).id, expect=1, target=2)

    server.faults.clear()
    sweep_until(hypervisor, ["web"])
    assert only(hypervisor).plugged == 2


def test_a_link_that_is_given_up_while_the_command_is_out_leaves_the_outcome_unknown(room: QmpRoom) -> None:
    server = room.serve(faults={"device_add": Fault.SILENT})
    hypervisor = room.look(server)
    domain = only(hypervisor).id
    with ThreadPoolExecutor(1) as pool:
        plug = pool.submit(hypervisor.plug, domain, expect=1, target=2)
        while server.plugged == 1:
            time.sleep(0.01)
        server.faults["query-status"] = Fault.HANGS_UP
        assert names(hypervisor) == []

    assert isinstance(plug.exception(), OutcomeUnknown)


def test_a_plug_whose_end_nobody_waited_for_is_unknown_rather_than_failed(
    room: QmpRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor = room.look(room.serve())
    domain = only(hypervisor).id
    monkeypatch.setattr(qmp_backend, "_GRACE_S", 0.0)
    hypervisor._loop.call_soon_threadsafe(time.sleep, TIMEOUT_S + 0.5)

    with pytest.raises(OutcomeUnknown, match="whether domain web got its vCPUs is not known"):
        hypervisor.plug(domain, expect=1, target=2)


@pytest.mark.parametrize(
    ("fault", "error"),
    [pytest.param(Fault.SILENT, DomainBusy, id="hung"), pytest.param(Fault.HANGS_UP, DomainGone, id="gone")],
)
def test_a_reply_lost_before_anything_was_changed_is_no_mystery(
    room: QmpRoom, fault: Fault, error: type[Exception]
) -> None:
    server = room.serve()
    hypervisor = room.look(server)
    domain = only(hypervisor).id
    server.faults["query-cpus-fast"] = fault

    with pytest.raises(error, match="nothing was changed on domain web"):
        hypervisor.plug(domain, expect=1, target=2)
    assert server.plugged == 1


def test_an_unreadable_guest_folder_makes_the_backend_unavailable(room: QmpRoom) -> None:
    hypervisor = room.look_at(GuestFolder(room.folder / "absent"))

    with pytest.raises(BackendUnavailable, match="absent cannot be read"):
        hypervisor.domains()


def test_closing_amid_hung_and_down_guests_is_clean_and_quick(
    room: QmpRoom, caplog: pytest.LogCaptureFixture
) -> None:
    hung = room.serve("hung", faults={"greeting": Fault.SILENT})
    later = room.serve("later", uuid=OTHER_UUID)
    gone = room.serve("gone")
    gone.stop()
    descriptors, threads = open_descriptors(), threading.active_count()
    hypervisor = room.look(hung, later, gone)
    hypervisor.domains()
    later.faults["query-status"] = Fault.SILENT
    hypervisor.domains()

    started_s = time.monotonic()
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        hypervisor.close()

    assert time.monotonic() - started_s < 2.0
    assert threading.active_count() == threads
    hung.stop()
    later.stop()
    assert open_descriptors() == descriptors - 2
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_sockets_that_others_may_write_to_are_warned_of_once_for_each_qemu(
    room: QmpRoom, caplog: pytest.LogCaptureFixture
) -> None:
    wide, closed = room.serve("wide"), room.serve("closed", uuid=OTHER_UUID)
    wide.path.chmod(0o620)
    closed.path.chmod(0o600)
    hypervisor = room.look(wide, closed)

    sweep_until(hypervisor, ["wide", "closed"])
    hypervisor.domains()

    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert warned[0].endswith(f"the commands that close {wide.path}")
