"""Guests that cannot be asked: the right error in time, and back in step when they answer again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from autoscaler.core.model import CpuSource, RunState
from autoscaler.ports import AgentAbsent, AgentUnresponsive
from tests.contract.abilities import on_backends_with_agent, on_backends_without_agent
from tests.contract.backend import Backend, Inhabited, eventually
from tests.contract.calls import Call, every_call_to_a_guest
from tests.contract.scene import Scene, refused

PROMPT_S = 2.0
"""Far more than a sweep and a plug take, on a busy machine too."""


@on_backends_with_agent
@every_call_to_a_guest
def test_a_hung_agent_is_unresponsive_in_time_and_back_in_step_later(
    backend: Backend, scene: Scene, inhabited: Inhabited, call: Call
) -> None:
    view = scene.view(inhabited.domain)
    before = scene.host.probe.sample(view)
    inhabited.guest.hang_agent()
    begun_s = time.monotonic()
    with refused(AgentUnresponsive, domain=inhabited.domain):
        call(scene.host, view)
    assert time.monotonic() - begun_s < backend.abilities.silence_s
    assert scene.view(inhabited.domain).state is RunState.RUNNING

    inhabited.guest.start_agent()

    vcpus = eventually(lambda: scene.host.cpus.vcpus(view.id))
    sample = eventually(lambda: scene.host.probe.sample(view))
    assert len(sample.online) == vcpus.online
    assert (sample.source, sample.boot_s) == (before.source, before.boot_s)
    assert sample.busy_s >= before.busy_s


@on_backends_with_agent
def test_an_agent_that_ended_is_missed_and_found_again(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    inhabited.guest.end_agent()
    with refused(AgentAbsent, AgentUnresponsive, domain=inhabited.domain):
        scene.host.cpus.vcpus(view.id)

    def settled() -> bool:
        with pytest.raises(backend.abilities.to_ended_agent):
            scene.host.cpus.set_online(view.id, target=1)
        return True

    eventually(settled)
    inhabited.guest.start_agent()

    assert eventually(lambda: scene.host.cpus.vcpus(view.id)).online >= 1
    sample = eventually(lambda: scene.host.probe.sample(view))
    assert sample.source is CpuSource.PROC_STAT


@on_backends_with_agent
def test_a_paused_guest_cannot_be_asked_until_it_goes_on(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    inhabited.domain.pause()
    try:
        with refused(backend.abilities.to_paused_guest, domain=inhabited.domain):
            scene.host.cpus.vcpus(view.id)
        with refused(backend.abilities.to_paused_guest, domain=inhabited.domain):
            scene.host.probe.sample(view)
    finally:
        inhabited.domain.resume()

    assert eventually(lambda: scene.host.cpus.vcpus(view.id)).online >= 1


@on_backends_with_agent
def test_a_hung_agent_holds_up_neither_a_sweep_nor_growth(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    with backend.started("other") as other, ThreadPoolExecutor(1) as pool:
        view, hung = scene.view(other), scene.view(inhabited.domain)
        inhabited.guest.hang_agent()
        silence = pool.submit(scene.host.cpus.vcpus, hung.id)
        begun_s = time.monotonic()

        scene.host.hypervisor.plug(view.id, expect=1, target=2)
        assert scene.view(other).plugged == 2
        assert scene.view(inhabited.domain).plugged == hung.plugged

        assert time.monotonic() - begun_s < PROMPT_S
        assert isinstance(silence.exception(), AgentUnresponsive)


@on_backends_without_agent
@every_call_to_a_guest
def test_a_domain_without_an_agent_says_so(backend: Backend, scene: Scene, call: Call) -> None:
    with backend.started("mute") as domain:
        view = scene.view(domain)

        with refused(AgentAbsent, domain=domain):
            call(scene.host, view)
        scene.plug(domain, 2)

        assert domain.vcpus()[0] == 2
