"""A domain as people ask for it: which one is meant, why none is, and why it has its size.

Invariant: an answer is made from one snapshot and the journal; where there is none, a sentence says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.service.decision_record import counts_of, inputs_of
from autoscaler.service.describe import why_ungoverned
from autoscaler.service.explain import explain
from autoscaler.service.journal_reader import decision_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autoscaler.core.condition import Condition
    from autoscaler.service.explain import Step
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot

_RECORDED_EVERY_S = 120.0
"""The journal writes once a minute how long a decision has lasted; what is older than this has ended."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision of a domain, told."""

    note: str
    """What is to be known where the record is not of the moment that was asked for; empty: nothing."""
    record: dict[str, object]
    steps: Sequence[Step]
    conditions: Mapping[Condition, str]
    """What is wrong with it or ordered for it at present; empty where an earlier moment was asked for."""


def meant(snapshot: Snapshot, wanted: str) -> DomainSnapshot | None:
    """The governed domain that goes by this label, name or UUID; None: there is none."""
    return next((domain for domain in snapshot.domains if _is(domain, wanted)), None)


def explained(path: Path, snapshot: Snapshot, wanted: str, at_wall_s: float | None) -> Explained | str:
    """The decision that stood at a moment (None: now), or a sentence why there is none.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    domain = meant(snapshot, wanted)
    key = wanted if domain is None else domain.view.id.uuid
    record = decision_at(path, domain=key, at_wall_s=at_wall_s)
    if record is None:
        return why_unrecorded(snapshot, wanted, past=at_wall_s is not None)
    if at_wall_s is None and domain is not None:
        record = _up_to_date(record, domain, snapshot.wall_s)
    note = _note(record, at_wall_s)
    if domain is None:
        note = f"{why_unknown(snapshot, wanted)}; this is the last on record"
    conditions = {} if domain is None or at_wall_s is not None else domain.conditions
    return Explained(note, record, explain(record), conditions)


def _note(record: dict[str, object], at_wall_s: float | None) -> str:
    """What is to be known of a record that is not of the moment that was asked for; empty: nothing."""
    until_wall_s = record["until_wall_s"]
    assert isinstance(until_wall_s, float)
    if at_wall_s is None or at_wall_s - until_wall_s <= _RECORDED_EVERY_S:
        return ""
    return "nothing is on record of that time: this is the last before it"


def _up_to_date(record: dict[str, object], domain: DomainSnapshot, wall_s: float) -> dict[str, object]:
    """The newest record with what the last tick decided on, where that only repeated it.

    The journal writes repetitions once a minute.
    """
    decision = domain.decision
    if decision is None:
        return record
    counts = counts_of(decision)
    newest = {"reason": decision.reason, "act": decision.act}
    newest |= {key: counts[key] for key in ("online", "target")}
    if any(record[key] != value for key, value in newest.items()):
        return record
    return record | {
        "newest_inputs": inputs_of(decision),
        "proposed": counts["proposed"],
        "until_wall_s": wall_s,
    }


def _is(domain: DomainSnapshot, wanted: str) -> bool:
    return wanted in {domain.label, domain.view.name, domain.view.id.uuid}


def why_unrecorded(snapshot: Snapshot, wanted: str, *, past: bool) -> str:
    """Why nothing is on record of a domain."""
    if past and any(_is(domain, wanted) for domain in snapshot.domains):
        return f"nothing was recorded of domain {wanted!r} before that time: `autoscaler events` has what was"
    return why_unknown(snapshot, wanted)


def why_unknown(snapshot: Snapshot, wanted: str) -> str:
    """Why a domain is not among the governed ones, as far as the last tick tells."""
    for view in snapshot.ungoverned:
        if wanted in {view.name, view.id.uuid}:
            return why_ungoverned(view, snapshot)
    for host in snapshot.hosts:
        if wanted in host.unseen:
            return f"domain {wanted!r} cannot be seen: {host.unseen[wanted]}"
    lost = [host.label for host in snapshot.hosts if not host.connected]
    if lost:
        return (
            f"no governed domain is called {wanted!r}, and {lost[0]} does not answer: see `autoscaler status`"
        )
    return f"no governed domain is called {wanted!r}: `autoscaler list` has those that are"
