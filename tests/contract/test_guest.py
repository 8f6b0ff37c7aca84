"""What is read of a guest, and how its online vCPUs are changed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from autoscaler.core.model import CpuSource, GuestVcpus, Sample
from tests.contract.abilities import on_backends_with_agent
from tests.contract.backend import Backend, Inhabited, eventually
from tests.contract.scene import Scene

pytestmark = on_backends_with_agent


def online_ids(vcpus: GuestVcpus) -> set[int]:
    return {vcpu.logical_id for vcpu in vcpus.vcpus if vcpu.online}


def test_a_sample_is_stamped_and_says_which_vcpus_run_by_which_source(
    backend: Backend, scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    running = online_ids(scene.host.cpus.vcpus(view.id))
    begun_s = backend.clock.monotonic_s()
    sample = scene.host.probe.sample(view)

    assert begun_s <= sample.at_s <= backend.clock.monotonic_s()
    assert sample.online == running
    assert sample.source is CpuSource.PROC_STAT
    assert sample.boot_s is not None
    assert sample.runnable is not None


def test_counters_never_run_backwards_as_vcpus_come_and_go(scene: Scene, inhabited: Inhabited) -> None:
    domain = scene.view(inhabited.domain).id
    scene.plug(inhabited.domain, 2)
    scene.present(inhabited.domain, 2)
    inhabited.guest.load(0.5)
    samples: list[Sample] = []
    for target in (1, 2, 1, 2, 1):
        scene.host.cpus.set_online(domain, target=target)
        samples.append(scene.host.probe.sample(scene.view(inhabited.domain)))

    assert [len(sample.online) for sample in samples] == [1, 2, 1, 2, 1]
    for counters in (
        [sample.at_s for sample in samples],
        [sample.busy_s for sample in samples],
        [sample.steal_s for sample in samples],
    ):
        assert counters == sorted(counters)
    assert len({sample.boot_s for sample in samples}) == 1


def test_a_load_shows_as_busy_time(scene: Scene, inhabited: Inhabited) -> None:
    view = scene.view(inhabited.domain)
    scene.host.cpus.set_online(view.id, target=1)
    inhabited.guest.load(1.0)
    before = scene.host.probe.sample(view)
    time.sleep(1.0)
    after = scene.host.probe.sample(view)

    # Others may use the host too: what the guest got it was busy with, or else it was stolen.
    used = (after.busy_s - before.busy_s + after.steal_s - before.steal_s) / (after.at_s - before.at_s)
    assert used == pytest.approx(1.0, abs=0.35)


def test_pressure_is_told_where_it_is_asked_for_and_grows_while_the_guest_is_saturated(
    scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    scene.host.cpus.set_online(view.id, target=1)
    inhabited.guest.load(3.0)
    before = scene.host.probe.sample(view, pressure=True)
    time.sleep(1.0)
    after = scene.host.probe.sample(view, pressure=True)

    assert before.pressure_s is not None
    assert after.pressure_s is not None
    waited = (after.pressure_s - before.pressure_s) / (after.at_s - before.at_s)
    assert waited == pytest.approx(1.0, abs=0.35)
    assert scene.host.probe.sample(view).pressure_s is None


def test_a_new_vcpu_is_listed_soon_and_runs_once_it_is_brought_online(
    scene: Scene, inhabited: Inhabited
) -> None:
    view = scene.view(inhabited.domain)
    assert view.plugged < view.maximum, "an earlier test used up the guest's room to grow"
    scene.host.cpus.set_online(view.id, target=view.plugged)

    scene.host.hypervisor.plug(view.id, expect=view.plugged, target=view.plugged + 1)
    listed = scene.present(inhabited.domain, view.plugged + 1)
    running = scene.host.cpus.set_online(view.id, target=view.plugged + 1)

    assert listed.present == view.plugged + 1
    assert running.online == view.plugged + 1
    assert scene.host.probe.sample(scene.view(inhabited.domain)).online == online_ids(running)


def test_vcpus_go_online_and_offline_and_what_the_guest_has_is_returned(
    scene: Scene, inhabited: Inhabited
) -> None:
    domain = scene.view(inhabited.domain).id
    scene.plug(inhabited.domain, 2)
    present = scene.present(inhabited.domain, 2).present
    for target in (2, 2, 1, 1, 2):
        answer = scene.host.cpus.set_online(domain, target=target)

        assert (answer.present, answer.online) == (present, target)
        assert answer == scene.host.cpus.vcpus(domain)
        assert [vcpu.logical_id for vcpu in answer.vcpus] == sorted(vcpu.logical_id for vcpu in answer.vcpus)
        assert online_ids(answer) == set(range(target)), "the lowest go up first, the highest down"


def test_the_first_vcpu_is_never_taken(scene: Scene, inhabited: Inhabited) -> None:
    answer = scene.host.cpus.set_online(scene.view(inhabited.domain).id, target=0)

    assert online_ids(answer) == {0}


def test_more_than_is_plugged_is_answered_with_what_there_is(scene: Scene, inhabited: Inhabited) -> None:
    view = scene.view(inhabited.domain)
    scene.present(inhabited.domain, view.plugged)

    answer = scene.host.cpus.set_online(view.id, target=view.maximum + 1)

    assert answer.online == answer.present == view.plugged


def test_calls_at_once_on_one_domain_do_not_break_each_other(scene: Scene, inhabited: Inhabited) -> None:
    view = scene.view(inhabited.domain)
    scene.plug(inhabited.domain, 2)
    scene.present(inhabited.domain, 2)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            sweep = pool.submit(scene.find, inhabited.domain)
            sample = pool.submit(scene.host.probe.sample, view)
            change = pool.submit(scene.host.cpus.set_online, view.id, target=2)
            listing = pool.submit(scene.host.cpus.vcpus, view.id)

            assert sweep.result() is not None
            assert sample.result().online
            assert change.result().online == 2
            assert listing.result().present >= 2


def test_the_version_of_the_agent_is_known_once_it_was_asked(scene: Scene, inhabited: Inhabited) -> None:
    view = scene.view(inhabited.domain)
    scene.host.probe.sample(view)
    versions = scene.host.versions(view.id)

    assert versions.agent is None or versions.agent[0].isdigit()
    assert versions.qemu is None or versions.qemu.count(".") == 2


def test_a_forgotten_domain_is_asked_anew(scene: Scene, inhabited: Inhabited) -> None:
    view = scene.view(inhabited.domain)
    before = scene.host.probe.sample(view)
    scene.host.forget(view.id)

    assert eventually(lambda: scene.host.probe.sample(view)).boot_s == before.boot_s
