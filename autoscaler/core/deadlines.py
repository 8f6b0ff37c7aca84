"""How long each stage of a change may take before it is stuck: as configured, corrected by what was seen.

A deadline follows twice the 99th percentile of the last changes of a host, within a quarter of the configured
one and four times it: a fast host tells of a stuck guest early, a slow one is not taken for stuck.

A change that was stuck and comes true all the same teaches how long it took, and so does relief that comes
late: else a host that becomes slower would never be given more time.

Invariant: time in which something held the domain (a job, a freeze of its filesystems, a pause) counts for no
deadline and teaches none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.operation import Operation

_REMEMBERED = 400
_ENOUGH = 20
"""With fewer changes seen the configured deadline stands."""
_MARGIN = 2.0
_LEAST, _MOST = 0.25, 4.0
"""Times the configured deadline."""


class Stage(StrEnum):
    """What a change is waited for. A closed set: these are metric labels and configuration keys.

    The guest's firmware need not say that it deals with a removal, so that stage has no deadline.
    """

    ACCEPTED = "accepted"
    """A growth that plugs: from its request until the hypervisor took it."""
    PRESENT = "present"
    """A growth that plugs: from its request until the guest lists the vCPUs."""
    ONLINE = "online"
    """A growth: from its request until the guest runs the vCPUs."""
    RELIEVED = "relieved"
    """A growth: from then until its load fits; one without relief is over after that time."""
    OFFLINE = "offline"
    """A shrink: from its request until the guest runs the fewer vCPUs; a removal: until it says that it does
    and the hypervisor took the request."""
    GONE = "gone"
    """A removal: from the hypervisor's word until QEMU has the vCPU no longer."""


def awaited(operation: Operation, *, plugging: bool = False) -> Stage:
    """The stage that a growth or shrink under way has to come to next; `plugging`: its plug is out."""
    if operation.direction is Direction.DOWN:
        return Stage.OFFLINE
    if operation.accepted_s is None:
        # One whose reply was lost is looked at and asked again: that takes its time.
        return Stage.ACCEPTED if plugging else Stage.ONLINE
    return Stage.PRESENT if operation.present_s is None else Stage.ONLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineSettings:
    """The configured deadlines."""

    accepted_s: float = 10.0
    present_s: float = 30.0
    online_s: float = 30.0
    relieved_s: float = 60.0
    offline_s: float = 30.0
    gone_s: float = 60.0

    def of(self, stage: Stage) -> float:
        """The one of this stage."""
        return {
            Stage.ACCEPTED: self.accepted_s,
            Stage.PRESENT: self.present_s,
            Stage.ONLINE: self.online_s,
            Stage.RELIEVED: self.relieved_s,
            Stage.OFFLINE: self.offline_s,
            Stage.GONE: self.gone_s,
        }[stage]


@dataclass(slots=True)
class Deadlines:
    """The deadlines of one host's changes."""

    settings: DeadlineSettings = field(default_factory=DeadlineSettings)
    _seen_s: dict[Stage, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=_REMEMBERED) for stage in Stage}
    )
    _in_force_s: dict[Stage, float] = field(default_factory=dict)
    """What was learned, where enough was seen."""

    def of(self, stage: Stage) -> float:
        """Seconds after which a change is stuck that has not come to this stage."""
        return self._in_force_s.get(stage, self.settings.of(stage))

    @property
    def in_force_s(self) -> Mapping[str, float]:
        """All of them, by the stage's name."""
        return {str(stage): self.of(stage) for stage in Stage}

    def note(self, stage: Stage, seconds: float) -> None:
        """A change took so long to come to this stage."""
        seen, configured = self._seen_s[stage], self.settings.of(stage)
        seen.append(seconds)
        if len(seen) >= _ENOUGH:
            usual_s = sorted(seen)[ceil(0.99 * len(seen)) - 1]
            self._in_force_s[stage] = min(max(_MARGIN * usual_s, _LEAST * configured), _MOST * configured)

    def note_all(self, operation: Operation) -> None:
        """Take in what a change that ended shows."""
        if operation.held:
            return
        up = operation.direction is Direction.UP
        accepted_s, present_s = operation.accepted_s, operation.present_s
        if accepted_s is None or present_s is None or accepted_s >= present_s:
            accepted_s = present_s = None  # Nothing was plugged, or nobody heard when.
        for stage, begun_s, end_s in (
            (Stage.ACCEPTED, operation.requested_s, accepted_s),
            (Stage.PRESENT, operation.requested_s, present_s),
            (Stage.ONLINE if up else Stage.OFFLINE, operation.requested_s, operation.online_s),
            (Stage.RELIEVED, operation.online_s, operation.relieved_s),
            (Stage.GONE, operation.accepted_s, operation.gone_s),
        ):
            if begun_s is not None and end_s is not None:
                self.note(stage, end_s - begun_s)

    def note_late(self, operation: Operation, now_s: float) -> None:
        """Take in that a change was stuck, and is found made now: others may take as long.

        Or that a growth which was done without relief relieves now. What took longer than any deadline can be
        is another's doing.
        """
        if operation.held or operation.outcome not in {Outcome.STUCK, Outcome.DONE}:
            return
        since_s, stages = operation.requested_s, [Stage.OFFLINE]
        if operation.online_s is not None:
            since_s, stages = operation.online_s, [Stage.RELIEVED]
        elif operation.unplugs:
            since_s, stages = operation.accepted_s or now_s, [Stage.GONE]
        elif operation.direction is Direction.UP:
            unlisted = operation.accepted_s is not None and operation.present_s is None
            stages = [Stage.PRESENT, Stage.ONLINE] if unlisted else [Stage.ONLINE]
        for stage in stages:
            if 0.0 < now_s - since_s <= _MOST * self.settings.of(stage):
                self.note(stage, now_s - since_s)


@dataclass(slots=True)
class Patience:
    """How long one change has been waited for."""

    waited_s: float = 0.0
    """Up to the last look; an interval in which the domain was held at either end is left out."""
    held: bool = False
    """Whether the last look found the domain held."""
    _looked_s: float = 0.0

    def begin(self, now_s: float) -> None:
        """Wait anew, for a change that begins or for its next stage."""
        self.waited_s, self._looked_s = 0.0, now_s

    def look(self, now_s: float, *, held: bool) -> None:
        """See whether the domain is held now."""
        if not (held or self.held):
            self.waited_s += now_s - self._looked_s
        self.held, self._looked_s = held, now_s
