"""The host in memory, on a clock that runs by itself: scenario tests rest on it, so it keeps the contract."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.backends.agent.wire import nobody_listens
from autoscaler.core.model import RunState
from autoscaler.errors import AgentUnresponsive
from autoscaler.policyfile.load import load_policies
from tests.contract.backend import Backend, Domain, Guest, Inhabited
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

    from autoscaler.core.model import DomainId
    from autoscaler.service.host import Host
    from autoscaler.service.snapshot import Snapshot
    from tests.contract.abilities import Abilities


class RunningClock(SimulatedClock):
    """Goes on by itself from where it was set."""

    @property
    def now_s(self) -> float:
        return self._ahead_s + time.monotonic()

    @now_s.setter
    def now_s(self, value: float) -> None:
        self._ahead_s = value - time.monotonic()


class SimulatedBackend(Backend):
    """Guests in a dictionary, seen by whichever host was opened last."""

    def __init__(self, abilities: Abilities) -> None:
        super().__init__(abilities)
        self._clock = RunningClock()
        self._guests: dict[DomainId, SimulatedGuest] = {}
        self._host = SimulatedHost(self._clock)

    @property
    def clock(self) -> RunningClock:
        return self._clock

    def open_host(self, opened: ExitStack) -> Host:
        self._host = SimulatedHost(self._clock)
        self._host.guests = self._guests
        opened.callback(self._host.close)
        return self._host.as_host()

    def kill(self, guest: SimulatedGuest) -> None:
        """End a guest, where it runs."""
        if guest.id in self._guests:
            self._host.guests = self._guests
            self._host.stop(guest)

    def runs(self, guest: SimulatedGuest) -> bool:
        return guest.id in self._guests

    @contextmanager
    def started(self, name: str) -> Iterator[Domain]:
        with self.booted(name) as inhabited:
            yield inhabited.domain

    @contextmanager
    def booted(self, name: str) -> Iterator[Inhabited]:
        guest = SimulatedGuest(name, self._clock)
        self._host.guests = self._guests
        self._host.add(guest)
        yield Inhabited(_Domain(guest, self), _Guest(guest))
        self.kill(guest)

    @contextmanager
    def serving(self, policy: Path, state: Path) -> Iterator[Callable[[], Snapshot]]:
        policies = load_policies([policy]).policy_set
        assert policies is not None
        self._host = SimulatedHost(self._clock)
        self._host.guests = self._guests
        simulation = Simulation(self._host, policies.policies, folder=state)

        def a_while_later() -> Snapshot:
            simulation.run(1.0)
            return simulation.snapshot

        yield a_while_later
        simulation.journal.close()


class _Domain(Domain):
    def __init__(self, guest: SimulatedGuest, backend: SimulatedBackend) -> None:
        super().__init__(name=guest.name, uuid=guest.id.uuid)
        self._guest = guest
        self._backend = backend

    def vcpus(self) -> tuple[int, int]:
        return self._guest.plugged, self._guest.maximum

    def is_running(self) -> bool:
        return self._backend.runs(self._guest)

    def is_emulated(self) -> bool | None:
        return self._guest.emulated

    def pause(self) -> None:
        self._guest.set(state=RunState.PAUSED)

    def resume(self) -> None:
        self._guest.set(state=RunState.RUNNING)

    def kill(self) -> None:
        self._backend.kill(self._guest)

    def label(self, labels: Mapping[str, str]) -> None:
        self._guest.set(labels=labels)


class _Guest(Guest):
    def __init__(self, guest: SimulatedGuest) -> None:
        self._guest = guest

    def load(self, vcpus: float) -> None:
        self._guest.set(demand=vcpus)

    def hang_agent(self) -> None:
        self._guest.set(agent_error=AgentUnresponsive(f"the agent of domain {self._guest.name} is silent"))

    def end_agent(self) -> None:
        self._guest.set(agent_error=nobody_listens(self._guest.name))

    def start_agent(self) -> None:
        self._guest.set(agent_error=None)
