"""Hot-adding: exactly what was asked for, or nothing and the reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from autoscaler.core.model import RunState
from autoscaler.errors import Conflict, Denied, DomainBusy
from tests.contract.backend import BOOT_PLUGGED, MAXIMUM, Backend, Domain, eventually
from tests.contract.scene import Scene, refused


def test_added_vcpus_are_seen_by_the_next_sweep_up_to_the_maximum(backend: Backend, scene: Scene) -> None:
    with backend.started("grows") as domain:
        plugged = BOOT_PLUGGED
        for target in (2, MAXIMUM):
            scene.host.hypervisor.plug(scene.view(domain).id, expect=plugged, target=target)
            plugged = target

            assert scene.view(domain).plugged == target
            assert domain.vcpus() == (target, MAXIMUM)


def test_asking_for_what_is_plugged_changes_nothing(scene: Scene, bystander: Domain) -> None:
    scene.host.hypervisor.plug(scene.view(bystander).id, expect=BOOT_PLUGGED, target=BOOT_PLUGGED)

    assert bystander.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_another_count_than_expected_is_a_conflict_and_changes_nothing(
    scene: Scene, bystander: Domain
) -> None:
    view = scene.view(bystander)

    with refused(Conflict, domain=bystander):
        scene.host.hypervisor.plug(view.id, expect=2, target=3)

    assert bystander.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_more_than_the_maximum_is_denied_by_its_number_and_changes_nothing(
    scene: Scene, bystander: Domain
) -> None:
    view = scene.view(bystander)

    with refused(Denied, domain=bystander, words="maximum") as told:
        scene.host.hypervisor.plug(view.id, expect=BOOT_PLUGGED, target=100)

    assert str(MAXIMUM) in told.sentence.replace(bystander.name, "")
    assert bystander.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_a_paused_domain_is_given_vcpus_too(scene: Scene, spare: Domain) -> None:
    view = scene.view(spare)
    with spare.paused():
        eventually(lambda: scene.view(spare).state is RunState.PAUSED)
        scene.host.hypervisor.plug(view.id, expect=view.plugged, target=view.plugged + 1)

    assert spare.vcpus() == (view.plugged + 1, MAXIMUM)


def test_two_that_add_the_same_vcpu_at_once_add_it_once(scene: Scene, spare: Domain) -> None:
    view = scene.view(spare)
    plug = partial(scene.host.hypervisor.plug, view.id, expect=view.plugged, target=view.plugged + 1)
    with ThreadPoolExecutor(2) as pool:
        plugs = [pool.submit(plug) for _ in range(2)]

    errors = [done.exception() for done in plugs]
    assert None in errors
    assert all(error is None or isinstance(error, Conflict | Denied | DomainBusy) for error in errors)
    assert spare.vcpus() == (view.plugged + 1, MAXIMUM)
