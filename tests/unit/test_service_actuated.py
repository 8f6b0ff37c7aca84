"""The service with an actuator: it sees guests, and holds no right to change one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from autoscaler.backends.closing import HostClosing
from autoscaler.errors import BackendUnavailable
from autoscaler.service.clock import SystemClock
from autoscaler.service.composition import connect
from autoscaler.service.config import Config, LibvirtConnection
from autoscaler.service.instruments import Instruments

libvirt = pytest.importorskip("libvirt")


def test_it_never_opens_a_connection_that_may_change_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_to_write: list[str] = []
    monkeypatch.setattr(libvirt, "open", opened_to_write.append)
    with ExitStack() as opened:
        closing = HostClosing(SystemClock())
        opened.callback(closing.close)
        config = Config(
            connections=(LibvirtConnection("test:///default"),), actuator=tmp_path / "no-actuator"
        )
        (host,) = connect(config, SystemClock(), Instruments(CollectorRegistry()), closing)
        (view, *_) = host.hypervisor.domains()

        for call in (
            lambda: host.hypervisor.plug(view.id, expect=view.plugged, target=view.plugged + 1),
            lambda: host.hypervisor.unplug(view.id, expect=view.plugged, target=view.plugged - 1),
            lambda: host.probe.sample(view),
            lambda: host.cpus.vcpus(view.id),
            host.hypervisor.hear_firmware,
        ):
            with pytest.raises(BackendUnavailable, match="no actuator answers"):
                call()
        assert host.hypervisor.domains(), "what is only seen is seen without it"
        assert host.versions(view.id).libvirt is not None

    assert opened_to_write == []
