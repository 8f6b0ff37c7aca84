"""Asking for a vCPU back: accepted is not gone, and what cannot go is left alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.errors import Conflict, Denied
from tests.contract.abilities import on_backends_that_give_back, on_backends_that_give_nothing_back
from tests.contract.backend import BOOT_PLUGGED, MAXIMUM, Backend, Domain, eventually
from tests.contract.scene import Scene, refused

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def grown(backend: Backend, scene: Scene, to: int) -> Iterator[Domain]:
    """A domain whose guest has booted and was then given vCPUs."""
    started = backend.booted if backend.abilities.has_agent else backend.started
    with started("gives") as found:
        domain = found if isinstance(found, Domain) else found.domain
        scene.plug(domain, to)
        yield domain


@on_backends_that_give_back
def test_the_highest_slot_is_asked_for_and_later_seen_to_be_empty(backend: Backend, scene: Scene) -> None:
    with grown(backend, scene, 3) as domain:
        view = scene.view(domain)
        slot = scene.host.hypervisor.unplug(view.id, expect=3, target=2)

        assert slot == 2
        if backend.abilities.shows_it_gone:
            after = eventually(lambda: seen if (seen := scene.view(domain)).plugged == 2 else None)
            assert after.slots in (None, {0, 1})
            assert domain.vcpus() == (2, MAXIMUM)
            assert scene.host.hypervisor.unplug(view.id, expect=3, target=2) is None


@on_backends_that_give_nothing_back
def test_a_vcpu_that_cannot_be_given_back_is_denied(backend: Backend, scene: Scene) -> None:
    with grown(backend, scene, 2) as domain:
        with refused(Denied, domain=domain):
            scene.host.hypervisor.unplug(scene.view(domain).id, expect=2, target=1)

        assert domain.vcpus() == (2, MAXIMUM)


def test_the_vcpus_that_a_domain_was_started_with_stay(scene: Scene, bystander: Domain) -> None:
    with refused(Denied, domain=bystander):
        scene.host.hypervisor.unplug(scene.view(bystander).id, expect=BOOT_PLUGGED, target=0)

    assert bystander.vcpus() == (BOOT_PLUGGED, MAXIMUM)


def test_nothing_is_asked_where_no_more_are_plugged_than_are_to_stay(scene: Scene, bystander: Domain) -> None:
    view = scene.view(bystander)

    assert scene.host.hypervisor.unplug(view.id, expect=2, target=BOOT_PLUGGED) is None


def test_another_count_than_expected_is_a_conflict(scene: Scene, bystander: Domain) -> None:
    with refused(Conflict, domain=bystander):
        scene.host.hypervisor.unplug(scene.view(bystander).id, expect=3, target=0)

    assert bystander.vcpus() == (BOOT_PLUGGED, MAXIMUM)
