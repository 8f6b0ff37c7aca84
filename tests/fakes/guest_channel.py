"""An agent channel straight into a scripted guest, and a clock that stands still: no socket, no waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.backends.agent.wire import refusal
from autoscaler.core.model import DomainId, DomainView, RunState
from autoscaler.errors import AgentRefused
from tests.fakes.scripted_guest import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.errors import AutoscalerError
    from tests.fakes.scripted_guest import ScriptedGuest

WEB = DomainId("lab", "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11")
VIEW = DomainView(
    id=WEB, name="web-1", state=RunState.RUNNING, plugged=2, maximum=4, at_s=90.0, vcpu_time_s=7.5
)


@dataclass
class SteppedClock:
    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return 1.7e9 + self.now_s


@dataclass
class GuestChannel:
    """An `AgentChannel` to one scripted guest."""

    guest: ScriptedGuest
    asked: list[str] = field(default_factory=list)
    failures: dict[str, AutoscalerError] = field(default_factory=dict)
    """Command (``*``: every one) -> what comes instead of its answer, though it was carried out."""
    unreachable: AutoscalerError | None = None
    libvirt: bool = False
    """libvirt passes on the words of an error, not its class: what it does not know is a refusal."""

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        assert domain == WEB
        assert timeout_s > 0
        self.asked.append(command)
        if self.unreachable is not None:
            raise self.unreachable
        try:
            answer = self.guest.execute(command, arguments or {})
        except Refusal as refused:
            if self.libvirt and "frozen" in str(refused):
                raise AgentRefused(str(refused)) from None
            raise refusal(
                refused.reply["class"], refused.reply["desc"], domain=VIEW.named, command=command
            ) from None
        failure = self.failures.get(command)
        if failure is not None:
            raise failure
        return answer

    def take_asked(self) -> list[str]:
        taken, self.asked = self.asked, []
        return taken
