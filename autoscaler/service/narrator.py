"""What the log says, of domains, hosts and the service: each thing once, when it begins and when it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from autoscaler.core.binding import sentence_of
from autoscaler.core.condition import NO_TROUBLE, Condition
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.owner import left_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.core.operation import Operation
    from autoscaler.core.owner import Owner
    from autoscaler.core.policy import Policy
    from autoscaler.service.snapshot import HostSnapshot, Snapshot

_log = logging.getLogger("autoscaler")

_DOING = {
    Direction.UP: "growing",
    Direction.DOWN: "shrinking",
    Direction.UNPLUG: "unplugging, to go",
}
_WITH_FIGURES = frozenset(
    {
        Condition.BREAKING,
        Condition.BY_HAND,
        Condition.DOUBTED,
        Condition.FEW_DESCRIPTORS,
        Condition.NO_HEADROOM,
    }
)
"""Conditions whose sentences have figures that go on."""
_MOST_SENTENCES = 8
"""Said of one trouble while it lasts: parts of a sentence may be a guest's own words."""
_MOST_LINES, _WITHIN_S = 12, 300.0
"""Said of one domain's troubles in that time: a guest can have them come and go as fast as it likes."""
_NAMED = 5
"""Domains that a line names before it only counts the others."""


@dataclass(slots=True)
class _Pace:
    """How many lines were said of one domain's troubles."""

    since_s: float = -inf
    lines: int = 0

    def count(self, now_s: float) -> int:
        """Another is to be said: how many that makes."""
        if now_s - self.since_s >= _WITHIN_S:
            self.since_s, self.lines = now_s, 0
        self.lines += 1
        return self.lines


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What the log says of something that is wrong, and when it no longer is."""

    line: str
    over: str
    domain: str | None = None
    """The domain that it is about; None: none."""
    said: frozenset[str] = frozenset()
    """Lines said of it since it began; another cause is worth another line, an old one is not."""
    counts: bool = False
    """Whether its line has figures that go on, so that another line is no other cause."""


class Narrator:
    """Remembers what was said, to say only what is new."""

    def __init__(self) -> None:
        self._troubles: dict[DomainId | str, dict[str, _Trouble]] = {}
        """By whom they befell and by their name."""
        self._paces: dict[DomainId, _Pace] = {}
        self._owners: set[Owner] = set()
        """Of whom it was said that their domains are left alone."""

    def of_domain(self, view: DomainView, found: Mapping[Condition, str]) -> None:
        """Say which conditions of a domain are new and which are over; what is no trouble is not said."""
        if not found and view.id not in self._troubles:
            return
        name = view.name
        self._compare(
            view.id,
            {
                condition: _Trouble(
                    f"{name}: {sentence}",
                    f"{name}: no longer {condition}",
                    name,
                    counts=condition in _WITH_FIGURES,
                )
                for condition, sentence in found.items()
                if condition not in NO_TROUBLE
            },
            partial(self._may_say, view),
        )

    def of_host(self, host: HostSnapshot) -> None:
        """Say whether a host, or a guest of it that cannot be seen, came into trouble or out of it."""
        found = {
            f"guest {name}": _Trouble(f"{name}: {sentence}", f"{name}: no longer in trouble", name)
            for name, sentence in host.unseen.items()
        }
        if host.trouble is not None:
            found["host"] = _Trouble(f"{host.label}: {host.trouble}", f"{host.label}: answers again")
        self._compare(f"host {host.label}", found)

    def of_service(self, subject: str, found: Mapping[str, str]) -> None:
        """Say which troubles of a part of the service are new and which are over."""
        over = f"{subject}: no longer in trouble"
        self._compare(
            subject, {name: _Trouble(f"{subject}: {sentence}", over) for name, sentence in found.items()}
        )

    def _may_say(self, view: DomainView) -> bool:
        lines = self._paces.setdefault(view.id, _Pace()).count(view.at_s)
        if lines == _MOST_LINES + 1:
            _log.warning(
                "%s: what is wrong with it comes and goes: no more of that is said for up to %g minutes, "
                "`autoscaler show` has it",
                view.name,
                _WITHIN_S / 60,
                extra=_of(view.name),
            )
        return lines <= _MOST_LINES

    def _compare(
        self, who: DomainId | str, found: dict[str, _Trouble], may_say: Callable[[], bool] = lambda: True
    ) -> None:
        """Say what is new and what is over, as far as `may_say` lets; what lasts is said later, then.

        `who` tells two domains of one name apart, and a domain from a host that is called as it is.
        """
        before = self._troubles.pop(who, {})
        for name, trouble in found.items():
            said = before[name].said if name in before else frozenset[str]()
            news = not said if trouble.counts else trouble.line not in said and len(said) < _MOST_SENTENCES
            if news and may_say():
                _log.warning("%s", trouble.line, extra=_of(trouble.domain))
                said |= {trouble.line}
            found[name] = replace(trouble, said=said)
        for name in sorted(before.keys() - found.keys()):
            if not before[name].said or not may_say():
                continue
            _log.info("%s", before[name].over, extra=_of(before[name].domain))
        if found:
            self._troubles[who] = found

    def forget(self, domain: DomainId) -> None:
        """The domain is gone, and so is what was said of it."""
        self._troubles.pop(domain, None)
        self._paces.pop(domain, None)

    def governed(self, view: DomainView, policy: Policy) -> None:
        """Say that a domain came under a policy."""
        _log.info(
            "%s: governed by policy %s (%s), %d of %d vCPUs plugged",
            view.name,
            policy.name,
            policy.mode,
            view.plugged,
            view.maximum,
            extra=_of(view.name),
        )

    def left_alone(self, ungoverned: Iterable[DomainView]) -> None:
        """Say of each owner, once, that its domains are left alone."""
        for owner, sentence in left_alone(ungoverned).items():
            if owner not in self._owners:
                self._owners.add(owner)
                _log.info("%s", sentence)

    def nothing_to_do(self, snapshot: Snapshot) -> None:
        """Say once when no running domain is governed, and what runs there instead."""
        sentence = idle_sentence(snapshot)
        self.of_service("policies", {} if sentence is None else {"idle": sentence})

    def begun(self, decision: Decision, operation: Operation) -> None:
        """Say that a change begins, and why."""
        load = decision.load
        demand = "" if load is None else f", demand {load.demand_vcpus:.2f} vCPUs"
        _log.info(
            "%s: %s from %d to %d vCPUs: %s%s",
            decision.name,
            _DOING[operation.direction],
            operation.from_vcpus,
            operation.to_vcpus,
            sentence_of(decision),
            demand,
            extra=_of(decision.name),
        )

    def ended(self, name: str, operation: Operation) -> None:
        """Say how a change ended; one that failed is a condition and said there."""
        if operation.unplugs and operation.outcome is Outcome.SUPERSEDED:
            _log.info("%s: no vCPU is taken back any more, the guest needs it", name, extra=_of(name))
        elif operation.outcome in {Outcome.DONE, Outcome.SUPERSEDED}:
            stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in operation.stages_s().items())
            what = "plugged" if operation.unplugs else "online"
            _log.info("%s: %d vCPUs %s (%s)", name, operation.to_vcpus, what, stages, extra=_of(name))
        elif operation.outcome is Outcome.CONFLICT:
            told = (name, operation.to_vcpus, operation.detail)
            _log.info("%s: change to %d vCPUs dropped: %s", *told, extra=_of(name))


def _of(domain: str | None) -> Mapping[str, str | None]:
    """Which domain a line of the log is about, for those who read it by its keys."""
    return {"domain": domain}


def idle_sentence(snapshot: Snapshot) -> str | None:
    """Why there is nothing to do, where no domain is governed though all can be seen; else None."""
    if snapshot.domains or any(host.unseen or not host.connected for host in snapshot.hosts):
        return None
    claimed = left_alone(snapshot.ungoverned)
    others = [view for view in snapshot.ungoverned if view.claimed_by is None]
    if claimed and not others:
        return "; ".join(claimed.values())
    if not others:
        return "no domain is running: start one, and a policy whose match fits its name governs it"
    names = ", ".join(repr(view.name) for view in others[:_NAMED])
    more = "" if len(others) <= _NAMED else f" and {len(others) - _NAMED} more"
    return f"no policy matches any running domain ({names}{more}): add its name to a policy's match"
