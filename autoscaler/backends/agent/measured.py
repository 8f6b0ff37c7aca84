"""Times every request to a guest agent, over any channel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autoscaler.core.model import DomainId
    from autoscaler.ports import AgentChannel


class MeasuredChannel:
    """An `AgentChannel` that tells an observer what each request took and how it failed."""

    def __init__(self, channel: AgentChannel, observe: Callable[[str, float, str | None], None]) -> None:
        """Wrap a channel.

        Args:
            channel: what is asked.
            observe: called, from the asking thread, with the command, the seconds it took, and the name of
                the error's class or None. The commands are those of the ladders: a closed set.
        """
        self._channel = channel
        self._observe = observe

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        """Ask the wrapped channel; see `AgentChannel`."""
        began_s = time.perf_counter()
        failed: str | None = None
        try:
            return self._channel.ask(domain, command, arguments, timeout_s=timeout_s)
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            self._observe(command, time.perf_counter() - began_s, failed)
