"""How to spend a budget of bad slices where they save most: a price on bad slices, found for each domain.

With a price p on each bad slice the dynamic programme is exact, and cost(p) - p x allowed is a lower bound
for every course with no more bad slices than allowed (Lagrangian relaxation; Everett 1963, "Generalized
Lagrange multiplier method for solving problems of optimum allocation of resources"). As a function of p that
is concave and made of straight pieces, so the best bound lies where the tangents of its two sides meet.

Invariant: at the price of the cheap side more slices are bad than allowed, at that of the dear side no more
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from autoscaler.replay.ladder import Ladder

    Floats = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.int64]

_ROUNDS = 8
_NUDGE = 1e-6
"""Share of the dearest slice by which two prices differ that tell the slope between them."""
_APART = 0.05
"""A new price keeps this share of the interval away from its ends, lest the tangents creep."""


class _Side(NamedTuple):
    """One end of the interval in which the best price lies; all of shape (domains,)."""

    price: Floats
    bound: Floats
    """The lower bound that this price proves."""
    excess: Floats
    """Bad slices beyond those allowed: the slope of the bound."""

    def where(self, chosen: npt.NDArray[np.bool_], other: _Side) -> _Side:
        """This side for the chosen domains, the other for the rest."""
        return _Side(*(np.where(chosen, mine, theirs) for mine, theirs in zip(self, other, strict=True)))


def spend(ladder: Ladder, allowed: Levels) -> tuple[Levels, Floats]:
    """A cheap way for each domain with at most so many bad slices, and a proven bound of the least cost.

    Returns:
        The counts, shape (runs, domains), and the bounds, shape (domains,).
    """
    cheap = _at(ladder, np.zeros(ladder.domains), allowed)
    dear = cheap.where(cheap.excess <= 0, _at(ladder, np.full(ladder.domains, ladder.dearest), allowed))
    for _ in range(_ROUNDS):
        between = _at(ladder, _between(cheap, dear), allowed)
        cheap, dear = between.where(between.excess > 0, cheap), dear.where(between.excess > 0, between)
    dearer = ladder.path(dear.price + 2 * _NUDGE * ladder.dearest)
    return _spliced(ladder, ladder.path(cheap.price), dearer, allowed), np.maximum(cheap.bound, dear.bound)


def _at(ladder: Ladder, price: Floats, allowed: Levels) -> _Side:
    """What a price proves; what a little more of it adds to the cost tells how many slices are bad."""
    nudge = _NUDGE * ladder.dearest
    cost, beyond = ladder.cost(np.array([price, price + nudge]))
    return _Side(price, cost - price * allowed, np.rint((beyond - cost) / nudge) - allowed)


def _between(cheap: _Side, dear: _Side) -> Floats:
    """Where the tangents of both sides meet."""
    rise = dear.bound - cheap.bound + cheap.excess * cheap.price - dear.excess * dear.price
    meet = rise / np.maximum(cheap.excess - dear.excess, 1.0)
    apart = _APART * (dear.price - cheap.price)
    return np.clip(meet, cheap.price + apart, dear.price - apart)


def _spliced(ladder: Ladder, cheap: Levels, dear: Levels, allowed: Levels) -> Levels:
    """Go the cheap way for as long as the budget lasts and it pays, then the dear one, which keeps it."""
    spent_before, bad_before = (np.cumsum(part(cheap), axis=0) for part in (ladder.spent, ladder.bad))
    spent, bad = (np.cumsum(part(dear), axis=0) for part in (ladder.spent, ladder.bad))
    assert np.all(bad[-1] <= allowed)
    # The first of the dear way's runs is come to from the cheap way.
    joint = ladder.moved(cheap[:-1], dear[1:]) - ladder.moved(dear[:-1], dear[1:])
    whole = spent_before[:-1] + joint + spent[-1] - spent[:-1]
    within = bad_before[:-1] + bad[-1] - bad[:-1] <= allowed
    begin = np.argmin(np.concatenate([spent[-1:], np.where(within, whole, np.inf)]), axis=0)
    return np.where(np.arange(len(dear))[:, None] < begin, cheap, dear)
