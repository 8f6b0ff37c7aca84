"""Which places for vCPUs to fill or to empty: the arithmetic of a change, free of any connection.

Invariant: slots are filled lowest first (a guest that is given its highest vCPU first is slow to bring it
online) and emptied highest first, topology ids are QEMU's own word for word, and nothing is chosen unless it
meets the target exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from autoscaler.backends.qmp.replies import Slot

_TOPOLOGY = (
    "drawer-id",
    "book-id",
    "socket-id",
    "die-id",
    "module-id",
    "cluster-id",
    "core-id",
    "thread-id",
)
"""From the widest to the narrowest; a slot's node is left out, as it does not take part in the order."""


def in_slot_order(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """Put the slots in the order of QEMU's own vCPU numbers.

    ``query-hotpluggable-cpus`` lists them backwards, so where topology ids say nothing it is turned round.
    """
    ordered = list(slots)
    ordered.reverse()
    ordered.sort(key=lambda slot: tuple(slot.props.get(level, 0) for level in _TOPOLOGY))
    return tuple(ordered)


_NAMED = "/machine/peripheral/"
_NAMELESS = "/machine/peripheral-anon/"
"""Where QEMU keeps what was plugged; the vCPUs that it started with lie elsewhere and cannot go."""


def can_go(slot: Slot) -> bool:
    """Whether a slot holds what was plugged while the guest ran, which QEMU takes back."""
    return (slot.qom_path or "").startswith((_NAMED, _NAMELESS))


def device_del(slots: Sequence[Slot], count: int) -> tuple[int, dict[str, object]]:
    """The number of the highest slot that can be emptied, and the arguments of its ``device_del``.

    Raises:
        Denied: no slot can be emptied, or the highest that can does not hold `count` vCPUs.
    """
    for number, slot in reversed(tuple(enumerate(in_slot_order(slots)))):
        if not can_go(slot):
            continue
        if slot.vcpus_count != count:
            raise Denied(
                f"its highest slot that can be emptied holds {slot.vcpus_count} vCPUs and {count} are to go: "
                f"choose bounds that are whole slots"
            )
        # A device without an id goes by its path.
        return number, {"id": (slot.qom_path or "").removeprefix(_NAMED)}
    raise Denied("it has no vCPU that was plugged while it ran, and QEMU takes no other back")


def device_adds(slots: Sequence[Slot], count: int) -> tuple[dict[str, object], ...]:
    """Arguments of one ``device_add`` per slot that together add `count` vCPUs.

    Raises:
        Denied: the free slots cannot add up to exactly `count`.
    """
    chosen: list[dict[str, object]] = []
    missing = count
    for number, slot in enumerate(in_slot_order(slots)):
        if slot.qom_path is None and slot.vcpus_count <= missing:
            missing -= slot.vcpus_count
            chosen.append({**slot.props, "driver": slot.type, "id": f"vcpu-autoscaler-{number}"})
    if missing:
        sizes = sorted({slot.vcpus_count for slot in slots if slot.qom_path is None})
        raise Denied(
            f"its free slots hold {' or '.join(map(str, sizes)) or 'no'} vCPUs each and cannot take exactly "
            f"{count} more: choose bounds that are whole slots"
        )
    return tuple(chosen)


def cpu_adds(used: Collection[int], *, maximum: int, count: int) -> tuple[dict[str, object], ...]:
    """Arguments of one ``cpu-add`` for each of the `count` lowest vCPU numbers that are not `used`.

    Raises:
        Denied: fewer than `count` numbers below `maximum` are free.
    """
    free = [number for number in range(maximum) if number not in used]
    if len(free) < count:
        raise Denied(f"only {len(free)} of its {maximum} vCPU numbers are free, {count} were asked for")
    return tuple({"id": number} for number in free[:count])
