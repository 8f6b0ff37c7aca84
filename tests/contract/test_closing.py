"""Letting go: nothing of ours stays, everything of the guest's does, and what comes late is told so."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest

from autoscaler.core.model import RunState
from autoscaler.ports import BackendUnavailable
from tests.contract.backend import Backend, eventually
from tests.contract.calls import Call, every_call
from tests.contract.scene import Scene

OF_THE_PROCESS = {"libvirt-events"}
"""Threads that serve every connection of the process, and end with it."""


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name not in OF_THE_PROCESS}


def test_closing_leaves_the_guest_as_it_is(backend: Backend) -> None:
    with backend.started("stays") as domain:
        with ExitStack() as opened:
            first = Scene(backend, backend.open_host(opened))
            first.plug(domain, 2)

        assert domain.is_running()
        assert domain.vcpus()[0] == 2
        with ExitStack() as opened:
            second = Scene(backend, backend.open_host(opened))
            view = second.view(domain)
            assert (view.plugged, view.state) == (2, RunState.RUNNING)


def test_closing_leaves_no_thread(backend: Backend) -> None:
    with backend.started("alone") as domain:
        before = threads()
        with ExitStack() as opened:
            scene = Scene(backend, backend.open_host(opened))
            scene.host.hypervisor.subscribe(lambda _: None)
            scene.plug(domain, 2)

        eventually(lambda: threads() <= before)


@every_call
def test_a_call_after_the_close_is_told_so_at_once(backend: Backend, call: Call) -> None:
    with backend.started("late") as domain:
        with ExitStack() as opened:
            scene = Scene(backend, backend.open_host(opened))
            view = scene.view(domain)
        begun_s = time.monotonic()

        with pytest.raises(BackendUnavailable, match="closed"):
            call(scene.host, view)
        with pytest.raises(BackendUnavailable, match="closed"):
            scene.host.hypervisor.domains()

        assert time.monotonic() - begun_s < 1.0
        assert domain.vcpus()[0] == 1


def test_closing_again_is_harmless(backend: Backend) -> None:
    with ExitStack() as opened:
        host = backend.open_host(opened)
        host.hypervisor.domains()
        host.hypervisor.close()
        host.hypervisor.close()
