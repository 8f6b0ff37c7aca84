"""What each domain wanted and had, step by step: a replay, the usage and the charts begin here.

Decisions that repeat are folded into one row, so they do not tell how demand went meanwhile. Here it is kept
in steps of `STEP_S`, `STEPS` of them a block, as packed figures of half precision.

Invariant: what was not measured is NaN, never a zero. A service that is killed loses the blocks that were
open.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from dataclasses import dataclass, field
from math import floor, inf, isnan, nan
from typing import TYPE_CHECKING

from autoscaler.core.model import MOST_VCPUS

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId

STEP_S = 10.0
STEPS = 60
BLOCK_S = STEP_S * STEPS
_MEASURED = struct.Struct(f"<{STEPS}e")
_COUNTED = struct.Struct(f"<{STEPS}H")
_SPAN = struct.Struct("<f")
_BLOCK_BYTES = 3 * (_MEASURED.size + _COUNTED.size) + _SPAN.size
_MOST_FIGURE = 65504.0
"""The largest figure in half precision."""
_MOST_WAITING = 20_000
"""Blocks that wait for a disk that cannot be written; beyond that the oldest are lost."""

Row = tuple[str, str, str, float, bytes]
"""A block for the disk: host, UUID, name, where it starts, and the packed figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of one domain's history: `STEPS` figures each, oldest first."""

    host: str
    uuid: str
    domain: str
    start_wall_s: float
    """Where its first step begins; a whole number of blocks since the epoch."""
    demand_vcpus: tuple[float, ...]
    """VCPUs wanted, the mean over the step; NaN: not measured. So the next two."""
    busy_vcpus: tuple[float, ...]
    steal_vcpus: tuple[float, ...]
    online: tuple[int, ...]
    """VCPUs that the guest was last seen to run in the step; 0: it was not seen yet, or not decided for."""
    plugged: tuple[int, ...]
    """0: it was not decided for. So the next."""
    upper: tuple[int, ...]
    """The most that policy, schedules and domain allowed."""
    longest_s: float
    """The longest time that one of its measurements stands for; 0: there is none."""


@dataclass(slots=True)
class _Open:
    """The block that a domain's history is being written to."""

    name: str
    start_wall_s: float
    measured_s: list[float] = field(default_factory=lambda: [0.0] * STEPS)
    demand: list[float] = field(default_factory=lambda: [0.0] * STEPS)
    busy: list[float] = field(default_factory=lambda: [0.0] * STEPS)
    steal: list[float] = field(default_factory=lambda: [0.0] * STEPS)
    online: list[int] = field(default_factory=lambda: [0] * STEPS)
    plugged: list[int] = field(default_factory=lambda: [0] * STEPS)
    upper: list[int] = field(default_factory=lambda: [0] * STEPS)
    longest_s: float = 0.0

    def measure(self, decision: Decision, from_wall_s: float, to_wall_s: float) -> None:
        """Share what was measured between two moments out to the steps of this block that they overlap."""
        load = decision.load
        assert load is not None
        self.longest_s = max(self.longest_s, load.span_s)
        first = max(floor((from_wall_s - self.start_wall_s) / STEP_S), 0)
        for step in range(first, STEPS):
            start_s = self.start_wall_s + step * STEP_S
            overlap_s = min(to_wall_s, start_s + STEP_S) - max(from_wall_s, start_s)
            if overlap_s <= 0:
                break
            self.measured_s[step] += overlap_s
            self.demand[step] += load.demand_vcpus * overlap_s
            self.busy[step] += load.busy_vcpus * overlap_s
            self.steal[step] += load.steal_vcpus * overlap_s

    def count(self, decision: Decision, wall_s: float) -> None:
        """Note the vCPUs as they are seen at a moment within this block."""
        step = min(int((wall_s - self.start_wall_s) / STEP_S), STEPS - 1)
        self.online[step] = _counted(decision.online) if decision.seen else 0
        self.plugged[step] = _counted(decision.plugged)
        self.upper[step] = _counted(decision.upper)

    def packed(self) -> bytes:
        """All of it, for the disk."""
        means = [
            [
                min(total / span_s, _MOST_FIGURE) if span_s else nan
                for total, span_s in zip(totals, self.measured_s, strict=True)
            ]
            for totals in (self.demand, self.busy, self.steal)
        ]
        parts = [_MEASURED.pack(*figures) for figures in means]
        parts += [_COUNTED.pack(*counts) for counts in (self.online, self.plugged, self.upper)]
        return zlib.compress(b"".join(parts) + _SPAN.pack(self.longest_s))


class History:
    """The open blocks of all domains, and those that are whole and wait for the disk."""

    def __init__(self) -> None:
        self._open: dict[DomainId, _Open] = {}
        self.whole: deque[Row] = deque(maxlen=_MOST_WAITING)
        """What waits for the disk; to be cleared once it is there."""

    def note(self, decision: Decision, wall_s: float) -> None:
        """Take in what a decision was made on."""
        block = self._open.get(decision.domain)
        load = decision.load
        if block is not None and not block.start_wall_s <= wall_s < block.start_wall_s + BLOCK_S:
            if load is not None:
                block.measure(decision, wall_s - load.span_s, wall_s)
            self._close(decision.domain, block)
            block = None
        if block is None:
            block = _Open(decision.name, floor(wall_s / BLOCK_S) * BLOCK_S)
            self._open[decision.domain] = block
        if load is not None:
            block.measure(decision, wall_s - load.span_s, wall_s)
        block.count(decision, wall_s)

    def end(self, now_wall_s: float) -> None:
        """Close the blocks in which nothing can come any more; `inf`: all of them."""
        for domain, block in list(self._open.items()):
            if now_wall_s >= block.start_wall_s + BLOCK_S + STEP_S:
                self._close(domain, self._open.pop(domain))

    def _close(self, domain: DomainId, block: _Open) -> None:
        self.whole.append((domain.host, domain.uuid, block.name, block.start_wall_s, block.packed()))


def block_of(row: Row) -> Block:
    """The block that was packed into a row.

    Raises:
        ValueError: it is damaged.
    """
    host, uuid, domain, start_wall_s, packed = row
    try:
        plain = zlib.decompressobj().decompress(packed, _BLOCK_BYTES)
        measured = [_MEASURED.unpack_from(plain, place * _MEASURED.size) for place in range(3)]
        behind = 3 * _MEASURED.size
        counted = [_COUNTED.unpack_from(plain, behind + place * _COUNTED.size) for place in range(3)]
        (longest_s,) = _SPAN.unpack_from(plain, behind + 3 * _COUNTED.size)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"a block of the history is damaged ({error})") from None
    if not _possible(measured, counted, longest_s):
        raise ValueError("a block of the history is damaged (its figures are none that a guest can have)")
    return Block(
        host=host,
        uuid=uuid,
        domain=domain,
        start_wall_s=start_wall_s,
        demand_vcpus=measured[0],
        busy_vcpus=measured[1],
        steal_vcpus=measured[2],
        online=counted[0],
        plugged=counted[1],
        upper=counted[2],
        longest_s=longest_s,
    )


def _possible(measured: list[tuple[float, ...]], counted: list[tuple[int, ...]], longest_s: float) -> bool:
    figures = all(isnan(figure) or 0 <= figure <= _MOST_FIGURE for figures in measured for figure in figures)
    return figures and max(map(max, counted)) <= MOST_VCPUS and 0 <= longest_s < inf


def _counted(vcpus: int) -> int:
    return min(max(vcpus, 0), 65535)
