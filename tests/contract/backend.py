"""What every backend under the contract is to the suite: the product's own way in, and another hand's.

The suite looks and acts through a `Host`, composed as the service composes it. What it checks that against,
and what happens to a guest meanwhile, goes through `Domain`, which has nothing to do with the product.

Invariant: a test asks no backend what it is; where backends differ, it goes by their `Abilities`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry

from autoscaler.backends.closing import HostClosing
from autoscaler.errors import AutoscalerError
from autoscaler.service.clock import SystemClock
from autoscaler.service.composition import connect
from autoscaler.service.config import Config, Listen
from autoscaler.service.daemon import Service
from autoscaler.service.instruments import Instruments
from autoscaler.service.settings import HostLimits
from tests.fakes.running_actuator import running_actuator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager, ExitStack
    from pathlib import Path

    from autoscaler.ports import Clock
    from autoscaler.service.config import Connection
    from autoscaler.service.host import Host
    from autoscaler.service.snapshot import Snapshot
    from tests.contract.abilities import Abilities

T = TypeVar("T")

BOOT_PLUGGED = 1
MAXIMUM = 4
PATIENCE_S = 20.0
"""How long anything that is bound to happen may take; much more than it does."""


class NotHere(Exception):
    """The backend cannot run on this machine; the text says what it needs."""


class Domain(ABC):
    """One domain, as another hand than the product's sees and handles it."""

    def __init__(self, *, name: str, uuid: str) -> None:
        self.name = name
        self.uuid = uuid

    @abstractmethod
    def vcpus(self) -> tuple[int, int]:
        """VCPUs plugged, and the maximum."""

    @abstractmethod
    def is_running(self) -> bool: ...

    @abstractmethod
    def is_emulated(self) -> bool | None:
        """Whether its QEMU does without KVM; None: there is no QEMU."""

    @abstractmethod
    def pause(self) -> None: ...

    @abstractmethod
    def resume(self) -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """End it as a crash does."""

    def label(self, labels: Mapping[str, str]) -> None:
        """Give it these labels in place of those it had, as its owner does; where it can carry any."""
        raise NotImplementedError(f"{self.name} carries no labels: {labels}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold it for the block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()


class Guest(ABC):
    """What runs in a domain: how to load it and to silence its agent."""

    @abstractmethod
    def load(self, vcpus: float) -> None:
        """Want so many vCPUs from now on."""

    @abstractmethod
    def hang_agent(self) -> None:
        """Let the agent hold its channel and answer nothing."""

    @abstractmethod
    def end_agent(self) -> None:
        """End the agent's process."""

    @abstractmethod
    def start_agent(self) -> None:
        """Bring an agent back that hangs or was ended."""


@dataclass(frozen=True, slots=True)
class Inhabited:
    """A domain with its guest."""

    domain: Domain
    guest: Guest


class Backend(ABC):
    """One way to reach domains."""

    def __init__(self, abilities: Abilities) -> None:
        self.abilities = abilities

    @property
    def clock(self) -> Clock:
        """What stamps views and samples."""
        return SystemClock()

    @abstractmethod
    def open_host(self, opened: ExitStack) -> Host:
        """A fresh connection, as the service makes it; closed by `opened`."""

    @abstractmethod
    def started(self, name: str) -> AbstractContextManager[Domain]:
        """A domain of the caller's own with 1 of 4 vCPUs, whose guest may still be booting."""

    @abstractmethod
    def booted(self, name: str) -> AbstractContextManager[Inhabited]:
        """A domain of the caller's own with 1 of 4 vCPUs, whose agent answers."""

    @abstractmethod
    def serving(self, policy: Path, state: Path) -> AbstractContextManager[Callable[[], Snapshot]]:
        """The whole service at work over this backend; gives its newest snapshot."""


class ConnectedBackend(Backend):
    """A backend that the service reaches by a connection of its configuration."""

    def __init__(self, abilities: Abilities, connection: Connection) -> None:
        super().__init__(abilities)
        self._connection = connection
        self._actuator: Path | None = None

    def actuated(self, opened: ExitStack) -> ConnectedBackend:
        """The same, changed by another process from now on."""
        running = running_actuator(self._connection, timeout_s=self.abilities.agent_timeout_s)
        self._actuator = opened.enter_context(running).socket
        return self

    def open_host(self, opened: ExitStack) -> Host:
        config = Config(
            connections=(self._connection,),
            actuator=self._actuator,
            agent_timeout_s=self.abilities.agent_timeout_s,
        )
        closing = HostClosing(self.clock)
        opened.callback(closing.close)
        (host,) = connect(config, self.clock, Instruments(CollectorRegistry()), closing)
        return host

    @contextmanager
    def serving(self, policy: Path, state: Path) -> Iterator[Callable[[], Snapshot]]:
        service = Service(
            Config(
                connections=(self._connection,),
                actuator=self._actuator,
                policies=(policy,),
                state=state,
                interval_s=0.5,
                agent_timeout_s=self.abilities.agent_timeout_s,
                listen=Listen("127.0.0.1", 0),
                # The suite's other guests run here too, on a host that may have two CPUs.
                host=HostLimits(overcommit=64.0),
            )
        )
        thread = threading.Thread(target=service.run, name="controller")
        thread.start()
        try:
            yield lambda: service.snapshot
        finally:
            service.stop()
            thread.join(PATIENCE_S)


def eventually(look: Callable[[], T | None], *, within_s: float = PATIENCE_S) -> T:
    """Look until something is found (anything true), and return it.

    An AutoscalerError means not yet.
    """
    end_s = time.monotonic() + within_s
    seen: T | AutoscalerError | None
    while True:
        try:
            seen = look()
        except AutoscalerError as error:
            seen = error
        else:
            if seen:
                return seen
        assert time.monotonic() < end_s, f"it did not happen within {within_s:g} s; last seen: {seen!r}"
        time.sleep(0.02)
