"""What is known of one guest's agent, and the requests of one call to it under one deadline.

Two things about an agent outlast a call: what it allows (guest-info), and how many answers were lost that
named something it now keeps for us. Invariant: at most `MOST_LOST` file handles or processes are ever left
behind in one agent, however slow its guest is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.backends.agent.answer import Answer
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.agent.wire import frozen, printable
from autoscaler.core.named import Named
from autoscaler.errors import AgentBlocked, AgentRefused, AgentUnresponsive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoscaler.core.model import DomainId
    from autoscaler.ports import AgentChannel

MOST_LOST = 8
_MOST_COMMANDS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInfo:
    """What guest-info told, once."""

    version: str | None
    """As the agent words it; None: it does not say."""
    enabled: frozenset[str] | None
    """Commands that it allows; None: it does not say, so that each is to be tried."""

    def allows(self, commands: Iterable[str]) -> bool:
        """Whether none of `commands` is known to be blocked."""
        return self.enabled is None or self.enabled.issuperset(commands)


class AgentSession:
    """One guest's agent. `begin` starts a call; one call at a time."""

    def __init__(self, channel: AgentChannel, domain: DomainId) -> None:
        self._channel = channel
        self._domain = domain
        self.name = domain.uuid
        self._timeout_s = 0.0
        self._deadline = Deadline.after(0.0)
        self._info: AgentInfo | None = None
        self._lost = 0

    def begin(self, *, timeout_s: float, name: str | None = None) -> None:
        """Start a call that may take `timeout_s` in all; `name` is what messages call the domain."""
        self.name = name or self.name
        self._timeout_s = timeout_s
        self._deadline = Deadline.after(timeout_s)

    def ask(self, command: str, arguments: Mapping[str, object] | None = None) -> Answer:
        """Send one request within the call's deadline.

        Raises:
            AutoscalerError: as `AgentChannel.ask`.
        """
        value = self._channel.ask(self._domain, command, arguments, timeout_s=self._left_s(command))
        return Answer(value, f"{command} of domain {self.name}")

    def create(self, command: str, arguments: Mapping[str, object]) -> Answer:
        """`ask` for something that the agent keeps until it is told otherwise: a file handle, a process.

        Raises:
            AgentBlocked: too many answers of this kind were lost, each with something left behind.
            AutoscalerError: as `AgentChannel.ask`.
        """
        if self._lost >= MOST_LOST:
            raise AgentBlocked(
                f"the agent of domain {self.name} {MOST_LOST} times did not say in time what {command} made: "
                f"it is not asked again until it restarts; `systemctl restart qemu-guest-agent` in the guest"
            )
        self._left_s(command)  # A request that is not sent leaves nothing behind.
        try:
            return self.ask(command, arguments)
        except AgentUnresponsive:
            self._lost += 1
            raise

    def pause(self, seconds: float) -> None:
        """Give the guest a moment, within the call's deadline."""
        time.sleep(min(seconds, self._deadline.left_s()))

    def info(self) -> AgentInfo:
        """What the agent allows; asked once and kept, the same object, until `forget_info`."""
        if self._info is None:
            self._info = self._ask_info()
        return self._info

    @property
    def version(self) -> str | None:
        """The agent's version, if it was heard since the last `forget_info`."""
        return self._info.version if self._info else None

    def forget_info(self) -> None:
        """Ask guest-info anew when it is next needed: the agent may be another one by then."""
        self._info = None

    def agent_restarted(self) -> None:
        """Note that the agent lost what it kept for us, and so what was left behind in it as well."""
        self._lost = 0
        self.forget_info()

    def check_not_frozen(self) -> None:
        """Tell a refusal for good from one that lasts while the guest's filesystems are frozen.

        Raises:
            DomainBusy: they are frozen.
            AutoscalerError: as `AgentChannel.ask`, but not AgentBlocked or AgentRefused.
        """
        try:
            status = self.ask("guest-fsfreeze-status").value
        except (AgentBlocked, AgentRefused):
            return
        if status == "frozen":
            raise frozen(Named(*self._domain, self.name))

    def _left_s(self, command: str) -> float:
        left_s = self._deadline.left_s()
        if not left_s:
            raise AgentUnresponsive(
                f"the agent of domain {self.name} took over {self._timeout_s:.3g} s, {command} not yet asked"
            )
        return left_s

    def _ask_info(self) -> AgentInfo:
        try:
            answer = self.ask("guest-info")
        except (AgentBlocked, AgentRefused):
            return AgentInfo(version=None, enabled=None)
        commands = answer.field("supported_commands").items(at_most=_MOST_COMMANDS)
        return AgentInfo(
            version=printable(answer.field("version").text()),
            enabled=frozenset(
                command.field("name").text() for command in commands if command.field("enabled").flag()
            ),
        )
