"""What is seen of domains: which there are, what they have, when they come and go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import pytest

from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId, RunState
from autoscaler.errors import DomainGone
from tests.contract.abilities import (
    on_backends_that_tell_pauses,
    on_backends_with_labels,
    on_backends_without_labels,
)
from tests.contract.backend import BOOT_PLUGGED, MAXIMUM, Backend, Domain, eventually
from tests.contract.calls import CALLS, Call, every_call
from tests.contract.scene import Scene, refused


class Heard:
    """What is heard from now on, while sweeps go on as they do in the service."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._events: list[DomainEvent] = []
        scene.host.hypervisor.subscribe(self._events.append)
        scene.host.hypervisor.domains()

    def wait_for(self, kind: DomainEventKind, domain: Domain) -> None:
        def heard() -> bool:
            self._scene.host.hypervisor.domains()
            return DomainEvent(kind, self._scene.id_of(domain)) in self._events

        eventually(heard)


def test_a_domain_is_listed_with_what_it_is_and_has(scene: Scene, bystander: Domain) -> None:
    view = scene.view(bystander)

    assert (view.name, view.id) == (bystander.name, DomainId(scene.host.label, bystander.uuid))
    assert view.id.uuid == str(UUID(bystander.uuid))
    assert view.state is RunState.RUNNING
    assert (view.plugged, view.maximum) == (BOOT_PLUGGED, MAXIMUM) == bystander.vcpus()
    assert bystander.name not in scene.host.hypervisor.troubles()


def test_it_is_told_truly_whether_a_guest_is_emulated(scene: Scene, bystander: Domain) -> None:
    assert scene.view(bystander).emulated is bystander.is_emulated()


def test_views_are_stamped_when_they_are_read(backend: Backend, scene: Scene, bystander: Domain) -> None:
    scene.view(bystander)
    stamps = [backend.clock.monotonic_s()]
    for _ in range(2):
        stamps += [scene.view(bystander).at_s, backend.clock.monotonic_s()]

    assert stamps == sorted(stamps)


def test_what_the_vcpus_used_of_the_host_never_runs_backwards(scene: Scene, bystander: Domain) -> None:
    views = [scene.view(bystander) for _ in range(3)]
    for counters in ([view.vcpu_time_s for view in views], [view.vcpu_delay_s for view in views]):
        known = [counter for counter in counters if counter is not None]

        assert len(known) in (0, len(views)), "seen always or never"
        assert known == sorted(known)


@every_call
def test_an_unknown_domain_is_gone_for_every_call(scene: Scene, bystander: Domain, call: Call) -> None:
    unknown = DomainId(scene.host.label, str(uuid4()))

    with pytest.raises(DomainGone, match=unknown.uuid):
        call(scene.host, replace(scene.view(bystander), id=unknown, name="unknown"))


def test_a_domain_is_heard_of_and_listed_from_its_start_to_its_end(backend: Backend, scene: Scene) -> None:
    heard = Heard(scene)
    with backend.started("passing") as domain:
        heard.wait_for(DomainEventKind.STARTED, domain)
        view = scene.view(domain)
        assert view.plugged == BOOT_PLUGGED
        domain.kill()

        heard.wait_for(DomainEventKind.STOPPED, domain)
        eventually(lambda: scene.find(domain) is None)
        for call in CALLS.values():
            with refused(DomainGone, domain=domain):
                call(scene.host, view)


def test_a_paused_domain_is_listed_as_paused_until_it_goes_on(scene: Scene, bystander: Domain) -> None:
    with bystander.paused():
        eventually(lambda: scene.view(bystander).state is RunState.PAUSED)

    eventually(lambda: scene.view(bystander).state is RunState.RUNNING)


@on_backends_that_tell_pauses
def test_a_pause_is_heard_of(scene: Scene, bystander: Domain) -> None:
    scene.view(bystander)
    heard = Heard(scene)
    with bystander.paused():
        heard.wait_for(DomainEventKind.CHANGED, bystander)


@on_backends_with_labels
def test_labels_that_a_domains_owner_writes_are_seen_long_before_a_minute_is_over(
    scene: Scene, bystander: Domain
) -> None:
    def shows(labels: dict[str, str]) -> bool:
        return scene.view(bystander).labels == labels

    for labels in ({"tier": "gold"}, {"autoscaling": "off", "ort": "Köln & Bonn"}, {}):
        bystander.label(labels)

        # By libvirt's event: the round that finds what no event told takes a minute.
        eventually(partial(shows, labels))


@on_backends_without_labels
def test_a_domain_that_cannot_be_labelled_has_no_labels(scene: Scene, bystander: Domain) -> None:
    assert scene.view(bystander).labels == {}


def test_sweeps_at_once_see_the_same(scene: Scene, bystander: Domain) -> None:
    seen = scene.view(bystander)
    with ThreadPoolExecutor(2) as pool:
        sweeps = [pool.submit(scene.find, bystander) for _ in range(2)]

    for sweep in sweeps:
        view = sweep.result()
        assert view is not None
        assert (view.id, view.plugged) == (seen.id, seen.plugged)
