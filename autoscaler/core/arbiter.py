"""Who of one host's domains may grow now, who waits, and who gives a vCPU back.

What counts against the host is what each domain runs, or will run once a growth under way has ended; so a
vCPU that is being taken away is handed on only after it is seen to be gone, by a later call.

Capacity is served in two passes, first up to the floors, then above them. Each pass goes by falling priority;
within one priority by water-filling: each vCPU goes to the domain with the fewest for its weight.

Invariants: the grants never come to more than the host's capacity, or, where the domains run more already, to
more than they run; no domain is brought below its floor for another; no domain grows in a pass in which one
of higher priority is left short. The result does not depend on the order of the requests; to ask for more
never gets less, and more capacity never lowers a growth.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import groupby, islice
from math import floor
from typing import TYPE_CHECKING

from autoscaler.core.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from autoscaler.core.model import DomainId

_ROUNDING = 1e-9
"""Keeps a product that is whole but for its last bit from losing a vCPU."""
_NO_LIMIT = 1 << 40
"""More vCPUs than all hosts have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one host can bear now."""

    vcpus: int | None
    """Most that its domains may run together; None: no limit is known."""
    pressed: bool
    """Tasks of the host itself wait for a CPU too much: nothing grows."""
    changes_left: int
    """Most operations that may begin now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one domain runs, and what it asks for."""

    domain: DomainId
    current: int
    """vCPUs that count against the host: those online, or what a growth under way brings if that is more."""
    floor: int
    """Its minimum."""
    want: int
    """vCPUs it asks for; `current`: it asks for nothing."""
    priority: int
    weight: float
    """Its share against others of its priority; above 0."""
    yields: bool
    """Whether one vCPU may be taken from it now."""
    yielding: int
    """vCPUs that a shrink under way will free; they still count in `current`."""
    moving: bool = False
    """A change of it is under way: what it is granted is kept for it, but nothing begins now."""
    name: str = ""
    """What people call it; empty: its UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The vCPUs that a domain may go to now."""

    vcpus: int
    reason: Reason | None = None
    """None: as asked."""
    detail: str = ""
    """The figures behind the reason, as part of a sentence; empty: the reason says it all."""


def host_vcpus(cpus: int, *, overcommit: float, reserve: int) -> int:
    """The vCPUs that a host of so many CPUs can bear: CPUs times overcommit ratio, less the reserve."""
    return max(0, floor(cpus * overcommit + _ROUNDING) - reserve)


def arbitrate(requests: Sequence[Request], capacity: Capacity) -> dict[DomainId, Grant]:
    """Answer every request of one host.

    A domain of higher priority that stays short is made room for: those of lower priority that yield give up
    one vCPU each. Where more operations are due than may begin, growth goes first, those below their floor
    and those of higher priority before the others; then what is given up freely; then what is taken back.
    """
    used = sum(request.current for request in requests)
    freed = sum(max(request.yielding, request.current - request.want) for request in requests)
    limit = _NO_LIMIT if capacity.vcpus is None else capacity.vcpus
    room = max(0, limit - used)
    coming = max(0, limit - used + freed) - room
    classes = _classes(requests)
    _grow(classes, room)

    claims = [claim for claims in classes for claim in claims]
    growing = [] if capacity.pressed else [claim for claim in claims if claim.begins]
    shrinking = [request for request in requests if request.want < request.current and not request.moving]
    left = capacity.changes_left - len(growing) - len(shrinking)

    grants = {request.domain: Grant(vcpus=request.want) for request in requests}
    for claim in claims:
        grants[claim.request.domain] = _grown(claim, capacity, used=used, coming=coming)
    if left < 0:
        late = [claim.request for claim in sorted(growing, key=_need_first)[max(0, capacity.changes_left) :]]
        late += sorted(shrinking, key=_least_entitled)[max(0, left + len(shrinking)) :]
        detail = (
            f"{len(growing) + len(shrinking)} changes are due and {max(0, capacity.changes_left)} may begin"
        )
        for request in late:
            grants[request.domain] = Grant(vcpus=request.current, reason=Reason.HOST_RATE, detail=detail)
    for request, claim in islice(_taken_back(requests, classes, coming), max(0, left)):
        grants[request.domain] = Grant(
            vcpus=request.current - 1, reason=Reason.TAKEN_BACK, detail=_for_whom(claim)
        )
    return grants


@dataclass(slots=True)
class _Claim:
    """A request for more, and the size that the capacity gives it."""

    request: Request
    size: int

    @property
    def per_weight(self) -> float:
        return self.size / self.request.weight

    @property
    def begins(self) -> bool:
        return self.size > self.request.current and not self.request.moving


def _floor_of(request: Request) -> int:
    return min(request.floor, request.want)


def _want_of(request: Request) -> int:
    return request.want


_PASSES: tuple[Callable[[Request], int], ...] = (_floor_of, _want_of)


def _identity(request: Request) -> tuple[str, str]:
    return request.domain.host, request.domain.uuid


def _classes(requests: Iterable[Request]) -> list[list[_Claim]]:
    """Those who ask for more, by falling priority, within one by identity."""
    growers = [request for request in requests if request.want > request.current]
    growers.sort(key=lambda request: (-request.priority, *_identity(request)))
    return [
        [_Claim(request, request.current) for request in members]
        for _, members in groupby(growers, key=lambda request: request.priority)
    ]


def _grow(classes: Sequence[Sequence[_Claim]], room: int) -> None:
    """Share out the room, pass by pass and priority by priority."""
    for goal in _PASSES:
        for claims in classes:
            room = _pour(claims, goal, room)


def _pour(claims: Sequence[_Claim], goal: Callable[[Request], int], room: int) -> int:
    """Bring the claims of one priority to their goals as far as the room goes; return what is left of it."""
    short = [(claim, goal(claim.request)) for claim in claims if claim.size < goal(claim.request)]
    needed = sum(upto - claim.size for claim, upto in short)
    if needed <= room:
        for claim, upto in short:
            claim.size = upto
        return room - needed
    queue = [(claim.per_weight, place, claim, upto) for place, (claim, upto) in enumerate(short)]
    heapify(queue)
    for _ in range(room):
        _, place, claim, upto = queue[0]
        claim.size += 1
        if claim.size < upto:
            heapreplace(queue, (claim.per_weight, place, claim, upto))
        else:
            heappop(queue)
    return 0


def _grown(claim: _Claim, capacity: Capacity, *, used: int, coming: int) -> Grant:
    """What becomes of a request for more, before the rate of changes is looked at."""
    request = claim.request
    if capacity.pressed:
        return Grant(vcpus=request.current, reason=Reason.HOST_PRESSED)
    if claim.size == request.want or capacity.vcpus is None:
        return Grant(vcpus=claim.size)
    left = capacity.vcpus - used
    host = (
        f"the host has {left} of {capacity.vcpus} vCPUs left"
        if left >= 0
        else f"the host's domains have {used} vCPUs where {capacity.vcpus} are the limit"
    )
    gets = claim.size - request.current
    detail = f"{host}; {request.want - request.current} more are asked for and {gets or 'none'} granted"
    if coming:
        detail += f"; {coming} will be free soon"
    return Grant(vcpus=claim.size, reason=Reason.HOST_FULL, detail=detail)


def _shortages(classes: Sequence[Sequence[_Claim]]) -> Iterator[tuple[_Claim, int]]:
    """Who stays short of how many vCPUs, in the order of serving."""
    for goal in _PASSES:
        for claims in classes:
            for claim in sorted(claims, key=lambda claim: claim.per_weight):
                reached = claim.size if goal is _floor_of else max(claim.size, _floor_of(claim.request))
                yield claim, max(0, goal(claim.request) - reached)


def _taken_back(
    requests: Sequence[Request], classes: Sequence[Sequence[_Claim]], coming: int
) -> Iterator[tuple[Request, _Claim]]:
    """Who gives up a vCPU now, and for whom. What is coming anyway goes to those who are served first."""
    givers = deque(sorted((request for request in requests if _may_give(request)), key=_least_entitled))
    for claim, short in _shortages(classes):
        covered = min(coming, short)
        coming -= covered
        for _ in range(short - covered):
            if not givers or givers[0].priority >= claim.request.priority:
                break
            yield givers.popleft(), claim


def _may_give(request: Request) -> bool:
    return request.yields and not request.moving and request.want >= request.current > request.floor


def _need_first(claim: _Claim) -> tuple[bool, int, float, tuple[str, str]]:
    """The order in which growth begins; that of serving."""
    request = claim.request
    return (
        request.current >= request.floor,
        -request.priority,
        request.current / request.weight,
        _identity(request),
    )


def _least_entitled(request: Request) -> tuple[int, float, tuple[str, str]]:
    """The order in which vCPUs are given up: lowest priority first, then the most vCPUs for its weight."""
    return request.priority, -request.current / request.weight, _identity(request)


def _for_whom(claim: _Claim) -> str:
    taker = claim.request
    return (
        f"{taker.name or taker.domain.uuid} of priority {taker.priority} is short of "
        f"{taker.want - claim.size} vCPUs"
    )
