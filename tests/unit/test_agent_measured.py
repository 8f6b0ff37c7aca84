from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.agent.measured import MeasuredChannel
from autoscaler.core.model import DomainId
from autoscaler.errors import AgentBlocked

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB = DomainId("lab", "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11")


class Echo:
    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        if command == "guest-exec":
            raise AgentBlocked("not here")
        return (domain, command, arguments, timeout_s)


def test_each_request_is_told_with_its_time_and_its_error() -> None:
    told: list[tuple[str, float, str | None]] = []
    channel = MeasuredChannel(Echo(), lambda *seen: told.append(seen))
    assert channel.ask(WEB, "guest-sync", {"id": 1}, timeout_s=2) == (WEB, "guest-sync", {"id": 1}, 2)
    with pytest.raises(AgentBlocked):
        channel.ask(WEB, "guest-exec", timeout_s=2)
    assert [(command, error) for command, _, error in told] == [
        ("guest-sync", None),
        ("guest-exec", "AgentBlocked"),
    ]
    assert all(0 <= seconds < 1 for _, seconds, _ in told)
