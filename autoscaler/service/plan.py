"""What every domain would get now under other policies, against the ones in force. Nothing is changed by it.

The policies come as texts, for the service opens no file because somebody asked for it. The plan is made on
the controller's thread, between two ticks, over the very facts that the last decisions were made on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.policy_changes import meaning_of
from autoscaler.core.reason import SENTENCES
from autoscaler.policyfile.load import load_texts
from autoscaler.policyfile.text_file import decode
from autoscaler.ports import AutoscalerError
from autoscaler.service.assignments import governing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import PolicySet
    from autoscaler.policyfile.text_file import TextFile
    from autoscaler.service.governed import Governed


class PlanVerb:
    """The verb ``plan`` of the control socket."""

    def __init__(self, plan: Callable[[PolicySet], list[dict[str, object]]]) -> None:
        """`plan` makes the plan for a set of policies; any thread may call it."""
        self._plan = plan

    def __call__(self, request: Mapping[str, object]) -> Mapping[str, object]:
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


def plan_of(
    governed: Iterable[Governed],
    ungoverned: Iterable[DomainView],
    policies: PolicySet,
    *,
    now_s: float,
    wall_s: float,
) -> list[dict[str, object]]:
    """One plain value a running domain: what holds now, what would, and whether that differs."""
    found = [_of_governed(domain, policies, now_s, wall_s) for domain in governed]
    found += [_of_ungoverned(view, policies) for view in ungoverned]
    return sorted(found, key=lambda entry: (str(entry["domain"]), str(entry["uuid"])))


def _of_governed(domain: Governed, policies: PolicySet, now_s: float, wall_s: float) -> dict[str, object]:
    state = domain.state
    policy = governing(policies, state.view)
    now = _plain(state.preview(state.policy, now_s, wall_s))
    after = None if policy is None else _plain(state.preview(policy, now_s, wall_s))
    entry = _entry(state.view, now, after)
    if policy is not None and meaning_of(policy) != meaning_of(state.policy):
        # Limits and shares make a difference though they make none at this moment.
        entry["changes"] = True
    return entry


def _of_ungoverned(view: DomainView, policies: PolicySet) -> dict[str, object]:
    policy = governing(policies, view)
    if policy is None:
        return _entry(view, None, None)
    reason = "not measured yet: no policy governs it now"
    return _entry(view, None, {"policy": policy.name, "mode": policy.mode, "reason": reason})


def _entry(
    view: DomainView, now: dict[str, object] | None, after: dict[str, object] | None
) -> dict[str, object]:
    return {
        "domain": view.name,
        "uuid": view.id.uuid,
        "host": view.id.host,
        "now": now,
        "after": after,
        "changes": _compared(now) != _compared(after),
    }


def _compared(entry: dict[str, object] | None) -> dict[str, object] | None:
    """What makes a difference to a domain; the words of a reason do not."""
    return None if entry is None else {key: value for key, value in entry.items() if key != "reason"}


def _plain(decision: Decision) -> dict[str, object]:
    return {
        "policy": decision.policy,
        "mode": decision.mode,
        "min": decision.lower,
        "max": decision.upper,
        "online": decision.online,
        "target": decision.target,
        "reason": SENTENCES[decision.reason],
    }
