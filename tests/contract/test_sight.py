"""What is seen of domains: which there are, what they have, when they come and go."""

from __future__ import annotations

import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId, DomainView, RunState
from autoscaler.ports import DomainGone
from tests.contract.abilities import on_backends_that_tell_pauses
from tests.contract.backend import BOOT_PLUGGED, MAXIMUM, Backend, Domain, eventually
from tests.contract.calls import Call, every_call
from tests.contract.scene import Scene, refused

class Heard:
    """The events of one domain."""

    def __init__(self, scene: Scene) -> None:
        self._kinds: list[tuple[DomainId, DomainEventKind]] = []
        self._scene = scene
        scene.host.hypervisor.subscribe(self._hear)
        scene.host.hypervisor.domains()

    def _hear(self, event: DomainEvent) -> None:
        self._kinds.append((event.domain, event.kind))

    def wait_for(self, kind: DomainEventKind, domain: Domain) -> None:
        """Wait until it is heard; sweeps go on as they do in the service."""
        wanted = (self._scene.id_of(domain), kind)
        eventually(lambda: self._scene.host.hypervisor.domains() is not None and wanted in self._kinds)


def test_a_domain_is_listed_with_what_it_is_and_has(backend: Backend, scene: Scene) -> None:
    with backend.started("seen") as domain:
        view = scene.view(domain)

        assert (view.name, view.id) == ("seen", DomainId(scene.host.label, domain.uuid))
        assert view.id.uuid == str(UUID(domain.uuid))
        assert view.state is RunState.RUNNING
        assert (view.plugged, view.maximum) == (BOOT_PLUGGED, MAXIMUM) == domain.vcpus()
        assert "seen" not in scene.host.hypervisor.troubles()


def test_views_are_stamped_when_they_are_read(backend: Backend, scene: Scene) -> None:
    with backend.started("stamped") as domain:
        scene.view(domain)
        stamps = [backend.clock.monotonic_s()]
        for _ in range(2):
            stamps += [scene.view(domain).at_s, backend.clock.monotonic_s()]

        assert stamps == sorted(stamps)


def test_what_the_vcpus_used_of_the_host_never_runs_backwards(backend: Backend, scene: Scene) -> None:
    with backend.started("used") as domain:
        before = scene.view(domain)
        scene.plug(domain, 2)
        after = scene.view(domain)

        assert (before.vcpu_time_s is None) is (after.vcpu_time_s is None)
        assert (before.vcpu_delay_s is None) is (after.vcpu_delay_s is None)
        assert (before.vcpu_time_s or 0.0) <= (after.vcpu_time_s or 0.0)
        assert (before.vcpu_delay_s or 0.0) <= (after.vcpu_delay_s or 0.0)


@every_call
def test_an_unknown_domain_is_gone_for_every_call(backend: Backend, scene: Scene, call: Call) -> None:
    with backend.started("known") as domain:
        known = scene.view(domain)
        unknown = DomainId(scene.host.label, str(uuid4()))

        with pytest.raises(DomainGone, match=unknown.uuid):
            call(scene.host, replace(known, id=unknown, name="unknown"))


def test_a_domain_that_starts_is_heard_of_and_listed(backend: Backend, scene: Scene) -> None:
    heard = Heard(scene)
    with backend.started("comes") as domain:
        heard.wait_for(DomainEventKind.STARTED, domain)

        assert scene.view(domain).plugged == BOOT_PLUGGED


def test_a_domain_that_ends_is_heard_of_and_no_longer_listed(backend: Backend, scene: Scene) -> None:
    with backend.started("goes") as domain:
        heard = Heard(scene)
        scene.view(domain)
        domain.kill()

        heard.wait_for(DomainEventKind.STOPPED, domain)
        eventually(lambda: scene.find(domain) is None)


@every_call
def test_a_domain_that_ended_is_gone_for_every_call(backend: Backend, scene: Scene, call: Call) -> None:
    with backend.started("ended") as domain:
        view = scene.view(domain)
        domain.kill()
        eventually(lambda: scene.find(domain) is None)

        with refused(DomainGone, domain=domain):
            call(scene.host, view)


def test_a_paused_domain_is_listed_as_paused_until_it_goes_on(backend: Backend, scene: Scene) -> None:
    with backend.started("paused") as domain:
        scene.view(domain)
        domain.pause()
        eventually(lambda: scene.view(domain).state is RunState.PAUSED)
        domain.resume()
        eventually(lambda: scene.view(domain).state is RunState.RUNNING)


@on_backends_that_tell_pauses
def test_a_pause_is_heard_of(backend: Backend, scene: Scene) -> None:
    with backend.started("paused") as domain:
        scene.view(domain)
        heard = Heard(scene)
        domain.pause()

        heard.wait_for(DomainEventKind.CHANGED, domain)


def test_sweeps_from_two_threads_see_the_same(backend: Backend, scene: Scene) -> None:
    with backend.started("twice") as domain:
        scene.view(domain)
        seen: list[DomainView | None] = []
        threads = [threading.Thread(target=lambda: seen.append(scene.find(domain))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [view.plugged for view in seen if view] == [BOOT_PLUGGED, BOOT_PLUGGED]
