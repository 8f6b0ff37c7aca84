"""What is said of a promise that is being broken or soon may be: what keeps the domain from more, what helps.

Cause and remedy come first, for a narrow place shows only the beginning; how much was kept comes last.
It is told whatever the mode and whoever ordered a pause: the guest's users go without all the same, and who
only wants to be recommended to, or has paused it, is to see what that costs. Then the sentence says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.binding import at_max, sentence_of
from autoscaler.core.counted import vcpus
from autoscaler.core.decide import ACTING
from autoscaler.core.percent import percent
from autoscaler.core.reason import Reason
from autoscaler.core.spans import left_span, span

if TYPE_CHECKING:
    from autoscaler.core.burning import Burn
    from autoscaler.core.decision import Decision
    from autoscaler.core.domain_state import DomainState

_MINUTE_S = 60.0
_NOT_SERVED = frozenset({Reason.STOLEN, Reason.DOUBTED, Reason.MISSING, Reason.UNCONFIRMED, Reason.FROZEN})
"""With these nobody knows what it should have, so that a target says nothing."""
_ADVICE = {
    Reason.HOST_FULL: "move a guest away, or give its policy a higher host.priority",
    Reason.HOST_PRESSED: "move a guest away",
    Reason.TAKEN_BACK: "move a guest away, or give its policy a higher host.priority",
    Reason.STOLEN: "move a guest away",
    Reason.HOST_RATE: "a higher figure lets more through",
    Reason.COOLDOWN: "a shorter one lets it grow sooner",
    Reason.STEP: "a larger one lets it grow faster",
    Reason.BY_HAND: "a shorter manual_change.respect_for ends that sooner",
}
"""What to do where the reason itself does not say it."""


def breaking(state: DomainState, burn: Burn) -> str:
    """That a domain's promise is being broken: what binds it, what to do, and how much was kept."""
    sla = state.policy.sla
    served = burn.served_s > 0
    budget = f"the error budget of {span(sla.window_s)}"
    pace = "that" if served else "this"
    lasts = f"{budget} is spent"
    if burn.lasts_s > 0:
        lasts = f"{budget} lasts {left_span(burn.lasts_s)} at {pace} pace"
    measured = "" if burn.whole else " that were measured"
    kept = f"kept {percent(burn.kept_ratio)} of the last {span(burn.known_s)}{measured}"
    told = []
    if served:
        told.append(f"served now, broke its promise until {span(burn.served_s)} ago (told of for an hour)")
    told += _bound(state, _then(state, burn.served_s + sla.slice_s) if served else "")
    return "; ".join([*told, f"{kept}, {_promised(state)}, {lasts}"])


def at_risk(state: DomainState, bad_s: float) -> str:
    """That no slice was good for so long: what binds the domain and what to do, should that go on."""
    return "; ".join([*_bound(state), f"0 of the last {span(bad_s)} kept the promise, {_promised(state)}"])


def _then(state: DomainState, ago_s: float) -> str:
    """Where to look for what kept a domain from more so long ago."""
    ago = f"{ago_s / _MINUTE_S:.0f}m" if ago_s >= 2 * _MINUTE_S else f"{ago_s:.0f}s"
    return f"`{state.view.named.autoscaler('explain')} --at '{ago} ago'` has what kept it from more"


def _promised(state: DomainState) -> str:
    return f"{percent(state.policy.sla.objective_ratio, 4)} promised"


def _bound(state: DomainState, otherwise: str = "") -> list[str]:
    """What keeps the domain from more vCPUs now, and what to do about that; empty: nothing was decided.

    `otherwise` is said where nothing does and of one that has enough by now; empty: that its load comes
    too fast.
    """
    decision = state.decision
    if state.order is not None:
        return [state.order.sentence]
    return [] if decision is None else [_decided(state, decision, otherwise)]


def _has_enough(decision: Decision) -> bool:
    """Whether a domain runs all that it may and wants no more: what it lacked before is there by now."""
    return decision.proposed <= decision.online >= decision.upper


def _decided(state: DomainState, decision: Decision, otherwise: str) -> str:
    grows, more = decision.next_vcpus > decision.online, decision.target > decision.online
    if grows and decision.mode not in ACTING:
        return (
            f"in mode {decision.mode} it does not go to the {vcpus(decision.next_vcpus)} that it needs: "
            f"give policy {decision.policy!r} the mode auto"
        )
    if grows and decision.act:
        return f"it is being grown to {vcpus(decision.next_vcpus)} now"
    if more or decision.reason in _NOT_SERVED:
        advice = _ADVICE.get(decision.reason, f"see `{state.view.named.autoscaler('show')}`")
        why = sentence_of(decision)
        granted = f" ({decision.granted})" if decision.granted else ""
        return f"it stays at {vcpus(decision.online)}, since {why}{granted}: {advice}"
    if decision.online >= decision.upper and not (otherwise and _has_enough(decision)):
        return at_max(decision, state.policy, state.view)
    return otherwise or (
        f"nothing keeps it at its {vcpus(decision.online)} now: where its load comes faster than vCPUs "
        f"do, a higher vcpus.min in policy {decision.policy!r} helps"
    )
