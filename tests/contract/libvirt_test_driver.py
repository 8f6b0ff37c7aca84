"""libvirt's own test driver, ``test:///default``: real libvirt calls and events, domains that run nothing.

It has no guest agent, so that here the suite sees how a guest is refused that cannot be asked. Its state
lives in this process, for as long as one connection to it is open.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import libvirt

from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.service.config import LibvirtConnection
from tests.contract.backend import (
    BOOT_PLUGGED,
    MAXIMUM,
    ConnectedBackend,
    Domain,
    Inhabited,
)
from tests.fakes.libvirt_domains import pretend_domain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager, ExitStack

    from tests.contract.abilities import Abilities

URI = "test:///default"


class LibvirtDomain(Domain):
    """A domain through a libvirt connection of the suite's own."""

    def __init__(self, domain: libvirt.virDomain) -> None:
        super().__init__(name=domain.name(), uuid=domain.UUIDString())
        self._domain = domain

    def vcpus(self) -> tuple[int, int]:
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        maximum = live | libvirt.VIR_DOMAIN_VCPU_MAXIMUM
        return self._domain.vcpusFlags(live), self._domain.vcpusFlags(maximum)

    def is_running(self) -> bool:
        try:
            return bool(self._domain.isActive())
        except libvirt.libvirtError:
            return False

    def is_emulated(self) -> bool | None:
        return None

    def pause(self) -> None:
        self._domain.suspend()

    def resume(self) -> None:
        self._domain.resume()

    def kill(self) -> None:
        self._domain.destroy()

    def label(self, labels: Mapping[str, str]) -> None:
        element = f"<labels {' '.join(f'{key}={quoteattr(value)}' for key, value in labels.items())}/>"
        kind, live = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_LIVE
        self._domain.setMetadata(kind, element, "autoscaler", "urn:vcpu-autoscaler:1", live)


class LibvirtTestBackend(ConnectedBackend):
    """Domains of the test driver."""

    def __init__(self, abilities: Abilities, opened: ExitStack) -> None:
        super().__init__(abilities, LibvirtConnection(URI))
        ensure_event_loop()
        self._administrator = libvirt.open(URI)
        opened.callback(self._administrator.close)

    @contextmanager
    def started(self, name: str) -> Iterator[Domain]:
        xml = pretend_domain(name, vcpus=BOOT_PLUGGED, maximum=MAXIMUM)
        domain = LibvirtDomain(self._administrator.createXML(xml, 0))
        yield domain
        if domain.is_running():
            domain.kill()

    def booted(self, name: str) -> AbstractContextManager[Inhabited]:
        raise NotImplementedError(f"{name}: a domain of the test driver has no guest")
