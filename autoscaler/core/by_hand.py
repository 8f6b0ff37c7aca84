"""Since when a domain's vCPUs are as somebody else set them, and how that outlives the service.

A change that was noticed is kept with the time that it is still to be respected. One that is made while the
service is away shows when it starts again: by counts that are not those that it last saw.

Invariants: what was noticed counts only for a domain that still has as many vCPUs plugged, for one that was
stopped and started meanwhile is as it is defined, not as somebody set it; other counts count only within one
boot of the guest, and only where nothing that was begun here can have led to them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from autoscaler.core.demand import SAME_BOOT_S
from autoscaler.core.dumped import LONGEST_S, branch, number, whole
from autoscaler.core.left_behind import LATE_S
from autoscaler.core.model import MOST_VCPUS
from autoscaler.core.operation import Direction, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from autoscaler.core.model import Sample

_KEY, _COUNTS_KEY = "by_hand", "counts"
_MAY_COME_LATE = frozenset({None, Outcome.FAILED, Outcome.STUCK})


@dataclass(slots=True, init=False, unsafe_hash=True)
class Counts:
    """A domain's vCPUs in one boot of its guest."""

    plugged: Final[int]
    online: Final[int]
    boot_s: Final[float]
    """The guest's boot time, by its own wall clock."""

    def __init__(self, plugged: int, online: int, boot_s: float) -> None:
        self.plugged = plugged
        self.online = online
        self.boot_s = boot_s

    def same_as(self, other: Counts | None) -> bool:
        """Whether they are those of the other, in the same boot."""
        return (
            other is not None
            and self.plugged == other.plugged
            and self.online == other.online
            and abs(self.boot_s - other.boot_s) <= SAME_BOOT_S
        )


@dataclass(slots=True)
class ByHand:
    """The last change that somebody else made and that is still to be respected."""

    since_s: float | None = None
    """When it was seen; None: there is none."""
    before: Counts | None = None
    """What the run before saw last, to compare the first sample with; None: not known, or done."""
    begun: tuple[Operation, ...] = ()
    """What was begun by then and may have come true since."""

    def changed_meanwhile(self, plugged: int, sample: Sample) -> bool:
        """Whether somebody changed the vCPUs while the service was away: to be asked at every sample."""
        before, self.before = self.before, None
        if before is None or sample.boot_s is None or abs(sample.boot_s - before.boot_s) > SAME_BOOT_S:
            return False
        # What went was no longer run, either, and some of it was until then, where it was needed again.
        most = min(before.online, plugged)
        least = min(most, before.online - (before.plugged - plugged))
        return not (
            self._may_have_led(before.plugged, plugged, (Direction.UP, Direction.UNPLUG))
            and any(
                self._may_have_led(online, len(sample.online), (Direction.UP, Direction.DOWN))
                for online in range(least, most + 1)
            )
        )

    def _may_have_led(self, before: int, after: int, ways: Collection[Direction]) -> bool:
        """Whether a count is as it was, or a change of ours in one of these ways may be why it is not."""
        return before == after or any(
            operation.direction in ways and operation.leads(before, after) for operation in self.begun
        )

    def dump(self, plugged: int, counts: Counts | None, now_s: float) -> dict[str, object]:
        """As plain JSON values, with the count of plugged vCPUs that it holds for; the time as an age.

        `counts`: as last seen; None: not known, or of no use, for the domain leaves.
        """
        dumped: dict[str, object] = {} if counts is None else {_COUNTS_KEY: asdict(counts)}
        if self.since_s is not None:
            dumped[_KEY] = {"ago_s": round(now_s - self.since_s, 1), "plugged": plugged}
        return dumped

    @classmethod
    def restore(
        cls,
        dumped: Mapping[str, object],
        plugged: int,
        now_s: float,
        *,
        away_s: float,
        past: Iterable[Operation],
    ) -> ByHand:
        """What was dumped `away_s` ago, as far as it can be read and still counts.

        `past`: the changes of the last day; what one of them may be why of is nobody else's.
        """
        kept_s = now_s - max(0.0, away_s)
        begun = tuple(operation for operation in past if _may_come_true(operation, kept_s))
        restored = cls(before=_read_counts(dumped), begun=begun)
        with suppress(ValueError):
            kept = branch(dumped, _KEY)
            ago_s = number(kept, "ago_s", 0.0, LONGEST_S)
            if whole(kept, "plugged", 0, MOST_VCPUS) == plugged:
                restored.since_s = kept_s - ago_s
        return restored


def _may_come_true(operation: Operation, kept_s: float) -> bool:
    """Whether counts that were kept then may have become others by this: it is younger, or not over."""
    open_still = operation.gone_s is None if operation.unplugs else operation.outcome in _MAY_COME_LATE
    return open_still or operation.requested_s >= kept_s - LATE_S


def _read_counts(dumped: Mapping[str, object]) -> Counts | None:
    try:
        counts = branch(dumped, _COUNTS_KEY)
        return Counts(
            plugged=whole(counts, "plugged", 0, MOST_VCPUS),
            online=whole(counts, "online", 0, MOST_VCPUS),
            boot_s=number(counts, "boot_s", 0.0, LONGEST_S),
        )
    except ValueError:
        return None
