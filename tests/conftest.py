"""Fixtures that boot real guests, shared by every suite that needs one.

A test that only reads, loads or grows a guest takes a shared one and leaves it without load; a test that
breaks its guest boots one of its own by `boot_qemu_guest` or `boot_libvirt_guest`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from autoscaler.lab.embed import embedded_libvirt
from autoscaler.lab.guest import Guest
from autoscaler.lab.image import Image, build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from tests.contract.abilities import ABILITIES
from tests.contract.census import FIXTURE, Census
from tests.workers import RoomScheduling, turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer

    from autoscaler.lab.libvirt_guest import LibvirtGuest


def pytest_configure(config: pytest.Config) -> None:
    """Have it said at the end which backends of the contract ran."""
    config.pluginmanager.register(Census(tuple(ABILITIES), strict=os.environ.get("CI") == "true"))


@pytest.hookimpl(tryfirst=True)  # before items are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what boots a real guest, and run the contract suite last: its shared guests live on to the end.

    An emulated vCPU that is offline with an interrupt pending keeps its
    host's CPU busy for good, and the tests that load a guest need that CPU.
    """
    for item in items:
        if "lab_image" in getattr(item, "fixturenames", ()) or _over_real_guests(item):
            item.add_marker("guest")
    items.sort(key=lambda item: "contract" in item.path.parts)


def _over_real_guests(item: pytest.Item) -> bool:
    """Whether it is a test of the contract over a backend with real guests."""
    backend = getattr(getattr(item, "callspec", None), "params", {}).get(FIXTURE)
    return backend in ABILITIES and ABILITIES[backend].boots_guests


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test when it is its turn."""
    with turn(item):
        return (yield)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> RoomScheduling:
    """Have workers take a room at a time."""
    return RoomScheduling(config, log)


_Booted = TypeVar("_Booted", bound=Guest)
_Booted_co = TypeVar("_Booted_co", bound=Guest, covariant=True)


class Boot(Protocol[_Booted_co]):
    """Boots a guest that ends with the test."""

    def __call__(self, spec: GuestSpec) -> _Booted_co:
        """Return the guest when it is up and its agent, if it is to have one, answers."""


@pytest.fixture(scope="session")
def lab_image() -> Image:
    """The guest image, built at most once."""
    return build_image()


@pytest.fixture(scope="session")
def qemu_root() -> Iterator[Path]:
    """The folder of the session's bare QEMU guests: NAME/qmp.sock and NAME/agent.sock."""
    root = Path(tempfile.mkdtemp(prefix="vcpu-lab-"))
    yield root
    for guest in QemuGuest.find_all(root):
        guest.destroy()
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def embedded_uri() -> Iterator[str]:
    """The URI of the one libvirt driver that this process may have inside itself."""
    with embedded_libvirt() as uri:
        yield uri


@pytest.fixture
def boot_qemu_guest(lab_image: Image, qemu_root: Path) -> Iterator[Boot[QemuGuest]]:
    """Boots guests of the test's own under bare QEMU."""
    with ExitStack() as guests:
        yield lambda spec: _ready(guests.enter_context(QemuGuest.start(spec, lab_image, qemu_root)), spec)


@pytest.fixture
def boot_libvirt_guest(lab_image: Image, embedded_uri: str) -> Iterator[Boot[LibvirtGuest]]:
    """Boots guests of the test's own under the embedded libvirt driver."""
    from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415 - libvirt is optional

    with contextlib.closing(connect(embedded_uri)) as connection, ExitStack() as guests:
        yield lambda spec: _ready(guests.enter_context(LibvirtGuest.start(spec, lab_image, connection)), spec)


@pytest.fixture(scope="session")
def shared_qemu_guest(lab_image: Image, qemu_root: Path) -> Iterator[QemuGuest]:
    """One guest under bare QEMU that booted with 1 of 4 vCPUs."""
    spec = GuestSpec(name="shared-qemu")
    with QemuGuest.start(spec, lab_image, qemu_root) as guest:
        yield _ready(guest, spec)


@pytest.fixture(scope="session")
def shared_libvirt_guest(lab_image: Image, embedded_uri: str) -> Iterator[LibvirtGuest]:
    """One guest under the embedded libvirt driver that booted with 1 of 4 vCPUs."""
    from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415 - libvirt is optional

    spec = GuestSpec(name="shared-libvirt")
    with (
        contextlib.closing(connect(embedded_uri)) as connection,
        LibvirtGuest.start(spec, lab_image, connection) as guest,
    ):
        yield _ready(guest, spec)


def _ready(guest: _Booted, spec: GuestSpec) -> _Booted:
    guest.wait_up()
    if spec.agent:
        guest.wait_agent()
    return guest
