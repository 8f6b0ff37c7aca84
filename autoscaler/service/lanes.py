"""Where blocking work runs: bounded pools, so that hung guests never hold up the sweep or a change.

Each host has pools of its own, so that one whose calls all hang holds up no other.

A piece of work runs on a worker thread and its result comes back as a call on the controller's own thread.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Lane(StrEnum):
    """Which pool a piece of work runs in."""

    SWEEP = "sweep"
    PROBE = "probe"
    ACT = "act"
    POLICIES = "policies"
    """Reading the policy files: one after the other, so that what was read last is what is in force."""


class Submit(Protocol):
    """Gets work done elsewhere."""

    def __call__(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",
    ) -> None:
        """Run `work` on the lane's pool; `then` gets its value, or its error, on the controller's thread.

        `host`: the label of the host whose pool it is; empty: that of the service itself.
        """
        ...


def outcome_of(work: Callable[[], T]) -> T | AutoscalerError:
    """Run `work`; an error comes back as a value. One that has no name is logged and given one."""
    try:
        return work()
    except AutoscalerError as error:
        return error
    except Exception as error:  # noqa: BLE001 - one bad call must not end the service for every domain
        _log.exception("a call failed in a way that it should not")
        return AutoscalerError(f"internal error: {error!r}; please report it with the log")
