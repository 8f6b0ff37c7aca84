"""Which domain an order means, by what people call it.

Invariant: a name that fits several domains picks none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.decide import limits_at
from autoscaler.core.named import Named
from autoscaler.core.orders import EVERY
from autoscaler.service.describe import why_ungoverned
from autoscaler.service.snapshot import labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from autoscaler.core.model import DomainId
    from autoscaler.service.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A domain that can be named in an order."""

    id: DomainId
    name: str
    label: str
    """Its name, made unique among all of them; see `labels_of`."""
    maximum: int | None = None
    """None: it is not seen now, and only known from an order for it, or from the journal."""
    bounds: tuple[int, int] | None = None
    """The fewest and most vCPUs by its policy at this hour; None: no policy governs it."""
    alone: str = ""
    """Why no policy governs it, a sentence; empty: one does, or it is not seen now."""

    @property
    def named(self) -> Named:
        """What commands call it."""
        return Named(*self.id, self.name)

    @property
    def names(self) -> frozenset[str]:
        """Whatever it goes by."""
        return frozenset({self.label, self.name, self.id.uuid})


def known_domains(snapshot: Snapshot) -> list[Known]:
    """Every domain that is seen, and those that are not and are under an order."""
    views = [domain.view for domain in snapshot.domains] + list(snapshot.ungoverned)
    labels = labels_of(views)
    governed = {domain.view.id: domain for domain in snapshot.domains}
    found = []
    for view in views:
        bounds, alone = None, ""
        if view.id in governed:
            limits = limits_at(governed[view.id].policy, view, snapshot.wall_s)
            bounds = limits.lower, limits.upper
        else:
            alone = why_ungoverned(view, snapshot)
        found.append(
            Known(
                id=view.id,
                name=view.name,
                label=labels[view.id],
                maximum=view.maximum,
                bounds=bounds,
                alone=alone,
            )
        )
    absent = [order for order in snapshot.orders if order.domain != EVERY and order.domain not in labels]
    return found + [Known(id=order.domain, name=order.name, label=order.name) for order in absent]


def picked(domains: Sequence[Known], wanted: str, recall: Callable[[str], Iterable[Known]]) -> Known:
    """The one domain that goes by this name, label or UUID.

    Args:
        domains: those that are known now.
        wanted: what somebody calls it.
        recall: where none of them goes by that, those that once did.

    Raises:
        ValueError: none does, or several do; the text says which.
    """
    fitting = [domain for domain in domains if wanted in domain.names or wanted.lower() == domain.id.uuid]
    fitting = fitting or list(recall(wanted))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ValueError(
            f"no running domain is called {wanted!r}: `autoscaler list` has those that are governed, "
            "`autoscaler status` the others"
        )
    # On two hosts a UUID may be the same: the label still tells them apart.
    exact = [domain for domain in fitting if domain.label == wanted != domain.name]
    if len(exact) == 1:
        return exact[0]
    candidates = ", ".join(f"{domain.label} ({domain.id.uuid})" for domain in fitting)
    raise ValueError(
        f"{len(fitting)} domains are called {wanted!r}, name one of them otherwise: {candidates}"
    )
