"""Every call that a host takes about one domain, to hold each of them to the same promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoscaler.core.model import DomainView
from autoscaler.service.host import Host
from tests.contract.backend import BOOT_PLUGGED

Call = Callable[[Host, DomainView], object]

_TO_THE_GUEST: dict[str, Call] = {
    "sample": lambda host, view: host.probe.sample(view),
    "vcpus": lambda host, view: host.cpus.vcpus(view.id),
    "set_online": lambda host, view: host.cpus.set_online(view.id, target=1),
}


def _plug(host: Host, view: DomainView) -> None:
    host.hypervisor.plug(view.id, expect=BOOT_PLUGGED, target=BOOT_PLUGGED + 1)


def _unplug(host: Host, view: DomainView) -> None:
    host.hypervisor.unplug(view.id, expect=BOOT_PLUGGED + 1, target=BOOT_PLUGGED)


CALLS: dict[str, Call] = {"plug": _plug, "unplug": _unplug, **_TO_THE_GUEST}


def _each(calls: dict[str, Call]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in calls.items()])


every_call = _each(CALLS)
every_call_to_the_guest = _each(_TO_THE_GUEST)
