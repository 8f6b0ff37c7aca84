"""Tables of the calls that a host takes about a domain, to hold each of them to the same promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoscaler.core.model import DomainView
from autoscaler.service.host import Host
from tests.contract.backend import BOOT_PLUGGED

Call = Callable[[Host, DomainView], object]


def _plug(host: Host, view: DomainView) -> None:
    host.hypervisor.plug(view.id, expect=BOOT_PLUGGED, target=BOOT_PLUGGED + 1)


_ASKING = [
    pytest.param(lambda host, view: host.probe.sample(view), id="sample"),
    pytest.param(lambda host, view: host.cpus.vcpus(view.id), id="vcpus"),
    pytest.param(lambda host, view: host.cpus.set_online(view.id, target=1), id="set_online"),
]

every_call_to_a_guest = pytest.mark.parametrize("call", _ASKING)
every_call = pytest.mark.parametrize("call", [pytest.param(_plug, id="plug"), *_ASKING])
