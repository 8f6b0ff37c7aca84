"""Letting go: nothing of ours stays, everything of the guest's does, and what comes late is told so."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress

import pytest

from autoscaler.core.model import RunState
from autoscaler.errors import AutoscalerError, BackendUnavailable
from tests.contract.backend import BOOT_PLUGGED, Backend, Domain, eventually
from tests.contract.calls import Call, every_call
from tests.contract.scene import Scene

OF_THE_PROCESS = {"libvirt-events"}
"""Threads that serve every connection of the process, and end with it."""
PROMPT_S = 3.0


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name not in OF_THE_PROCESS}


def test_closing_leaves_the_guest_as_it_is(backend: Backend, bystander: Domain) -> None:
    with ExitStack() as opened:
        Scene(backend, backend.open_host(opened)).view(bystander)

    assert bystander.is_running()
    assert bystander.vcpus()[0] == BOOT_PLUGGED
    with ExitStack() as opened:
        view = Scene(backend, backend.open_host(opened)).view(bystander)
        assert (view.plugged, view.state) == (BOOT_PLUGGED, RunState.RUNNING)


def test_closing_leaves_no_thread(backend: Backend, bystander: Domain) -> None:
    before = threads()
    with ExitStack() as opened:
        scene = Scene(backend, backend.open_host(opened))
        scene.host.hypervisor.subscribe(lambda _: None)
        view = scene.view(bystander)
        with suppress(AutoscalerError):  # whether this guest has booted, or can be asked, is not the point
            scene.host.probe.sample(view)

    eventually(lambda: threads() <= before)


@every_call
def test_a_call_after_the_close_is_told_so_at_once(backend: Backend, bystander: Domain, call: Call) -> None:
    with ExitStack() as opened:
        scene = Scene(backend, backend.open_host(opened))
        view = scene.view(bystander)
    begun_s = time.monotonic()

    with pytest.raises(BackendUnavailable, match="closed"):
        call(scene.host, view)
    with pytest.raises(BackendUnavailable, match="closed"):
        scene.host.hypervisor.domains()

    assert time.monotonic() - begun_s < PROMPT_S
    assert bystander.vcpus()[0] == BOOT_PLUGGED


def test_closing_again_is_harmless(backend: Backend) -> None:
    with ExitStack() as opened:
        host = backend.open_host(opened)
        host.hypervisor.domains()
        host.hypervisor.close()
        host.hypervisor.close()
