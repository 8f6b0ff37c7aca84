"""What a guest says of itself through its agent, asked once, for whoever examines a domain.

Invariant: nothing but reading is asked, and one question that the agent does not allow costs no other: its
answer is None. An agent that fails otherwise ends the inspection with its error.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.agent.files import READ, GuestFiles
from autoscaler.backends.agent.probe_ladder import ProbeLadder
from autoscaler.backends.agent.session import AgentSession
from autoscaler.backends.agent.vcpus import OnlineLadder
from autoscaler.backends.agent.wire import printable
from autoscaler.errors import AgentBlocked, AgentRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.model import CpuSource, DomainId, GuestVcpus
    from autoscaler.ports import AgentChannel, Clock

_T = TypeVar("_T")

OWN_RULE = "/etc/udev/rules.d/80-hotplug-cpu.rules"
"""Where an administrator is told to put a rule."""
_RULES = (
    OWN_RULE,
    "/etc/udev/rules.d/80-hotplug-cpu-mem.rules",
    "/usr/lib/udev/rules.d/40-redhat.rules",
    "/usr/lib/udev/rules.d/80-hotplug-cpu-mem.rules",
)
"""Where distributions and administrators keep the rule that brings a new vCPU online."""
_OF_CPUS = re.compile(r'SUBSYSTEM[!=]="cpu"')
_ONLINES = re.compile(r'ATTR\{online\}="1"')
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOs:
    """What runs in a guest, in its own words made printable; empty: not said."""

    id: str
    """As in os-release (``debian``), or ``mswindows``."""
    name: str
    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInspection:
    """All that an agent told."""

    version: str | None
    enabled: frozenset[str] | None
    """Commands that it allows; None: it does not say."""
    source: CpuSource | None
    """What its CPU load was read by, as a probe reads it; None: it allows nothing that tells it."""
    vcpus: GuestVcpus | None
    os: GuestOs | None
    clock_ahead_s: float | None
    """By how much the guest's clock is ahead of this host's."""
    clock_doubt_s: float
    """By how much that figure may be wrong: half the time that the answer took."""
    rule: str | None
    """The file of the rule by which new vCPUs come online by themselves; None: none was found."""
    rules_read: bool
    """Whether files could be looked at for one."""

    def allows(self, *commands: str) -> bool:
        """Whether none of them is known to be blocked."""
        return self.enabled is None or self.enabled.issuperset(commands)


class AgentInspector:
    """Asks agents over one channel."""

    def __init__(self, channel: AgentChannel, clock: Clock, *, timeout_s: float) -> None:
        """Remember how; `timeout_s` bounds each question."""
        self._channel = channel
        self._clock = clock
        self._timeout_s = timeout_s

    def inspect(self, domain: DomainId, name: str) -> AgentInspection:
        """Ask one agent all there is to ask.

        Raises:
            AutoscalerError: as `AgentChannel.ask`, but for what it refuses or does not allow.
        """
        session = AgentSession(self._channel, domain)
        questions = _Questions(session, self._clock, name, self._timeout_s)
        info = questions.ask(session.info)
        questions.ask(session.check_not_frozen)
        assert info is not None, "an agent that does not tell is no error"
        source = questions.ask(questions.source)
        vcpus = questions.ask(questions.vcpus)
        guest_os = questions.ask(questions.guest_os)
        ahead_s, doubt_s = questions.ask(questions.clock) or (None, 0.0)
        rules_read = info.allows(READ)
        return AgentInspection(
            version=info.version,
            enabled=info.enabled,
            source=source,
            vcpus=vcpus,
            os=guest_os,
            clock_ahead_s=ahead_s,
            clock_doubt_s=doubt_s,
            rule=questions.rule() if rules_read else None,
            rules_read=rules_read,
        )


class _Questions:
    """Those to one agent, each with its own deadline."""

    def __init__(self, session: AgentSession, clock: Clock, name: str, timeout_s: float) -> None:
        self._session = session
        self._clock = clock
        self._name = name
        self._timeout_s = timeout_s
        self._files = GuestFiles(session)

    def ask(self, question: Callable[[], _T]) -> _T | None:
        """None: it is not allowed, or not known to this agent."""
        self._session.begin(timeout_s=self._timeout_s, name=self._name)
        try:
            return question()
        except (AgentBlocked, AgentRefused):
            return None

    def source(self) -> CpuSource:
        ladder = ProbeLadder(self._session, self._files)
        try:
            source, _ = ladder.read(self._clock.monotonic_s())
        finally:
            ladder.release()
        return source

    def vcpus(self) -> GuestVcpus:
        return OnlineLadder(self._session, self._files).vcpus()

    def guest_os(self) -> GuestOs:
        answer = self._session.ask("guest-get-osinfo")
        words = {}
        for key in ("id", "pretty-name", "name", "version", "kernel-release"):
            said = answer.optional(key)
            words[key] = "" if said is None else printable(said.text())
        name = words["pretty-name"] or f"{words['name']} {words['version']}".strip()
        return GuestOs(id=words["id"], name=name, kernel=words["kernel-release"])

    def clock(self) -> tuple[float, float]:
        before_s = self._clock.wall_s()
        guest_s = self._session.ask("guest-get-time").count() / _NS_PER_S
        after_s = self._clock.wall_s()
        return guest_s - (before_s + after_s) / 2, (after_s - before_s) / 2

    def rule(self) -> str | None:
        """The first file that brings new vCPUs online."""
        for path in _RULES:
            content = self.ask(lambda path=path: self._files.read(path))  # type: ignore[misc]
            if content is not None and brings_online(content.decode(errors="replace")):
                return path
        with suppress(AgentBlocked, AgentRefused):
            self._session.check_not_frozen()
        return None


def brings_online(rules: str) -> bool:
    """Whether udev rules hold one that writes 1 to the `online` of a vCPU that was added."""
    lines = [line for line in rules.splitlines() if not line.lstrip().startswith("#")]
    return any(map(_OF_CPUS.search, lines)) and any(map(_ONLINES.search, lines))
