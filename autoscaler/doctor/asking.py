"""What is asked for, and how guests' agents are: shared by both ways to a domain."""

from __future__ import annotations

import os
import pwd
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.protocol import Reading
from autoscaler.backends.agent.inspection import AgentInspector
from autoscaler.core.model import RunState
from autoscaler.errors import AutoscalerError, DomainBusy
from autoscaler.service.settings import HostLimits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autoscaler.backends.agent.inspection import AgentInspection
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.ports import AgentChannel, Clock

_AT_ONCE = 8
"""Agents that are asked at the same time."""
_ACTUATOR_S = 10.0
"""How long the actuator's answer is waited for: it may have to look at every domain."""
SERVICE, ACTUATOR = "vcpu-autoscaler", "vcpu-autoscaler-actuator"
"""Users whom the installation makes (sysusers.d)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be looked at, and by what measure."""

    domain: str | None = None
    """A name or UUID; None: every running domain."""
    policies: PolicySet | None = None
    """None: not known."""
    limits: HostLimits = field(default_factory=HostLimits)
    agent_timeout_s: float = 2.0
    actuator: Path | None = None
    """Socket of the process that changes guests; None: the service does."""

    def wants(self, name: str, uuid: str) -> bool:
        """Whether this domain is to be looked at."""
        return self.domain is None or self.domain == name or self.domain.lower() == uuid

    def policy_of(self, view: DomainView | None, name: str, uuid: str) -> Policy | None:
        """What governs a domain; one that does not run is told by its name alone."""
        if self.policies is None or (view is not None and view.claimed_by is not None):
            return None
        return self.policies.governing(name, uuid, {} if view is None else view.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an agent told, or why it did not."""

    inspection: AgentInspection | None = None
    trouble: str = ""
    busy: bool = False
    """That passes."""


def installed(user: str) -> int | None:
    """The number of one of the installation's users; None: there is none here."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def ask_actuator(request: Request, label: str) -> str | None:
    """Why the process that changes guests does not serve a connection; empty: it does.

    None: there is no such process, or it answers others than this user.
    """
    if request.actuator is None or os.geteuid() not in {0, installed(SERVICE)}:
        return None
    client = ActuatorClient(request.actuator, asked=lambda *_: None, refused=lambda _: None)
    try:
        client.read(Reading.DOMAINS, host=label, patience_s=_ACTUATOR_S)
    except AutoscalerError as error:
        return str(error)
    return ""


def ask_agents(
    channel: AgentChannel, clock: Clock, views: Iterable[DomainView], *, timeout_s: float
) -> dict[DomainId, Told]:
    """Ask the agents of these domains, some at a time."""
    inspector = AgentInspector(channel, clock, timeout_s=timeout_s)

    def ask(view: DomainView) -> tuple[DomainId, Told]:
        if view.state is not RunState.RUNNING:
            return view.id, Told(trouble=f"domain {view.name} does not run: it is {view.state}", busy=True)
        try:
            return view.id, Told(inspection=inspector.inspect(view.id, view.name))
        except AutoscalerError as error:
            return view.id, Told(trouble=str(error), busy=isinstance(error, DomainBusy))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(pool.map(ask, views))
