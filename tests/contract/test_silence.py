"""Guests that cannot be asked: the right error in time, and back in step when they answer again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from autoscaler.core.model import RunState
from autoscaler.errors import AgentAbsent, AgentUnresponsive, NoChannel
from tests.contract.abilities import on_backends_with_agent, on_backends_without_agent
from tests.contract.backend import Backend, Domain, Inhabited, eventually
from tests.contract.calls import Call, every_call_to_the_guest
from tests.contract.scene import Scene, refused

PROMPT_S = 4.0
"""Far more than a sweep and a plug take, on a busy machine too."""


@on_backends_with_agent
def test_a_hung_agent_is_unresponsive_in_time_and_back_in_step_later(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    before = scene.host.probe.sample(view)
    inhabited.guest.hang_agent()
    begun_s = time.monotonic()
    with refused(AgentUnresponsive, domain=inhabited.domain):
        scene.host.probe.sample(view)
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

    def missed() -> bool:
        with refused(AgentAbsent, AgentUnresponsive, domain=inhabited.domain) as told:
            scene.host.cpus.set_online(view.id, target=1)
        return isinstance(told.error, AgentAbsent)

    eventually(missed)
    with refused(AgentAbsent, domain=inhabited.domain, words="systemctl start qemu-guest-agent"):
        scene.host.probe.sample(scene.view(inhabited.domain))
    inhabited.guest.start_agent()

    assert eventually(lambda: scene.host.cpus.vcpus(view.id)).online >= 1
    sample = eventually(lambda: scene.host.probe.sample(view))
    assert sample.source is backend.abilities.source_after_restart


@on_backends_with_agent
def test_a_paused_guest_cannot_be_asked_until_it_goes_on(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    with inhabited.domain.paused(), refused(backend.abilities.to_paused_guest, domain=inhabited.domain):
        scene.host.cpus.vcpus(view.id)

    assert eventually(lambda: scene.host.cpus.vcpus(view.id)).online >= 1


@on_backends_with_agent
def test_a_hung_agent_holds_up_neither_sweeps_nor_its_own_domains_growth(
    scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    assert view.plugged < view.maximum, "earlier tests used up the guest's room to grow"
    inhabited.guest.hang_agent()
    with ThreadPoolExecutor(1) as pool:
        silence = pool.submit(scene.host.cpus.vcpus, view.id)
        begun_s = time.monotonic()

        scene.host.hypervisor.plug(view.id, expect=view.plugged, target=view.plugged + 1)
        assert scene.view(inhabited.domain).plugged == view.plugged + 1

        assert time.monotonic() - begun_s < PROMPT_S
        assert isinstance(silence.exception(), AgentUnresponsive)


@on_backends_without_agent
@every_call_to_the_guest
def test_a_domain_without_an_agent_says_so(scene: Scene, bystander: Domain, call: Call) -> None:
    view = scene.view(bystander)

    with refused(NoChannel, domain=bystander):
        call(scene.host, view)

    assert scene.view(bystander).state is RunState.RUNNING
