"""What every browser that looks at the overview is shown: made once a snapshot, for all of them.

Invariant: the page of a version and the changes that follow it together show what the page of the newest
version shows, so a browser that has missed nothing needs no reload.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from hashlib import blake2b
from typing import TYPE_CHECKING

from autoscaler.core.condition import Urgency
from autoscaler.core.counted import counted
from autoscaler.core.printable import printable
from autoscaler.service.describe import status_of
from autoscaler.service.page.cells import Cells, as_of, clock_time, host_of, named, row_of, sparks_of
from autoscaler.service.page.recent import STEPS, Recent
from autoscaler.service.page.templating import markup, render, rendered
from autoscaler.service.portions import Portions

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from autoscaler.core.model import DomainId
    from autoscaler.service.page.recent import Past
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot

_UUID = re.compile("[0-9A-Za-z-]{1,64}")
_NAMED = 5
"""Names of domains that have no row, of each kind."""
_KEPT = 30
"""Changes that are kept for a browser whose connection was interrupted, or is not made yet."""


class Board:
    """The overview, over the snapshots that one thread puts to it."""

    def __init__(self, snapshot: Snapshot, *, interval_s: float) -> None:
        """`interval_s`: between two samples of a guest."""
        self.recent = Recent(interval_s)
        self._every_s = interval_s
        self._snapshot = snapshot
        self._sparks: dict[str, Cells] = {}
        self._shown: dict[str, Cells] | None = None
        """By the id of their element; None: nobody has looked since the snapshot came."""
        self._order: dict[str, Urgency] = {}
        """The rows, those first that somebody has to look at first, then by name."""
        self._news = ""
        self._sizes: dict[DomainId, int] = {}
        self._page: Portions | None = None
        self._due = True
        """Whether a snapshot came since anybody looked."""
        self.version = int(1000 * snapshot.wall_s)
        """Goes up with each change that is told; a later run of the service begins beyond all of these."""
        self._told: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self.put(snapshot)

    def put(self, snapshot: Snapshot) -> None:
        """Take in a snapshot; cheap, whoever looks."""
        if self.recent.note(snapshot):
            self._sparks.clear()
        self._hear(snapshot)
        self._snapshot = snapshot
        self._due = True

    def remember(self, past: Past) -> None:
        """Take in what the journal has of the time before the start, for the small pictures."""
        self.recent.remember(past)
        self._sparks.clear()
        self._due = True

    def page(self) -> Portions:
        """The whole page, as of the newest version."""
        self.changes()
        shown = self._shown
        assert shown is not None
        if self._page is None:
            hosts = [(key[2:], cells) for key, cells in shown.items() if key.startswith("h-")]
            idle = str(status_of(self._snapshot)["troubles"].get("idle", "no domain is governed"))  # type: ignore[attr-defined]
            page = rendered(
                "overview.html",
                top=shown["top"],
                hosts=hosts,
                count=len(self._order),
                rows=(markup(_row(key, shown[key])) for key in self._order),
                idle=printable(idle),
                version=self.version,
                every_s=self._every_s,
                half_hour=round(STEPS * self.recent.step_s / 60),
            )
            self._page = Portions(page)
        return self._page

    def changes(self) -> bytes | None:
        """What is shown now and was not before, as an event; None: nothing, or nobody had looked yet."""
        if not self._due:
            return None
        self._due = False
        before, order_before = self._shown, self._order
        keys = {f"d-{key}": domain for key, domain in keys_of(self._snapshot).items()}
        ranks = {key: domain.urgency for key, domain in keys.items()}
        shown: dict[str, Cells] = {"top": self._top(list(ranks.values()))}
        shown |= {f"h-{_digest(host.label)}": host_of(host) for host in self._snapshot.hosts}
        shown |= {key: self._cells(key, domain) for key, domain in keys.items()}
        self._shown, self._order = shown, {key: ranks[key] for key in sorted(ranks, key=ranks.__getitem__)}
        if before is None:
            return None
        differing = {
            key: {name: text for name, text in cells.items() if before[key].get(name) != text}
            for key, cells in shown.items()
            if key in before and before[key] != cells
        }
        placed = [key for key, rank in self._order.items() if order_before.get(key) is not rank]
        gone = [key for key in order_before if key not in keys]
        if not (differing or placed or gone):
            return None
        self.version += 1
        self._page = None
        told = {"cells": differing, "gone": gone, "placed": self._places(placed, order_before)}
        text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        event = f"id: {self.version}\nevent: changes\ndata: {text}\n\n".encode(errors="replace")
        self._told.append((self.version, event))
        return event

    def since(self, version: int) -> list[bytes] | None:
        """The changes after a version, oldest first; None: they are not all known any more."""
        if version == self.version:
            return []
        first = self._told[0][0] if self._told else self.version + 1
        if not first - 1 <= version < self.version:
            return None
        return [event for number, event in self._told if number > version]

    def _places(self, keys: Iterable[str], known: Container[str]) -> list[dict[str, str | None]]:
        """Where each of these rows is to stand, in the order of the page; of one that is new, the row."""
        assert self._shown is not None
        shown = self._shown
        above: dict[str, str | None] = dict(zip(self._order, [None, *self._order], strict=False))
        return [
            {"id": key, "after": above[key]} | ({} if key in known else {"html": _row(key, shown[key])})
            for key in keys
        ]

    def _cells(self, key: str, domain: DomainSnapshot) -> Cells:
        if key not in self._sparks:
            self._sparks[key] = sparks_of(domain, self.recent)
        return row_of(domain, self._snapshot.wall_s) | self._sparks[key]

    def _hear(self, snapshot: Snapshot) -> None:
        """Note which domain runs another number of vCPUs than before."""
        sizes = {domain.view.id: domain.online for domain in snapshot.domains if domain.online is not None}
        for domain in snapshot.domains:
            before = self._sizes.get(domain.view.id)
            if before is not None and domain.online is not None and before != domain.online:
                verb = "grew" if domain.online > before else "shrank"
                when = clock_time(snapshot.wall_s)
                self._news = f"{named(domain.label)} {verb} from {before} to {domain.online} vCPUs at {when}"
        self._sizes = sizes

    def _top(self, ranks: Sequence[Urgency]) -> Cells:
        snapshot = self._snapshot
        count, wrong = len(ranks), sum(rank.troubled for rank in ranks)
        at_risk = ranks.count(Urgency.AT_RISK)
        service = [f"{name}: {sentence}" for name, sentence in snapshot.troubles.items()]
        service += [f"{name}: {why}" for host in snapshot.hosts for name, why in host.unseen.items()]
        service += [order.sentence for order in snapshot.orders if not order.domain.uuid]
        return {
            "at": as_of(snapshot.wall_s) if snapshot.tick else "not yet looked",
            "count": f"{counted(count, 'domain')} governed",
            "trouble": f"{wrong} in trouble" if wrong else "none in trouble",
            "trouble@class": _worst(ranks),
            "risk": f"· {at_risk} at risk" if at_risk else "",
            "service": printable("; ".join(service)),
            "news": self._news or "none since the service looks",
            "others": _others(snapshot),
        }


def _worst(ranks: Sequence[Urgency]) -> str:
    if Urgency.BREAKING in ranks:
        return "breaking"
    return "wrong" if Urgency.TROUBLE in ranks else "" if Urgency.AT_RISK in ranks else "ok"


def _row(key: str, cells: Cells) -> str:
    return render("row.html", key=key[2:], c=cells)


def keys_of(snapshot: Snapshot) -> dict[str, DomainSnapshot]:
    """Each domain by its place on the page and in its address: its UUID, or a digest where two have that."""
    uses = Counter(domain.view.id.uuid for domain in snapshot.domains)
    return {
        uuid
        if uses[uuid := domain.view.id.uuid] == 1 and _UUID.fullmatch(uuid)
        else _digest(domain.label): domain
        for domain in snapshot.domains
    }


def _others(snapshot: Snapshot) -> str:
    """The running domains that have no row, and why; empty: there are none."""
    status = status_of(snapshot)
    parts = []
    for title, key in (("without a policy", "ungoverned"), ("switched off", "switched_off")):
        names = status[key]
        assert isinstance(names, list)
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            parts.append(f"{title}: {', '.join(map(named, names[:_NAMED]))}{more}")
    left_alone = status["left_alone"]
    assert isinstance(left_alone, dict)
    parts += [printable(sentence) for sentence in left_alone.values()]
    return f"Not governed: {'; '.join(parts)}" if parts else ""


def _digest(label: str) -> str:
    return blake2b(label.encode(errors="replace"), digest_size=8).hexdigest()
