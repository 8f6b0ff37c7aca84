"""Guests' agents, asked by the actuator: libvirt lets only those ask them who may change guests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.actuator.protocol import Reading, Verb
from autoscaler.backends.agent.guest_agent import sample_of_host
from autoscaler.core.model import GuestVcpus, Sample
from autoscaler.errors import AgentBlocked, BackendUnavailable, NoChannel

if TYPE_CHECKING:
    from autoscaler.backends.actuator.client import ActuatorClient
    from autoscaler.core.model import DomainId, DomainView

T = TypeVar("T")


class ActuatedGuests:
    """A `GuestProbe` and `GuestCpus`."""

    def __init__(self, client: ActuatorClient) -> None:
        """Take the way to the actuator."""
        self._client = client

    def sample(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        """Read the counters by the best source this guest allows; see `GuestProbe`."""
        try:
            found = self._client.read(
                Reading.SAMPLE, host=domain.id.host, uuid=domain.id.uuid, pressure=pressure
            )
        except (NoChannel, AgentBlocked) as error:
            return sample_of_host(domain, error)
        return expected(found, Sample)

    def vcpus(self, domain: DomainId) -> GuestVcpus:
        """List the vCPUs as the guest's kernel sees them; see `GuestCpus`."""
        return expected(self._client.read(Reading.VCPUS, host=domain.host, uuid=domain.uuid), GuestVcpus)

    def set_online(self, domain: DomainId, *, target: int) -> GuestVcpus:
        """Bring the online vCPUs to `target`; see `GuestCpus`.

        Only what a guest runs beyond it takes a second request.
        """
        found = expected(self._client.change(Verb.ONLINE, domain, target=target), GuestVcpus)
        if found.online <= target:
            return found
        return expected(self._client.change(Verb.OFFLINE, domain, target=target), GuestVcpus)


def expected(value: object, kind: type[T]) -> T:
    """The value, where it is of this kind.

    Raises:
        BackendUnavailable: it is not; the actuator is of another version.
    """
    if not isinstance(value, kind):
        raise BackendUnavailable(
            "the actuator answers something else than it was asked: see that it is of the version of the "
            "service, and `systemctl restart vcpu-autoscaler-actuator`"
        )
    return value
