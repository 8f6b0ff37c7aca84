"""Who of one host's domains may grow now, who waits, and who gives a vCPU back.

What counts against the host is what each domain runs, or will run once a growth under way has ended. So a
vCPU that is taken away is handed on only after it was seen to be gone, by a later call.

Invariants: the grants never come to more than the host's capacity or, where its domains run more than that
already, to more than they run; nobody is brought below its floor for another; nobody is given less for asking
more. The order of the requests does not matter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from math import floor
from typing import TYPE_CHECKING, Final, TypeVar

from autoscaler.core.reason import Reason
from autoscaler.core.rounding import ROUNDING
from autoscaler.core.serving import Claim, claims_of, serve, shortages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from autoscaler.core.model import DomainId

_T = TypeVar("_T")

_NO_LIMIT = 1 << 40
"""More vCPUs than all hosts have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one host can bear now."""

    vcpus: int | None
    """Most that its domains may run together; None: no limit is known."""
    pressed: str
    """Why nothing may grow, as part of a sentence: the host is short of CPU time already; empty: all may."""
    changes_left: int
    """Most operations that may begin now."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Request:
    """What one domain runs, and what it asks for."""

    domain: Final[DomainId]
    current: Final[int]
    """vCPUs that count against the host: those online, or what a growth under way brings if that is more."""
    floor: Final[int]
    """Its minimum."""
    want: Final[int]
    """vCPUs it asks for; `current`: it asks for nothing."""
    priority: Final[int]
    weight: Final[float]
    """Its share against others of its priority; above 0."""
    yields: Final[bool]
    """Whether one vCPU may be taken from it now."""
    yielding: Final[int]
    """vCPUs that a shrink under way will free; they still count in `current`."""
    ready: Final[bool]
    """Whether a change may begin now; False, for one is under way: what it is granted is kept for it."""
    name: Final[str]
    """What people call it; empty: its UUID."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        domain: DomainId,
        current: int,
        floor: int,
        want: int,
        priority: int,
        weight: float,
        yields: bool,
        yielding: int,
        ready: bool = True,
        name: str = "",
    ) -> None:
        self.domain = domain
        self.current = current
        self.floor = floor
        self.want = want
        self.priority = priority
        self.weight = weight
        self.yields = yields
        self.yielding = yielding
        self.ready = ready
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The size that a domain may go to now."""

    vcpus: int
    reason: Reason | None = None
    """None: as asked."""
    detail: str = ""
    """The figures behind the reason, as part of a sentence; empty: the reason says it all."""


def host_vcpus(cpus: int, *, overcommit: float, reserve: int) -> int:
    """The vCPUs that a host of so many CPUs can bear: CPUs times the overcommit ratio, less the reserve."""
    return max(0, floor(cpus * overcommit + ROUNDING) - reserve)


