"""Connections that are lent to one caller at a time, and no more of them opened than are needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.backends.libvirt.link_pool import LinkPool
from autoscaler.errors import BackendUnavailable
from tests.fakes.libvirt_domains import RealClock


@pytest.fixture
def pool() -> Iterator[LinkPool]:
    pool = LinkPool("test:///default", clock=RealClock(), places=2)
    yield pool
    pool.close()


def test_one_caller_after_the_other_gets_the_same_connection(pool: LinkPool) -> None:
    links: set[LibvirtLink] = set()
    for _ in range(5):
        with pool.lease(1.0) as link:
            links.add(link)
    assert len(links) == 1


def test_two_callers_at_once_get_two_and_a_third_is_told_why_it_gets_none(pool: LinkPool) -> None:
    with pool.lease(1.0) as one, pool.lease(1.0) as other:
        assert one is not other
        with pytest.raises(BackendUnavailable, match="all 2 connections"), pool.lease(0.01):
            pass
    with pool.lease(0.01):
        pass


def test_a_call_that_fails_gives_its_connection_back(pool: LinkPool) -> None:
    for _ in range(5):
        with suppress(KeyError), pool.lease(0.01):
            raise KeyError
    with ExitStack() as both:
        for _ in range(2):
            both.enter_context(pool.lease(0.01))


def test_a_sweep_does_not_share_its_connection_with_a_call_that_does_not_come_back() -> None:
    hypervisor = LibvirtHypervisor("test:///default", clock=RealClock())
    hypervisor.domains()
    first = hypervisor._reader._connection
    hypervisor.domains()
    assert hypervisor._reader._connection is first

    answers = threading.Event()
    with pytest.raises(TimeoutError):
        hypervisor._late.run(answers.wait, patience_s=0.01)
    assert len(hypervisor.domains()) == 1
    assert hypervisor._reader._connection is not first
    answers.set()
    hypervisor.close()
