"""Hot-adding: exactly what was asked for, or nothing and the reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from autoscaler.core.model import RunState
from autoscaler.ports import Conflict, Denied, DomainBusy
from tests.contract.backend import BOOT_PLUGGED, MAXIMUM, Backend, eventually
from tests.contract.scene import Scene, refused


def test_an_added_vcpu_is_seen_by_the_next_sweep(backend: Backend, scene: Scene) -> None:
    with backend.started("grows") as domain:
        scene.host.hypervisor.plug(scene.view(domain).id, expect=1, target=2)

        assert scene.view(domain).plugged == 2
        assert domain.vcpus() == (2, MAXIMUM)


def test_several_vcpus_are_added_at_once_up_to_the_maximum(backend: Backend, scene: Scene) -> None:
    with backend.started("leaps") as domain:
        scene.host.hypervisor.plug(scene.view(domain).id, expect=1, target=MAXIMUM)

        assert scene.view(domain).plugged == MAXIMUM
        assert domain.vcpus() == (MAXIMUM, MAXIMUM)


def test_asking_for_what_is_plugged_changes_nothing(backend: Backend, scene: Scene) -> None:
    with backend.started("stays") as domain:
        scene.host.hypervisor.plug(scene.view(domain).id, expect=1, target=1)

        assert domain.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_another_count_than_expected_is_a_conflict_and_changes_nothing(
    backend: Backend, scene: Scene
) -> None:
    with backend.started("differs") as domain:
        view = scene.view(domain)

        with refused(Conflict, domain=domain):
            scene.host.hypervisor.plug(view.id, expect=2, target=3)

        assert domain.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_more_than_the_maximum_is_denied_by_its_number_and_changes_nothing(
    backend: Backend, scene: Scene
) -> None:
    with backend.started("full") as domain:
        view = scene.view(domain)

        with refused(Denied, domain=domain, words="maximum"):
            scene.host.hypervisor.plug(view.id, expect=1, target=MAXIMUM + 1)
        with refused(Denied, domain=domain, words=str(MAXIMUM)):
            scene.host.hypervisor.plug(view.id, expect=1, target=100)

        assert domain.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_a_paused_domain_is_given_vcpus_too(backend: Backend, scene: Scene) -> None:
    with backend.started("sleeps") as domain:
        view = scene.view(domain)
        domain.pause()
        eventually(lambda: scene.view(domain).state is RunState.PAUSED)

        scene.host.hypervisor.plug(view.id, expect=1, target=2)

        assert domain.vcpus() == (2, MAXIMUM)


def test_two_that_add_the_same_vcpu_at_once_add_it_once(backend: Backend, scene: Scene) -> None:
    with backend.started("contested") as domain:
        view = scene.view(domain)
        with ThreadPoolExecutor(2) as pool:
            plugs = [pool.submit(scene.host.hypervisor.plug, view.id, expect=1, target=2) for _ in range(2)]

        errors = [plug.exception() for plug in plugs]
        assert None in errors
        assert all(error is None or isinstance(error, Conflict | Denied | DomainBusy) for error in errors)
        assert domain.vcpus() == (2, MAXIMUM)
