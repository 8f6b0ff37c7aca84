"""VCPU-hours by domain and day, from the journal's history: what to charge for.

Invariant: a step of the history counts once, on the local day on which it begins, even where two runs of the
service wrote of it; what was not recorded counts for nothing, and `seen_hours` says how much was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING

from autoscaler.service.history import BLOCK_S, STEP_S, STEPS, block_of
from autoscaler.service.journal_reader import history_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from autoscaler.service.history import Block

_STEP_HOURS = STEP_S / 3600


@dataclass(slots=True, kw_only=True)
class Usage:
    """One domain on one day."""

    day: date
    name: str
    """As it was called last on that day."""
    uuid: str
    host: str
    seen_hours: float = 0.0
    """How long the service decided for it."""
    allowed_vcpu_hours: float = 0.0
    """The most that policy, schedules and the domain's maximum let it run."""
    plugged_vcpu_hours: float = 0.0
    provisioned_vcpu_hours: float = 0.0
    """What the guest ran, busy or not; nothing while it was not seen yet."""
    used_vcpu_hours: float = 0.0
    """What it was busy on."""
    measured_hours: float = 0.0
    """How long its load was measured; what is not is not in `used_vcpu_hours`."""


def usage_of(path: Path, *, from_day: date, to_day: date, damaged: list[str] | None = None) -> list[Usage]:
    """What each domain was allowed, had and used, by day and name.

    Args:
        path: the journal, also that of a running service, which writes its history ten minutes at a time.
        from_day: the first day, in local time.
        to_day: the last day.
        damaged: is told of blocks that cannot be read, and are left out.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    start_s, end_s = _midnight_s(from_day), _midnight_s(date.fromordinal(to_day.toordinal() + 1))
    found: dict[tuple[date, str, str], Usage] = {}
    days = cache(_days)  # All domains have blocks of the same starts.
    for block in _blocks(path, start_s - BLOCK_S, end_s, damaged):
        for day, first, behind in days(block.start_wall_s):
            if from_day <= day <= to_day:
                key = (day, block.host, block.uuid)
                entry = found.get(key)
                if entry is None:
                    entry = Usage(day=day, name=block.domain, uuid=block.uuid, host=block.host)
                    found[key] = entry
                _add(entry, block, first, behind)
    used = (entry for entry in found.values() if entry.seen_hours)
    return sorted(used, key=lambda entry: (entry.day, entry.name, entry.host, entry.uuid))


def _blocks(path: Path, start_s: float, end_s: float, damaged: list[str] | None) -> Iterator[Block]:
    """The blocks of a time, those of one domain and one start made one."""
    rows = history_of(path, from_wall_s=start_s, to_wall_s=end_s)
    for _, same in groupby(rows, key=lambda row: (row[0], row[1], row[3])):
        blocks = []
        for row in same:
            try:
                blocks.append(block_of(row))
            except ValueError as error:
                if damaged is not None:
                    damaged.append(f"{row[2]}: {error}")
        if blocks:
            yield blocks[0] if len(blocks) == 1 else _merged(blocks)


def _merged(blocks: Sequence[Block]) -> Block:
    """Blocks of one stretch that several runs of the service wrote: of each step what is known of it last."""

    def counts(values: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        return tuple(
            next((count for count in reversed(step) if count), 0) for step in zip(*values, strict=True)
        )

    def means(values: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
        return tuple(
            next((mean for mean in reversed(step) if not isnan(mean)), step[-1])
            for step in zip(*values, strict=True)
        )

    last = blocks[-1]
    return type(last)(
        host=last.host,
        uuid=last.uuid,
        domain=last.domain,
        start_wall_s=last.start_wall_s,
        demand_vcpus=means(block.demand_vcpus for block in blocks),
        busy_vcpus=means(block.busy_vcpus for block in blocks),
        steal_vcpus=means(block.steal_vcpus for block in blocks),
        online=counts(block.online for block in blocks),
        plugged=counts(block.plugged for block in blocks),
        upper=counts(block.upper for block in blocks),
        longest_s=max(block.longest_s for block in blocks),
    )


def _add(entry: Usage, block: Block, first: int, behind: int) -> None:
    """Count the steps of a block from `first` on, up to the one before `behind`."""
    entry.name = block.domain
    online, busy = block.online[first:behind], block.busy_vcpus[first:behind]
    plugged = block.plugged[first:behind]
    seen = len(plugged) - plugged.count(0)
    if isnan(sum(busy)):
        busy = tuple(mean for mean in busy if not isnan(mean))
    entry.seen_hours += seen * _STEP_HOURS
    entry.allowed_vcpu_hours += sum(block.upper[first:behind]) * _STEP_HOURS
    entry.plugged_vcpu_hours += sum(plugged) * _STEP_HOURS
    entry.provisioned_vcpu_hours += sum(online) * _STEP_HOURS
    entry.used_vcpu_hours += sum(busy) * _STEP_HOURS
    entry.measured_hours += len(busy) * _STEP_HOURS


def _days(start_wall_s: float) -> tuple[tuple[date, int, int], ...]:
    """The days that a block belongs to, with the first step of each and the one behind its last."""
    first, last = _day(start_wall_s), _day(start_wall_s + (STEPS - 1) * STEP_S)
    if first == last:
        return ((first, 0, STEPS),)
    cut = next(step for step in range(STEPS) if _day(start_wall_s + step * STEP_S) == last)
    return (first, 0, cut), (last, cut, STEPS)


def _day(wall_s: float) -> date:
    return datetime.fromtimestamp(wall_s, UTC).astimezone().date()


def _midnight_s(day: date) -> float:
    return datetime(day.year, day.month, day.day).astimezone().timestamp()
