"""One test's view: a fresh connection of the product beside the backend's own hand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from autoscaler.core.model import DomainId
from autoscaler.errors import AutoscalerError
from tests.contract.backend import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.core.model import DomainView, GuestVcpus
    from autoscaler.service.host import Host
    from tests.contract.backend import Backend, Domain


@dataclass(frozen=True, slots=True)
class Scene:
    """A backend and an open host on it."""

    backend: Backend
    host: Host

    def id_of(self, domain: Domain) -> DomainId:
        """What the product calls a domain."""
        return DomainId(self.host.label, domain.uuid)

    def find(self, domain: Domain) -> DomainView | None:
        """What the next sweep says of a domain."""
        wanted = self.id_of(domain)
        return next((view for view in self.host.hypervisor.domains() if view.id == wanted), None)

    def view(self, domain: Domain) -> DomainView:
        """What a sweep says of a domain that it lists, or will in a moment."""
        return eventually(lambda: self.find(domain))

    def plug(self, domain: Domain, target: int) -> None:
        """Have at least `target` vCPUs plugged."""
        plugged = self.view(domain).plugged
        if plugged < target:
            self.host.hypervisor.plug(self.id_of(domain), expect=plugged, target=target)

    def present(self, domain: Domain, target: int) -> GuestVcpus:
        """Wait until the guest lists `target` vCPUs."""
        found: list[GuestVcpus] = []

        def listed() -> bool:
            found[:] = [self.host.cpus.vcpus(self.id_of(domain))]
            return found[0].present >= target

        eventually(listed)
        return found[0]


class Told:
    """The error, once it was raised."""

    error: AutoscalerError

    @property
    def sentence(self) -> str:
        return str(self.error)


@contextmanager
def refused(*errors: type[AutoscalerError], domain: Domain, words: str = "") -> Iterator[Told]:
    """One of `errors` is raised, in a sentence that names the domain and says `words`."""
    told = Told()
    with pytest.raises(errors) as caught:
        yield told
    told.error = caught.value
    assert domain.name in told.sentence or domain.uuid in told.sentence
    assert words in told.sentence
