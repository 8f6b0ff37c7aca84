"""What every domain would get now under other policies, against the ones in force. Nothing is changed by it.

The policies come as texts, for the service opens no file because somebody asked for it. The plan is made on
the controller's thread, between two ticks, over the very facts that the last decisions were made on. Beside
its target, each domain shows what its host would grant it once all have got what they can.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.arbiter import Request
from autoscaler.core.asking import prospect_of
from autoscaler.core.binding import sentence_of
from autoscaler.core.policy import Match
from autoscaler.core.policy_changes import meaning_of
from autoscaler.core.preview import preview
from autoscaler.core.reason import SENTENCES
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.load import load_texts
from autoscaler.policyfile.text_file import decode
from autoscaler.service.assignments import governing
from autoscaler.service.decision_record import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.backends.local.peer import Peer
    from autoscaler.core.arbiter import Grant
    from autoscaler.core.decision import Decision
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.policyfile.text_file import TextFile
    from autoscaler.service.fleet import Fleet


class PlanVerb:
    """The verb ``plan`` of the control socket."""

    def __init__(self, plan: Callable[[PolicySet], list[dict[str, object]]]) -> None:
        """`plan` makes the plan for a set of policies; any thread may call it."""
        self._plan = plan

    def __call__(self, request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
        """Make a plan for the policies in ``files``, a list of ``{"name": ..., "text": ...}``.

        Raises:
            PoliciesBroken: there are errors in them.
        """
        loaded = load_texts(_files(request.get("files")))
        if loaded.policy_set is None:
            raise PoliciesBroken(f"the policies have errors, the first of them: {loaded.errors[0]}")
        return {"domains": self._plan(loaded.policy_set)}


class PoliciesBroken(AutoscalerError):
    """There is no plan for policies that have errors."""


def _files(written: object) -> list[TextFile]:
    if not isinstance(written, list) or not all(_is_file(entry) for entry in written):
        raise PoliciesBroken("a plan is asked for with 'files', a list of {'name': ..., 'text': ...}")
    return [decode(entry["name"], entry["text"].encode(errors="surrogatepass")) for entry in written]


def _is_file(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "text"))


@dataclass(frozen=True, slots=True)
class _Prospect:
    """One domain under one set of policies."""

    request: Request
    policy: Policy | None = None
    decision: Decision | None = None
    """None: no policy governs it, or it was not measured yet."""


def plan_of(
    fleet: Fleet, ungoverned: Iterable[DomainView], policies: PolicySet, *, now_s: float, wall_s: float
) -> list[dict[str, object]]:
    """One plain value a running domain: what holds now, what would, and whether that differs."""

    def under(policy_of: Callable[[DomainView], Policy | None]) -> dict[DomainId, _Prospect]:
        prospects = {
            governed.state.view.id: _of_governed(
                governed.state, policy_of(governed.state.view), now_s, wall_s
            )
            for governed in fleet
        }
        return prospects | {view.id: _Prospect(_fixed(view), policy_of(view)) for view in strangers}

    strangers = tuple(ungoverned)
    now, after = under(fleet.assignments.policy_of), under(partial(governing, policies))
    granted_now, granted_after = (
        fleet.settled(prospect.request for prospect in prospects.values()) for prospects in (now, after)
    )

    def entry(view: DomainView) -> dict[str, object]:
        old, new = now[view.id], after[view.id]
        before, then = _plain(old, granted_now[view.id]), _plain(new, granted_after[view.id])
        return {
            "domain": view.name,
            "uuid": view.id.uuid,
            "host": view.id.host,
            "now": before,
            "after": then,
            "changes": _compared(before) != _compared(then) or _means_otherwise(old.policy, new.policy),
        }

    found = [entry(view) for view in (*(governed.state.view for governed in fleet), *strangers)]
    return sorted(found, key=lambda one: (str(one["domain"]), str(one["uuid"])))


def _of_governed(state: DomainState, policy: Policy | None, now_s: float, wall_s: float) -> _Prospect:
    if policy is None:
        return _Prospect(_fixed(state.view, state.committed))
    decision = preview(state, policy, now_s, wall_s)
    return _Prospect(prospect_of(state, decision, policy), policy, decision)


def _fixed(view: DomainView, vcpus: int | None = None) -> Request:
    """How a domain that asks for nothing counts on its host."""
    running = view.plugged if vcpus is None else vcpus
    return Request(
        domain=view.id,
        current=running,
        floor=running,
        want=running,
        priority=0,
        weight=1.0,
        yields=False,
        yielding=0,
    )


def _means_otherwise(old: Policy | None, new: Policy | None) -> bool:
    """Whether limits and shares differ, though they may make no difference at this moment."""
    return old is not None and new is not None and _effect(old) != _effect(new)


def _effect(policy: Policy) -> Policy:
    """The policy without what says whom it governs."""
    return replace(meaning_of(policy), name="", match=Match())


def _compared(entry: dict[str, object] | None) -> dict[str, object] | None:
    """What makes a difference to a domain; the words of a reason do not."""
    return None if entry is None else {key: value for key, value in entry.items() if key != "reason"}


def _plain(prospect: _Prospect, grant: Grant) -> dict[str, object] | None:
    policy, decision = prospect.policy, prospect.decision
    if policy is None:
        return None
    if decision is None:
        reason = "not measured yet: no policy governs it now"
        return {"policy": policy.name, "mode": policy.mode, "reason": reason}
    counts, reason = counts_of(decision), sentence_of(decision)
    if grant.reason is not None:
        reason += f"; {SENTENCES[grant.reason]}"
    return {
        "policy": decision.policy,
        "mode": decision.mode,
        "min": decision.lower,
        "max": decision.upper,
        "online": counts["online"],
        "target": counts["target"],
        "gets": None if decision.in_the_dark else grant.vcpus,
        "reason": reason,
    }
