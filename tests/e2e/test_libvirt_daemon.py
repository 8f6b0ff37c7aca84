"""The backend over a real libvirtd and real QEMU, through everything that a daemon can do to it."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt import description
from autoscaler.backends.libvirt import hypervisor as libvirt_backend
from autoscaler.backends.libvirt import link as libvirt_link
from autoscaler.backends.libvirt.agent import LibvirtAgentChannel
from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId, DomainView
from autoscaler.core.owner import Owner
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentUnresponsive,
    BackendUnavailable,
    DomainBusy,
    DomainGone,
    NoChannel,
    OutcomeUnknown,
)
from autoscaler.lab.spec import GuestSpec
from tests.fakes.libvirt_daemon import LibvirtDaemon, passing_libvirt_daemon
from tests.fakes.libvirt_domains import AGENT_CHANNEL, RealClock, bare_qemu_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.lab.image import Image

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")

LABEL = "host"
PATIENCE_S = 30.0
SWEEP_S = 2.0
"""How long a sweep waits for a QEMU that hangs; far more than one takes that waits for none."""
NOT_YET = (AgentAbsent, AgentUnresponsive)


@pytest.fixture(scope="module")
def daemon() -> Iterator[LibvirtDaemon]:
    with passing_libvirt_daemon() as daemon:
        yield daemon


@pytest.fixture
def hypervisor(daemon: LibvirtDaemon) -> Iterator[LibvirtHypervisor]:
    hypervisor = LibvirtHypervisor(daemon.uri, clock=RealClock(), label=LABEL)
    yield hypervisor
    hypervisor.close()


@pytest.fixture
def agents(daemon: LibvirtDaemon) -> Iterator[LibvirtAgentChannel]:
    agents = LibvirtAgentChannel(daemon.uri, clock=RealClock())
    yield agents
    agents.close()


@dataclass(frozen=True, slots=True)
class Guest:
    id: DomainId
    name: str
    pid: int
    """Of its QEMU."""


_numbers = itertools.count(1)


@contextlib.contextmanager
def running(daemon: LibvirtDaemon, kind: str, *, devices: str = "", boot: str = "") -> Iterator[Guest]:
    """Run a guest, and end it by its process: its daemon may have been restarted meanwhile."""
    ensure_event_loop()
    name = f"{kind}-{next(_numbers)}"  # libvirt needs a moment to see that the one before has ended
    administrator = libvirt.open(daemon.uri)
    domain = administrator.createXML(bare_qemu_domain(name, devices=devices, boot=boot), 0)
    pid = int((daemon.folder / f"run/qemu/{name}.pid").read_text())
    try:
        yield Guest(DomainId(LABEL, domain.UUIDString()), name, pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        administrator.close()


@pytest.fixture
def bare(daemon: LibvirtDaemon) -> Iterator[Guest]:
    """A guest without an operating system or an agent channel."""
    with running(daemon, "bare") as domain:
        yield domain


@pytest.fixture(scope="module")
def linux(daemon: LibvirtDaemon, lab_image: Image) -> Iterator[Guest]:
    """A Linux whose agent answers, and blocks guest-exec; tests leave it running."""
    spec = GuestSpec(name="linux", block=("guest-exec",))
    boot = (
        f"<kernel>{lab_image.kernel}</kernel><initrd>{lab_image.initrd}</initrd>"
        f"<cmdline>{spec.kernel_arguments}</cmdline>"
    )
    agents = LibvirtAgentChannel(daemon.uri, clock=RealClock())
    with running(daemon, spec.name, devices=AGENT_CHANNEL, boot=boot) as domain:
        eventually(lambda: agents.ask(domain.id, "guest-ping", timeout_s=2), unless=NOT_YET)
        yield domain
    agents.close()


def eventually(look: Callable[[], object], *, unless: tuple[type[Exception], ...]) -> object:
    """Look until it works; errors in `unless` mean not yet."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return look()
        except unless:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)


def view_of(hypervisor: LibvirtHypervisor, domain: DomainId) -> DomainView:
    return next(view for view in hypervisor.domains() if view.id == domain)


