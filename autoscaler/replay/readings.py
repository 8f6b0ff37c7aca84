"""What the guests of a plant would say at the end of its last step, and which of them say nothing.

Counters are told as Linux tells them, in hundredths of a second (USER_HZ), by guest and host alike. Made once
a step for all domains, so that a single one is looked up, not computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.plant import Plant
    from autoscaler.replay.trace import Trace

USER_HZ: Final = 100


@dataclass(slots=True, init=False, eq=False)
class Said:
    """What would be told at one moment; lists have an entry a domain."""

    at_s: Final[float]
    busy_s: Final[list[float]]
    steal_s: Final[list[float]]
    waited_s: Final[list[float]]
    """Seconds in which some task waited for a CPU (PSI ``some``)."""
    runnable: Final[list[int]]
    online: Final[list[int]]
    silent: Final[list[bool]]
    """Whether the guest's answer does not come."""

    def __init__(self, plant: Plant, silent: npt.NDArray[np.bool_]) -> None:
        self.at_s = plant.now_s
        self.busy_s = _ticks(plant.busy_s)
        self.steal_s = _ticks(plant.steal_s)
        self.waited_s = plant.waited_s.tolist()
        self.runnable = plant.runnable.tolist()
        self.online = plant.online.tolist()
        self.silent = silent.tolist()


class Readings:
    """The guests' words, step by step."""

    def __init__(self, plant: Plant, traces: Sequence[Trace], circumstances: Circumstances) -> None:
        self._plant = plant
        missing = [circumstances.chances(trace.domain).missing(plant.steps) for trace in traces]
        # Where the trace has a gap nobody knows what the guest would have said.
        gaps = [np.isnan(trace.demand_vcpus) for trace in traces]
        self._silent = np.array(missing) | np.array(gaps)
        self.said = Said(plant, np.zeros(len(traces), dtype=np.bool_))
        """Now; at the start every guest answers."""

    def look(self) -> None:
        """Take in what the step brought that is over."""
        self.said = Said(self._plant, self._silent[:, self._plant.step - 1])


def _ticks(seconds: npt.NDArray[np.float64]) -> list[float]:
    told: list[float] = (np.floor(seconds * USER_HZ) / USER_HZ).tolist()
    return told
