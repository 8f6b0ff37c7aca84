"""The one fixture over every backend."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.contract.abilities import ABILITIES
from tests.contract.backend import Backend, Domain, Inhabited, NotHere
from tests.contract.scene import Scene
from tests.contract.scripted import ScriptedBackend
from tests.contract.simulated import SimulatedBackend
from tests.fakes.scripted_qmp import BEFORE_5_2, MODERN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.lab.image import Image


@pytest.fixture(scope="session", params=list(ABILITIES))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend in turn; it ends before the next one begins."""
    with ExitStack() as opened:
        try:
            found = _open(request, opened)
        except NotHere as reason:
            pytest.skip(str(reason))
        yield found


@pytest.fixture
def scene(backend: Backend) -> Iterator[Scene]:
    """A connection of the test's own."""
    with ExitStack() as opened:
        yield Scene(backend, backend.open_host(opened))


@pytest.fixture(scope="session")
def bystander(backend: Backend) -> Iterator[Domain]:
    """One domain a backend that no test changes for good."""
    with backend.started("bystander") as domain:
        yield domain


@pytest.fixture(scope="session")
def spare(backend: Backend) -> Iterator[Domain]:
    """One domain a backend to which a test may add one vCPU, whatever it has."""
    with backend.started("spare") as domain:
        yield domain


@pytest.fixture(scope="session")
def shared(backend: Backend) -> Iterator[Inhabited]:
    """One guest a backend, since a real one takes seconds to boot; ask for `inhabited` instead."""
    with backend.booted("contract") as inhabited:
        yield inhabited


@pytest.fixture
def inhabited(shared: Inhabited) -> Iterator[Inhabited]:
    """The shared guest: without load, its agent at work. Its plugged vCPUs only ever rise."""
    yield shared
    shared.guest.start_agent()
    shared.guest.load(0)


def _open(request: pytest.FixtureRequest, opened: ExitStack) -> Backend:
    name = request.param
    abilities = ABILITIES[name]
    if name == "simulated":
        return SimulatedBackend(abilities)
    if name == "scripted-qmp":
        return ScriptedBackend(abilities, MODERN, opened)
    if name == "actuator-scripted-qmp":
        return ScriptedBackend(abilities, MODERN, opened).actuated(opened)
    if name == "scripted-qmp-before-5.2":
        return ScriptedBackend(abilities, BEFORE_5_2, opened)
    if name == "qemu-qmp":
        from tests.contract.lab_guests import QemuQmpBackend  # noqa: PLC0415 - only where it is needed

        return QemuQmpBackend(abilities, request.getfixturevalue("lab_image"), opened)
    return _open_libvirt(request, opened)


def _open_libvirt(request: pytest.FixtureRequest, opened: ExitStack) -> Backend:
    if importlib.util.find_spec("libvirt") is None:
        raise NotHere("libvirt-python is not installed: pip install 'vcpu-autoscaler[libvirt]'")
    # Imported late: it is optional.
    from tests.contract.lab_libvirt import QemuLibvirtBackend, QemuLibvirtdBackend  # noqa: PLC0415
    from tests.contract.libvirt_test_driver import LibvirtTestBackend  # noqa: PLC0415

    abilities = ABILITIES[request.param]
    if request.param == "libvirt-test":
        return LibvirtTestBackend(abilities, opened)
    image: Image = request.getfixturevalue("lab_image")
    if request.param == "actuator-qemu-libvirtd":
        return QemuLibvirtdBackend(abilities, image, opened).actuated(opened)
    if request.param == "qemu-libvirtd":
        return QemuLibvirtdBackend(abilities, image, opened)
    return QemuLibvirtBackend(abilities, request.getfixturevalue("embedded_uri"), image, opened)
