"""What is said of a promise that is being broken: how far, what keeps the domain from more, and what to do.

It is told whatever the mode and whoever ordered a pause: the guest's users go without all the same, and who
only wants to be recommended to, or has paused it, is to see what that costs. Then the sentence says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import raising
from autoscaler.core.decide import ACTING
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.core.spans import span

if TYPE_CHECKING:
    from autoscaler.core.burning import Burn
    from autoscaler.core.decision import Decision
    from autoscaler.core.domain_state import DomainState

_ADVICE = {
    Reason.HOST_FULL: "move a guest away, or give its policy a higher host.priority",
    Reason.HOST_PRESSED: "move a guest away",
    Reason.TAKEN_BACK: "move a guest away, or give its policy a higher host.priority",
    Reason.STOLEN: "move a guest away",
    Reason.HOST_RATE: "a higher host.operations_per_minute lets more through",
    Reason.COOLDOWN: "a shorter limits.up.cooldown lets it grow sooner",
    Reason.STEP: "a larger limits.up.step lets it grow faster",
    Reason.BY_HAND: "a shorter manual_change.respect_for ends that sooner",
}
"""What to do where the reason itself does not say it."""


def breaking(state: DomainState, burn: Burn) -> str:
    """That a domain's promise is being broken, by how much, and what binds it."""
    sla, decision = state.policy.sla, state.decision
    lasts = (
        f"the error budget of {span(sla.window_s)} is spent"
        if burn.lasts_s <= 0
        else f"at this pace the error budget of {span(sla.window_s)} lasts {span(burn.lasts_s)} more"
    )
    measured = "" if burn.whole else " that were measured"
    kept = (
        f"domain {state.view.name!r} kept its promise in {_share(burn.kept_ratio)} of the last "
        f"{span(burn.known_s)}{measured}, {_share(sla.objective_ratio)} are promised, and {lasts}"
    )
    return kept if decision is None else f"{kept}; {_bound(state, decision)}"


def _share(ratio: float) -> str:
    return f"{100 * ratio:.4g}%"


def _vcpus(count: int) -> str:
    return f"{count} vCPU{'' if count == 1 else 's'}"


def _bound(state: DomainState, decision: Decision) -> str:
    """What keeps the domain from more vCPUs now, and what to do about that."""
    named, order = state.view.named, state.order
    if order is not None:
        return order.sentence
    grows, more = decision.next_vcpus > decision.online, decision.target > decision.online
    if grows and decision.mode not in ACTING:
        return (
            f"in mode {decision.mode} it does not go to the {_vcpus(decision.next_vcpus)} that it needs: "
            f"give policy {decision.policy!r} the mode auto"
        )
    if grows and decision.act:
        return f"it is being grown to {_vcpus(decision.next_vcpus)} now"
    if more or decision.reason in _NOT_SERVED:
        advice = _ADVICE.get(decision.reason, f"see `{named.autoscaler('explain')}`")
        why = f"{SENTENCES[decision.reason]}{f' ({decision.granted})' if decision.granted else ''}"
        return f"it stays at {_vcpus(decision.online)}, since {why}: {advice}"
    if decision.online >= decision.upper:
        return _at_max(state, decision)
    return (
        f"nothing keeps it at its {_vcpus(decision.online)} now: where its load comes faster than vCPUs "
        f"do, a higher vcpus.min in policy {decision.policy!r} helps"
    )


_NOT_SERVED = frozenset({Reason.STOLEN, Reason.DOUBTED, Reason.MISSING, Reason.UNCONFIRMED, Reason.FROZEN})
"""With these nobody knows what it should have, so that a target says nothing."""


def _at_max(state: DomainState, decision: Decision) -> str:
    """Which maximum binds a domain that runs all that it may have."""
    view, policy = state.view, state.policy
    may = "it runs the one vCPU" if decision.online == 1 else f"it runs all {decision.online} vCPUs"
    if decision.upper >= view.maximum:
        wanted = max(decision.proposed, view.maximum + 1)
        also = (
            "" if (policy.max_vcpus or wanted) > view.maximum else f" and vcpus.max in policy {policy.name!r}"
        )
        return (
            f"{may} that the domain can have: raise its maximum by {raising(view.named, wanted)}{also}, "
            "stop and start it, or give it less to do"
        )
    if decision.schedules and decision.upper < (policy.max_vcpus or view.maximum):
        return (
            f"{may} that policy {policy.name!r} allows at this hour: raise vcpus.max in its schedule "
            f"{' or '.join(map(repr, decision.schedules))}, or give it less to do"
        )
    return f"{may} that policy {policy.name!r} allows: raise its vcpus.max, or give it less to do"
