"""How far the room on a host goes among the domains that ask for more.

It is served in two passes, first up to the floors, then above them. Each pass goes by falling priority;
within one priority each vCPU goes to the domain that has the fewest for its weight (water-filling).

Invariants: no more is given than there is room, and nothing is left while somebody is short; in a pass,
nobody is given anything while one of higher priority stays short. More room never gives anybody less.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from autoscaler.core.arbiter import Request
    from autoscaler.core.model import DomainId


@dataclass(slots=True)
class Claim:
    """A request for more, and how far it has been served."""

    request: Request
    vcpus: int

    @property
    def place(self) -> tuple[float, DomainId]:
        """Where it stands in the line of its priority: the fewer vCPUs for its weight, the sooner served."""
        return self.vcpus / self.request.weight, self.request.domain


def _up_to_floor(request: Request) -> int:
    return min(request.floor, request.want)


def _as_wanted(request: Request) -> int:
    return request.want


_PASSES: tuple[Callable[[Request], int], ...] = (_up_to_floor, _as_wanted)


def claims_of(requests: Iterable[Request]) -> list[list[Claim]]:
    """The requests for more, not served yet: a list for each priority, the highest first."""
    growers = [request for request in requests if request.want > request.current]
    growers.sort(key=lambda request: request.priority, reverse=True)
    return [
        [Claim(request, request.current) for request in members]
        for _, members in groupby(growers, key=lambda request: request.priority)
    ]


def serve(classes: Sequence[Sequence[Claim]], room: int) -> None:
    """Share out so many vCPUs."""
    for goal in _PASSES:
        for claims in classes:
            room = _pour(claims, goal, room)


def shortages(classes: Sequence[Sequence[Claim]]) -> Iterator[tuple[Claim, int]]:
    """Who is short of how many vCPUs, in the order in which they would be served; once for each pass."""
    for goal in _PASSES:
        for claims in classes:
            for claim in sorted(claims, key=lambda claim: claim.place):
                floor = _up_to_floor(claim.request)
                begin = claim.vcpus if goal is _up_to_floor else max(claim.vcpus, floor)
                yield claim, max(0, goal(claim.request) - begin)


def _pour(claims: Sequence[Claim], goal: Callable[[Request], int], room: int) -> int:
    """Bring the claims of one priority to their goals as far as the room goes; return what is left of it."""
    short = [(claim, upto) for claim in claims if (upto := goal(claim.request)) > claim.vcpus]
    needed = sum(upto - claim.vcpus for claim, upto in short)
    if needed <= room:
        for claim, upto in short:
            claim.vcpus = upto
        return room - needed
    line = [(claim.place, claim, upto) for claim, upto in short]
    heapify(line)
    for _ in range(room):
        _, claim, upto = line[0]
        claim.vcpus += 1
        if claim.vcpus < upto:
            heapreplace(line, (claim.place, claim, upto))
        else:
            heappop(line)
    return 0
