"""The slots whose vCPUs a guest was asked for and may still give back, at any time.

A request outlives everything but the domain: the operation that made it, its deadline, a reset of the guest.
So a vCPU that goes is told from one that somebody else took by having been asked for. And a hypervisor may
not hear that one went until it asks for it once more, which changes nothing for the guest.

A run before may have left requests of which it is on record how many vCPUs were plugged then, and not for
which slot they were: each is good for one vCPU that goes, of a slot that it can have been for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from autoscaler.core.model import DomainView


class AskedSlots:
    """What one domain was asked for."""

    def __init__(self, view: DomainView) -> None:
        self._view = view
        self._open: set[int] = set()
        self._unsure: set[int] = set()
        """Of each request whose slot is not on record: the lowest that it can be."""
        self._gone: set[int] = set()
        """Slots that were asked for and have been empty since."""
        self._may_ask_again = False
        """Whether the growth under way has not asked once more yet."""
        self._again: int | None = None
        """The slot to ask for once more."""

    def __contains__(self, slot: int) -> bool:
        return slot in self._open

    @property
    def highest(self) -> int:
        """The number of the highest filled slot."""
        return max(self._filled(self._view))

    def add(self, slot: int) -> None:
        """The guest is asked for the vCPU of a slot, or may have been; an empty one is not waited for."""
        self._again = None
        if slot in self._filled(self._view):
            self._open.add(slot)

    def discard(self, slot: int) -> None:
        """The guest was not asked after all."""
        self._open.discard(slot)

    def inherit(self, plugged: int, *, gone: bool) -> None:
        """A run before asked for the highest vCPU of so many: it went, or may still go; the oldest first."""
        self._unsure = {lowest for lowest in self._unsure if lowest < plugged - gone}
        if gone:
            return
        if plugged == self._view.plugged:
            self.add(self.highest)
        elif plugged <= self.highest + 1:
            self._unsure.add(plugged - 1)

    @property
    def once_more(self) -> bool:
        """Whether the highest slot is to be asked for once more."""
        return self._again is not None and self._again == self.highest

    def growth_begins(self) -> None:
        """More vCPUs are needed; meanwhile one slot may be asked for once more."""
        self._may_ask_again = True

    def growth_finds(self, listed: int) -> None:
        """The guest lists so many vCPUs: if fewer than are plugged, it may have given the highest back.

        An emulated one is asked for nothing; see `reclaim`.
        """
        fewer = listed < self._view.plugged and not self._view.emulated
        if self._may_ask_again and fewer and self.highest in self._open:
            self._may_ask_again, self._again = False, self.highest

    def look(self, view: DomainView) -> set[int]:
        """Compare with the look before; returns the slots that were asked for and are empty now."""
        before, self._view = self._view, view
        if not (self._open or self._unsure or self._gone):
            return set()
        gone = self._open - self._filled(view)
        unsure = self._may_be_of(self._filled(before) - self._filled(view) - gone)
        gone |= unsure.keys()
        self._open -= gone
        self._unsure.difference_update(unsure.values())
        self._gone = (self._gone | gone) - self._filled(view)
        return gone

    def explain_online(self, before: AbstractSet[int], after: AbstractSet[int]) -> bool:
        """Whether the guest runs fewer vCPUs for having been asked: it takes offline what it gives back."""
        others = before - after - self._open - self._gone
        return after < before and others == self._may_be_of(others).keys()

    def _may_be_of(self, slots: Iterable[int]) -> dict[int, int]:
        """Those of these slots that requests whose slot is not on record may be for, and for each which."""
        left, found = set(self._unsure), dict[int, int]()
        for slot in sorted(slots):
            lowest = max((each for each in left if each <= slot), default=None)
            if lowest is not None:
                found[slot] = lowest
                left.discard(lowest)
        return found

    @staticmethod
    def _filled(view: DomainView) -> AbstractSet[int]:
        """The filled slots; the lowest, where the host does not tell which."""
        return frozenset(range(view.plugged)) if view.slots is None else view.slots
