"""What is said of domains that somebody else runs."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.owner import Owner, left_alone
from tests.fakes.examples import VIEW

NOVAS = [replace(VIEW, name=f"vm-{number}", claimed_by=Owner.NOVA) for number in range(7)]


def test_one_domain_is_told_with_its_owner_and_what_to_write() -> None:
    assert left_alone([NOVAS[0], VIEW]) == {
        Owner.NOVA: (
            "domain 'vm-0' belongs to OpenStack Nova and is left alone, since vCPUs are counted there: to "
            "have it governed all the same, write `adopt: [nova]` beside the connection's `libvirt:` in the "
            "configuration and restart the service"
        )
    }


def test_many_are_one_sentence_an_owner_and_not_all_named() -> None:
    told = left_alone([*NOVAS, replace(VIEW, name="pod", claimed_by=Owner.KUBEVIRT)])
    assert list(told) == [Owner.KUBEVIRT, Owner.NOVA]
    assert told[Owner.NOVA].startswith(
        "7 domains ('vm-0', 'vm-1', 'vm-2', 'vm-3', 'vm-4' and 2 more) belong to "
    )
    assert left_alone([VIEW]) == {}
