"""What the log says of a domain: each thing once, when it begins and when it ends, never every tick."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.reason import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.condition import Condition
    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.core.operation import Operation
    from autoscaler.core.policy import Policy
    from autoscaler.service.snapshot import Snapshot

_log = logging.getLogger("autoscaler")


class Narrator:
    """Remembers what was said, to say only what is new."""

    def __init__(self) -> None:
        self._said: dict[DomainId | str, set[str]] = {}

    def of_domain(self, view: DomainView, found: Mapping[Condition, str]) -> None:
        """Say which conditions of a domain are new and which are over."""
        self._compare(view.id, view.name, found)

    def of_service(self, subject: str, found: Mapping[str, str]) -> None:
        """Say which troubles of a part of the service, or of a host, are new and which are over."""
        self._compare(subject, subject, found)

    def _compare(
        self, who: DomainId | str, name: str, found: Mapping[Condition, str] | Mapping[str, str]
    ) -> None:
        """`who` tells two domains of one name apart, and a domain from a host that is called as it is."""
        said = self._said.pop(who, set())
        for condition, sentence in found.items():
            if condition not in said:
                _log.warning("%s: %s", name, sentence)
        for condition in sorted(said - found.keys()):
            _log.info("%s: no longer %s", name, condition)
        if found:
            self._said[who] = set(found)

    def forget(self, domain: DomainId) -> None:
        """The domain is gone, and so is what was said of it."""
        self._said.pop(domain, None)

    def governed(self, view: DomainView, policy: Policy) -> None:
        """Say that a domain came under a policy."""
        _log.info(
            "%s: governed by policy %s (%s), %d of %d vCPUs plugged",
            view.name,
            policy.name,
            policy.mode,
            view.plugged,
            view.maximum,
        )

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
            "growing" if operation.direction is Direction.UP else "shrinking",
            operation.from_vcpus,
            operation.to_vcpus,
            SENTENCES[decision.reason],
            demand,
        )

    def ended(self, name: str, operation: Operation) -> None:
        """Say how a change ended; one that failed is a condition and said there."""
        if operation.outcome in {Outcome.DONE, Outcome.SUPERSEDED}:
            stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in operation.stages_s().items())
            _log.info("%s: %d vCPUs online (%s)", name, operation.to_vcpus, stages)
        elif operation.outcome is Outcome.CONFLICT:
            _log.info("%s: change to %d vCPUs dropped: %s", name, operation.to_vcpus, operation.detail)


def idle_sentence(snapshot: Snapshot) -> str | None:
    """Why there is nothing to do, where no domain is governed though every host answers; else None."""
    if snapshot.domains or any(host.trouble for host in snapshot.hosts):
        return None
    if not snapshot.ungoverned:
        return "no domain is running: start one, and a policy whose match fits its name governs it"
    names = ", ".join(repr(view.name) for view in snapshot.ungoverned[:_NAMED])
    more = "" if len(snapshot.ungoverned) <= _NAMED else f" and {len(snapshot.ungoverned) - _NAMED} more"
    return f"no policy matches any running domain ({names}{more}): add its name to a policy's match"


_NAMED = 5