def arbitrate(requests: Sequence[Request], capacity: Capacity) -> dict[DomainId, Grant]:
    """Answer every request of one host.

    Where one of higher priority stays short of room, those of lower priority that yield give up a vCPU each.
    Where more operations are due than may begin, growth goes first in the order of serving, then what is
    given up freely, then what is taken back.
    """
    limit = _NO_LIMIT if capacity.vcpus is None else capacity.vcpus
    used = sum(request.current for request in requests)
    left = limit - used
    classes = claims_of(requests)
    serve(classes, max(0, left))
    claims = [claim for claims in classes for claim in claims]

    changes = max(0, capacity.changes_left)
    growths = [claim for claim in claims if not capacity.pressed and _begins(claim)]
    shrinks = [request for request in requests if request.ready and request.want < request.current]
    rate = f"{len(growths) + len(shrinks)} changes are due and {changes} may begin now"
    growths, late_growths = _in_time(growths, changes, order=_in_need)
    shrinks, late_shrinks = _in_time(shrinks, changes - len(growths), order=_least_entitled)
    freed = sum(r.yielding for r in requests) + sum(r.current - r.want for r in shrinks)
    coming = max(0, left + freed) - max(0, left)

    as_asked = {vcpus: Grant(vcpus=vcpus) for vcpus in {request.want for request in requests}}
    grants = {request.domain: as_asked[request.want] for request in requests}
    for claim in claims:
        if capacity.pressed:
            grants[claim.request.domain] = Grant(
                vcpus=claim.request.current, reason=Reason.HOST_PRESSED, detail=capacity.pressed
            )
        elif claim.vcpus < claim.request.want:
            detail = _figures(claim, limit, used, coming)
            grants[claim.request.domain] = Grant(vcpus=claim.vcpus, reason=Reason.HOST_FULL, detail=detail)
    for request in [*(claim.request for claim in late_growths), *late_shrinks]:
        grants[request.domain] = Grant(vcpus=request.current, reason=Reason.HOST_RATE, detail=rate)
    taken = _taken_back(requests, shortages(classes), coming)
    for giver, taker in islice(taken, changes - len(growths) - len(shrinks)):
        detail = _needs(taker)
        grants[giver.domain] = Grant(vcpus=giver.current - 1, reason=Reason.TAKEN_BACK, detail=detail)
    assert sum(grant.vcpus for grant in grants.values()) <= max(limit, used), (requests, capacity)
    return grants


def settled(requests: Sequence[Request], capacity: Capacity) -> dict[DomainId, Grant]:
    """What all would have in the end, if each went on asking for the same.

    Rounds of `arbitrate` until one changes nothing.
    """
    while True:
        grants = arbitrate(requests, capacity)
        after = [replace(request, current=grants[request.domain].vcpus) for request in requests]
        if after == list(requests):
            return grants
        requests = after


def _begins(claim: Claim) -> bool:
    return claim.request.ready and claim.vcpus > claim.request.current


def _in_time(
    changes: list[_T], most: int, *, order: Callable[[_T], tuple[object, ...]]
) -> tuple[list[_T], list[_T]]:
    """The changes that may begin now, and those that are too many."""
    if len(changes) <= most:
        return changes, []
    changes = sorted(changes, key=order)
    return changes[:most], changes[most:]


def _taken_back(
    requests: Iterable[Request], short: Iterable[tuple[Claim, int]], coming: int
) -> Iterator[tuple[Request, Claim]]:
    """Who gives up a vCPU, and for whom. What is coming anyway goes to those who are served first."""
    givers = deque(sorted(filter(_may_give, requests), key=_least_entitled))
    for claim, vcpus in short:
        covered = min(coming, vcpus)
        coming -= covered
        for _ in range(vcpus - covered):
            if not givers or givers[0].priority >= claim.request.priority:
                break
            yield givers.popleft(), claim


def _may_give(request: Request) -> bool:
    return request.yields and request.want >= request.current > request.floor


def _in_need(claim: Claim) -> tuple[bool, int, float, DomainId]:
    """The order in which growth begins: that in which the first vCPU of each was served."""
    request = claim.request
    above = request.current >= request.floor
    return above, -request.priority, request.current / request.weight, request.domain


def _least_entitled(request: Request) -> tuple[int, float, DomainId]:
    """The order in which vCPUs are given up: lowest priority first, then the most vCPUs for the weight."""
    return request.priority, -request.current / request.weight, request.domain


def _figures(claim: Claim, limit: int, used: int, coming: int) -> str:
    """How full the host is, for one who does not get all."""
    request = claim.request
    detail = (
        f"the host has {limit - used} of {limit} vCPUs left"
        if used <= limit
        else f"the host's domains have {used} vCPUs where {limit} are the limit"
    )
    asked, got = request.want - request.current, claim.vcpus - request.current
    detail += f"; this domain gets {got} of the {asked} more that it needs"
    return f"{detail}; {coming} more will be free soon" if coming else detail


def _needs(taker: Claim) -> str:
    request = taker.request
    return (
        f"{request.name or request.domain.uuid} of priority {request.priority} "
        f"has {taker.vcpus} of the {request.want} vCPUs that it needs"
    )
