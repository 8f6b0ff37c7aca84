"""The labels and the description of every domain of one connection, known at each sweep and asked for at few.

A domain's are asked for when it is first seen, when libvirt tells that its metadata changed, and in any case
about once in `REREAD_S`, since an event can be lost. Each sweep asks for those that are due, and waits for
them no longer than `PATIENCE_S`; what was not answered is due at the next. Who runs a domain is written when
it is made: its description is asked for when it is first seen and when libvirt tells that its metadata
changed. libvirt reads labels at once; for a description it waits until no other call asks the domain's QEMU,
from some release on (seen in 11.3, not in 9.0), which is for ever where that hangs.

Invariants: a domain whose labels or description were never heard is not shown, since nobody may have to
govern it; one whose labels are late keeps those it had; one whose labels are unfit is taken to have opted
out, and the log says so once.
No more than one call for labels is out, and `_PLACES` for descriptions.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.description import read_description
from autoscaler.backends.libvirt.errors import said
from autoscaler.backends.libvirt.late import LateCalls
from autoscaler.backends.libvirt.link import is_alive
from autoscaler.backends.libvirt.metadata import NAMESPACE, read_labels
from autoscaler.core.named import Named
from autoscaler.core.policy import OPT_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from autoscaler.backends.libvirt.description import Described

_CORRECTING = ("--key", "autoscaler", "--live", "--config", "--edit")
_log = logging.getLogger(__name__)

REREAD_S = 60.0
PATIENCE_S = 0.5
_OPTED_OUT: Mapping[str, str] = MappingProxyType(dict([OPT_OUT]))
"""What stands for labels that cannot be read: an opt-out may be among them."""
_PLACES = 4
"""Descriptions that may be awaited at once; each is that of another domain."""
_MOST_TOLD = 4
"""Different faults of one domain that are logged; whoever can write labels must not be able to fill a log."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of one run of a domain, from its start to its stop."""

    named: Named
    run: int
    """libvirt's id of the running domain; another one after a restart."""
    labels: Mapping[str, str] | None = None
    """None: never heard."""
    due: bool = True
    described: Described | None = None
    """What its description says; None: never heard."""
    description_due: bool = True
    description_awaited: bool = False
    """Whether a call for it is out."""
    failure: str = ""
    """What libvirt said when it was asked last and could not tell."""
    told: set[str] = field(default_factory=set)
    """What the log says of its labels."""

    @property
    def shown(self) -> bool:
        """Whether all was heard that decides who may govern it."""
        return self.described is not None and self.labels is not None

    def changed(self) -> None:
        """Have all of it asked for."""
        self.due = self.description_due = True