def test_a_domain_of_nova_and_a_count_that_virsh_sets_are_seen_though_its_qemu_hangs(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest
) -> None:
    assert view_of(hypervisor, bare.id).claimed_by is None
    administrator = libvirt.open(daemon.uri)
    domain = administrator.lookupByUUIDString(bare.id.uuid)
    domain.setVcpusFlags(2, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert view_of(hypervisor, bare.id).plugged == 2
    domain.setMetadata(
        *(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<instance/>", "nova"),
        "http://openstack.org/xmlns/libvirt/nova/1.1",
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    administrator.close()
    os.kill(bare.pid, signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        description.read_description(hypervisor._reader.connection().lookupByUUIDString(bare.id.uuid))
        assert time.monotonic() - began_s < 5.0
    finally:
        os.kill(bare.pid, signal.SIGCONT)
    assert view_of(hypervisor, bare.id).claimed_by is Owner.NOVA


def test_vcpus_are_added_to_a_real_guest_and_counted(hypervisor: LibvirtHypervisor, bare: Guest) -> None:
    before = view_of(hypervisor, bare.id)

    hypervisor.plug(bare.id, expect=1, target=3)

    after = view_of(hypervisor, bare.id)
    assert (before.plugged, after.plugged, after.maximum) == (1, 3, 4)
    assert after.vcpu_time_s is not None
    assert before.vcpu_time_s is not None
    assert after.vcpu_time_s >= before.vcpu_time_s
    assert after.vcpu_delay_s is not None


def label(daemon: LibvirtDaemon, guest: Guest, element: str) -> None:
    """Write a guest's labels as its owner does."""
    command = ("virsh", "-c", daemon.uri, "metadata", guest.name, "urn:vcpu-autoscaler:1")
    subprocess.run([*command, "--key", "autoscaler", "--live", "--set", element], check=True)


def test_labels_that_virsh_writes_are_told_of_and_seen_at_the_next_sweep(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest
) -> None:
    told = threading.Event()
    hypervisor.subscribe(
        lambda event: told.set() if event == DomainEvent(DomainEventKind.CHANGED, bare.id) else None
    )
    assert view_of(hypervisor, bare.id).labels == {}

    label(daemon, bare, '<labels tier="gold" autoscaling="off"/>')

    assert told.wait(5)
    assert view_of(hypervisor, bare.id).labels == {"tier": "gold", "autoscaling": "off"}


def test_labels_that_were_written_while_the_daemon_was_away_are_seen_once_it_is_back(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest
) -> None:
    assert view_of(hypervisor, bare.id).labels == {}
    daemon.restart()
    label(daemon, bare, '<labels autoscaling="off"/>')

    eventually(hypervisor.domains, unless=(BackendUnavailable,))

    assert view_of(hypervisor, bare.id).labels == {"autoscaling": "off"}


def test_the_labels_of_a_domain_whose_qemu_hangs_are_read_all_the_same(
    daemon: LibvirtDaemon, bare: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_backend, "SWEEP_PATIENCE_S", (0.5, 0.5))
    label(daemon, bare, '<labels autoscaling="off"/>')
    fresh = LibvirtHypervisor(daemon.uri, clock=RealClock(), label=LABEL)
    with hung(bare):
        # Not by the first sweep where the domain of the test before is still being cleared away.
        view = eventually(lambda: view_of(fresh, bare.id), unless=(StopIteration, BackendUnavailable))
    fresh.close()

    assert isinstance(view, DomainView)
    assert view.labels == {"autoscaling": "off"}


def test_a_daemon_that_was_killed_is_missed_and_found_again(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest
) -> None:
    heard = threading.Event()
    hypervisor.subscribe(lambda event: heard.set() if event.kind is DomainEventKind.CHANGED else None)
    hypervisor.plug(bare.id, expect=1, target=2)
    hypervisor.domains()
    daemon.kill()

    with pytest.raises(BackendUnavailable):
        hypervisor.domains()
    with pytest.raises(BackendUnavailable, match="is libvirtd"):
        hypervisor.domains()
    with pytest.raises(BackendUnavailable):
        hypervisor.plug(bare.id, expect=2, target=3)

    daemon.start()
    eventually(hypervisor.domains, unless=(BackendUnavailable,))
    assert view_of(hypervisor, bare.id).plugged == 2
    eventually(lambda: hypervisor.plug(bare.id, expect=2, target=3), unless=(BackendUnavailable,))
    assert view_of(hypervisor, bare.id).plugged == 3
    other = libvirt.open(daemon.uri)
    other.lookupByUUIDString(bare.id.uuid).suspend()
    assert heard.wait(5), "no event after the reconnect"
    other.close()


def test_a_daemon_that_stops_answering_leaves_a_write_unknown_and_a_read_unavailable(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_link, "KEEPALIVE_INTERVAL_S", 1)
    monkeypatch.setattr(libvirt_link, "KEEPALIVE_COUNT", 1)
    hypervisor.plug(bare.id, expect=1, target=2)
    hypervisor.domains()
    os.kill(bare.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        growth = pool.submit(hypervisor.plug, bare.id, expect=2, target=3)
        time.sleep(0.3)  # the request is with the daemon, which waits for QEMU
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            with pytest.raises(BackendUnavailable):
                hypervisor.domains()
            assert isinstance(growth.exception(10), OutcomeUnknown)
        finally:
            os.kill(bare.pid, signal.SIGCONT)
            os.kill(daemon.pid, signal.SIGCONT)
    eventually(hypervisor.domains, unless=(BackendUnavailable,))


@contextlib.contextmanager
def saved_slowly(daemon: LibvirtDaemon, guest: Guest) -> Iterator[None]:
    """Have a guest's memory dumped, to a reader that takes nothing yet."""
    pipe = daemon.folder / "lib" / f"{guest.name}.dump"
    os.mkfifo(pipe)
    command = ("virsh", "-c", daemon.uri, "dump", guest.name, f"/var/lib/libvirt/{pipe.name}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as dump:
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield
        finally:
            os.set_blocking(reader, True)
            while os.read(reader, 1 << 20):
                pass
            os.close(reader)
            dump.wait(PATIENCE_S)


def test_a_job_of_libvirts_is_seen_while_it_goes_on_and_no_longer(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest
) -> None:
    def job() -> str:
        return view_of(hypervisor, bare.id).job

    assert job() == ""
    with saved_slowly(daemon, bare):
        deadline_s = time.monotonic() + PATIENCE_S
        while job() != "dump":
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
    assert job() == ""


def test_a_guest_that_was_killed_is_gone(hypervisor: LibvirtHypervisor, bare: Guest) -> None:
    stopped = threading.Event()

    def listen(event: DomainEvent) -> None:
        if event == DomainEvent(DomainEventKind.STOPPED, bare.id):
            stopped.set()

    hypervisor.subscribe(listen)
    hypervisor.domains()

    os.kill(bare.pid, signal.SIGKILL)

    assert stopped.wait(5)
    with pytest.raises(DomainGone):
        hypervisor.plug(bare.id, expect=1, target=2)
    assert bare.id not in {view.id for view in hypervisor.domains()}


def test_a_domain_without_an_agent_channel_says_how_to_add_one(
    agents: LibvirtAgentChannel, bare: Guest
) -> None:
    with pytest.raises(NoChannel, match=r"virsh -c \S+ attach-device bare"):
        agents.ask(bare.id, "guest-ping", timeout_s=1)


def test_a_channel_that_nobody_has_open_says_what_to_start(
    daemon: LibvirtDaemon, agents: LibvirtAgentChannel
) -> None:
    with (
        running(daemon, "silent", devices=AGENT_CHANNEL) as silent,
        pytest.raises(AgentAbsent, match="systemctl start qemu-guest-agent"),
    ):
        agents.ask(silent.id, "guest-ping", timeout_s=1)


def test_an_agent_answers(agents: LibvirtAgentChannel, linux: Guest) -> None:
    vcpus = agents.ask(linux.id, "guest-get-vcpus", timeout_s=5)

    assert vcpus == [{"online": True, "can-offline": False, "logical-id": 0}]


def test_a_command_that_the_agent_does_not_allow_is_blocked(
    agents: LibvirtAgentChannel, linux: Guest
) -> None:
    with pytest.raises(AgentBlocked, match="guest-exec"):
        agents.ask(linux.id, "guest-exec", {"path": "/bin/true"}, timeout_s=5)


def test_more_callers_than_places_all_get_their_answer(agents: LibvirtAgentChannel, linux: Guest) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: agents.ask(linux.id, "guest-ping", timeout_s=20), range(20)))

    assert answers == [{}] * 20


@contextlib.contextmanager
def hung(guest: Guest) -> Iterator[None]:
    """Stop the guest's QEMU as a lost disk would: it answers neither its monitor nor its agent channel."""
    os.kill(guest.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(guest.pid, signal.SIGCONT)


def test_a_qemu_that_hangs_costs_one_sweep_its_patience_and_hides_no_domain(
    hypervisor: LibvirtHypervisor, linux: Guest, bare: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_backend, "SWEEP_PATIENCE_S", (SWEEP_S, SWEEP_S))
    hypervisor.domains()
    with hung(linux):
        begun_s = time.monotonic()
        first = {view.id for view in hypervisor.domains()}
        then_s = time.monotonic()
        second = {view.id for view in hypervisor.domains()}
        ended_s = time.monotonic()
        hypervisor.plug(bare.id, expect=1, target=2)

    assert {linux.id, bare.id} <= first & second
    assert then_s - begun_s < 2 * SWEEP_S
    assert ended_s - then_s < SWEEP_S


def test_three_qemus_that_hang_together_hide_no_domain_and_hold_up_no_change_of_another(
    daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor, bare: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_backend, "SWEEP_PATIENCE_S", (SWEEP_S, SWEEP_S))
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(running(daemon, "hanging")) for _ in range(3)]
        hypervisor.domains()
        for guest in others:
            stack.enter_context(hung(guest))
        eventually(hypervisor.domains, unless=(BackendUnavailable,))
        began_s = time.monotonic()
        seen = {view.id for view in hypervisor.domains()}
        took_s = time.monotonic() - began_s
        hypervisor.plug(bare.id, expect=1, target=2)

    assert {bare.id, *(guest.id for guest in others)} <= seen
    assert took_s < SWEEP_S


def test_a_guest_that_hangs_keeps_no_other_agent_waiting_and_is_back_in_step_later(
    agents: LibvirtAgentChannel, linux: Guest, bare: Guest
) -> None:
    with hung(linux), ThreadPoolExecutor(1) as pool:
        silence = pool.submit(agents.ask, linux.id, "guest-ping", timeout_s=6)
        begun_s = time.monotonic()
        with pytest.raises(AgentAbsent):
            agents.ask(bare.id, "guest-ping", timeout_s=1)
        with pytest.raises(DomainBusy, match="still out"):
            agents.ask(linux.id, "guest-ping", timeout_s=0.1)
        assert time.monotonic() - begun_s < 4.0
        assert isinstance(silence.exception(20), AgentUnresponsive)

    vcpus = eventually(lambda: agents.ask(linux.id, "guest-get-vcpus", timeout_s=5), unless=NOT_YET)

    assert isinstance(vcpus, list)


def test_a_paused_guest_is_busy_rather_than_gone(
    daemon: LibvirtDaemon, agents: LibvirtAgentChannel, linux: Guest
) -> None:
    administrator = libvirt.open(daemon.uri)
    domain = administrator.lookupByUUIDString(linux.id.uuid)
    domain.suspend()
    try:
        with pytest.raises(DomainBusy, match=r"virsh -c \S+ resume linux"):
            agents.ask(linux.id, "guest-ping", timeout_s=1)
    finally:
        domain.resume()
        administrator.close()