class DomainLabels:
    """Asks for labels, a sweep at a time."""

    def __init__(self, uri: str) -> None:
        """Start with no domain seen."""
        self._uri = uri
        self._labelling = LateCalls(1)
        self._describing = LateCalls(_PLACES)
        self._sweeping = threading.Lock()
        self._known: Mapping[str, _Known] = MappingProxyType({})
        """By UUID; replaced whole."""
        self._turns = self._rounds()
        self._owed = 0.0
        """Turns that time has brought and no sweep has given yet."""
        self._swept_s: float | None = None

    def changed(self, uuid: str | None = None) -> None:
        """Have one domain, or all, asked for at the next sweep; any thread may call this."""
        if uuid is None:
            for known in self._known.values():
                known.changed()
        elif uuid in self._known:
            self._known[uuid].changed()

    def of(self, domains: Sequence[libvirt.virDomain], *, now_s: float) -> Mapping[str, Mapping[str, str]]:
        """UUID -> labels, of those among a sweep's domains that are to be shown."""
        with self._sweeping:
            followed = self._follow(domains)
            self._give_turns(now_s)
            due = [(domain, known) for domain, known in followed if known.due]
            # Else the connection that these domains are of is in use.
            if _ask(self._labelling, _label, due):
                undescribed = [
                    (domain, known)
                    for domain, known in followed
                    if known.description_due and not known.description_awaited
                ]
                _ask(self._describing, _describe, undescribed)
            return {
                uuid: known.labels
                for uuid, known in self._known.items()
                if known.labels is not None and known.shown
            }

    @property
    def described(self) -> Mapping[str, Described]:
        """UUID -> what its description says, of the domains of the last sweep of which it was heard."""
        return {uuid: known.described for uuid, known in self._known.items() if known.described is not None}

    @property
    def waits(self) -> bool:
        """Whether a call is out that has not come back in time."""
        return self._labelling.out > 0 or self._describing.out > 0

    @property
    def troubles(self) -> Mapping[str, str]:
        """Name -> why it is not shown, of each domain of the last sweep of which not all was heard."""
        return {
            known.named.name: (
                f"libvirt does not tell the metadata of domain {known.named}, by which its owner may have "
                f"opted out{known.failure and f' ({known.failure})'}: see whether "
                f"`{known.named.virsh('metadata', NAMESPACE)}` answers"
            )
            for known in self._known.values()
            if not known.shown
        }

    def _follow(self, domains: Sequence[libvirt.virDomain]) -> list[tuple[libvirt.virDomain, _Known]]:
        """Remember these domains and no others any more."""
        before, now = self._known, dict[str, _Known]()
        followed = []
        for domain in domains:
            uuid, run = domain.UUIDString(), domain.ID()
            known = before.get(uuid)
            if known is None or known.run != run:
                known = _Known(named=Named(self._uri, uuid, domain.name()), run=run)
            now[uuid] = known
            followed.append((domain, known))
        self._known = MappingProxyType(now)
        return followed

    def _give_turns(self, now_s: float) -> None:
        span_s = 0.0 if self._swept_s is None else max(0.0, now_s - self._swept_s)
        self._swept_s = now_s
        self._owed = min(self._owed + len(self._known) * span_s / REREAD_S, len(self._known))
        for known in islice(self._turns, int(self._owed)):
            known.due = True
            self._owed -= 1

    def _rounds(self) -> Iterator[_Known]:
        """Every domain in turn, for ever; not to be asked where there is none."""
        while True:
            yield from tuple(self._known.values())


def _ask(
    late: LateCalls,
    ask: Callable[[libvirt.virDomain, _Known], None],
    due: Sequence[tuple[libvirt.virDomain, _Known]],
) -> bool:
    """Ask for what is due, and tell whether no call is left out."""
    if not due:
        return late.out == 0
    given_up = threading.Event()
    try:
        late.run(partial(_ask_each, ask, due, given_up), patience_s=PATIENCE_S)
    except TimeoutError:
        given_up.set()
        return False
    return True


def _ask_each(
    ask: Callable[[libvirt.virDomain, _Known], None],
    due: Sequence[tuple[libvirt.virDomain, _Known]],
    given_up: threading.Event,
) -> None:
    for domain, known in due:
        if given_up.is_set():
            return
        try:
            ask(domain, known)
        except libvirt.libvirtError as error:
            known.failure = said(error)
            if not is_alive(domain.connect()):
                return


def _label(domain: libvirt.virDomain, known: _Known) -> None:
    # Before it is read: a change meanwhile makes it due again.
    known.due = False
    try:
        known.labels = _labels(domain, known)
    except libvirt.libvirtError:
        known.due = True
        raise


def _describe(domain: libvirt.virDomain, known: _Known) -> None:
    known.description_due, known.description_awaited = False, True
    try:
        known.described = read_description(domain)
    except ValueError as fault:
        known.failure, known.description_due = str(fault), True
    except libvirt.libvirtError:
        known.description_due = True
        raise
    finally:
        known.description_awaited = False


def _labels(domain: libvirt.virDomain, known: _Known) -> Mapping[str, str]:
    try:
        return read_labels(domain)
    except ValueError as fault:
        _tell(known, str(fault))
        return _OPTED_OUT


def _tell(known: _Known, fault: str) -> None:
    if fault not in known.told and len(known.told) < _MOST_TOLD:
        known.told.add(fault)
        _log.warning(
            "domain %s is left alone, for its labels cannot be read: %s; correct them by `%s`",
            known.named,
            fault,
            known.named.virsh("metadata", NAMESPACE, *_CORRECTING),
        )
