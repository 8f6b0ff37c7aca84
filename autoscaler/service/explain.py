"""One recorded decision in plain words, step by step as it was made: what `explain` prints and a page shows.

Invariant: every figure comes from the record; nothing is reckoned anew, so that what is told of last week is
what was decided last week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autoscaler.core.counted import counted, vcpus
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.core.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Record = "Mapping[str, Any]"

_BOUNDS = frozenset({Reason.HOLD, Reason.AT_MIN, Reason.AT_MAX, Reason.SCHEDULE, Reason.ORDERED})
_HOST = frozenset({Reason.HOST_FULL, Reason.HOST_PRESSED, Reason.HOST_RATE, Reason.TAKEN_BACK})
_OVERLAP = ", some of it in what the guest counts as busy"
_UNSEEN = (
    "How many vCPUs the guest runs is not known, for it was not seen since the service took it up: on its "
    "host all that are plugged count."
)
_ORDINALS = {1: "first", 2: "second", 3: "third"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision."""

    stage: str
    """``signals``, ``demand``, ``target``, ``want``, ``hold``, ``schedule``, ``order``, ``bounds``, ``host``,
    ``pace``, ``grant``, ``action`` or ``outcome``."""
    text: str
    """One plain sentence, or a few."""


def explain(record: Mapping[str, Any], at_max: str | None = None) -> list[Step]:
    """Tell a decision.

    Args:
        record: as `autoscaler.service.journal_reader.decision_at` returns it.
        at_max: which maximum binds, where the decision is of now; None: not known, for no record says it.
    """
    sentences = SENTENCES if at_max is None else {**SENTENCES, Reason.AT_MAX: at_max}
    inputs = record["newest_inputs"] or record["inputs"]
    return [
        *_signals(inputs, record),
        *_strategy(inputs, record),
        *_schedules(inputs, record),
        *_order(inputs),
        *_clamps(inputs, sentences),
        *_action(record, sentences),
        *_outcome(record),
    ]


def _signals(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    load, missing = inputs.get("load"), inputs.get("missing")
    if missing is not None:
        yield Step("signals", f"There was no sample ({missing['reason']}): {missing['detail']}.")
        return
    if load is None:
        yield Step("signals", "There were no two samples yet that could be compared.")
        return
    online = record["online"]
    busy = load["busy_vcpus"]
    yield Step(
        "signals",
        f"In {load['span_s']:.1f} s the guest was busy on {busy:.2f} of {vcpus(online)} "
        f"({busy / online:.0%}); the host withheld {load['steal_vcpus'] / online:.0%} of their time"
        f"{_OVERLAP if busy + load['steal_vcpus'] > online else ''}. Read by {load['source']}.",
    )
    if load["demand_vcpus"] > busy:
        yield Step(
            "demand",
            f"Every vCPU was busy, and the tasks that found none add up to a demand of "
            f"{load['demand_vcpus']:.2f} vCPUs.",
        )
    else:
        yield Step("demand", f"That is a demand of {load['demand_vcpus']:.2f} vCPUs.")


def _strategy(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    trace = inputs.get("trace")
    if trace is None:
        return
    proposed, held, online = record["proposed"], inputs["held"], record["online"]
    if trace["strategy"] == "target":
        yield Step("target", f"The policy keeps utilisation at {trace['utilization_ratio']:.0%}.")
        yield Step("want", f"So {vcpus(proposed)} would serve the demand.")
        if held > proposed:
            yield Step(
                "hold", f"{vcpus(held)} were wanted within the last {span(trace['hold_s'])} and are kept."
            )
        return
    yield Step("target", _learned_target(trace, record))
    yield Step(
        "want",
        f"{trace['reckoned_vcpus']:.2f} vCPUs{_reckoned_from(inputs, trace)} at "
        f"{trace['target_utilization_ratio']:.0%} make {vcpus(proposed)} wanted.",
    )
    if held > proposed and trace["needed"] >= held:
        yield Step(
            "hold", f"With fewer than {vcpus(held)} this demand would break the promise: they are kept."
        )
    elif held > proposed and online > proposed and trace["hold_s"] is not None:
        yield Step("hold", _learned_hold(trace, held, online))


def _reckoned_from(inputs: Mapping[str, Any], trace: Mapping[str, Any]) -> str:
    """Why the strategy reckons with more than a guest used, and with other than its waiting tasks ask for."""
    load = inputs.get("load")
    if load is None or not load["busy_vcpus"] < trace["reckoned_vcpus"] < load["demand_vcpus"]:
        return ""
    return " (those it used and a margin: what waits may be over by then)"


def _learned_target(trace: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    moves = []
    if trace["bad_slices"]:
        last = ""
        if trace["last_bad_ago_s"] is not None:
            last = f", the last at {_time(record['until_wall_s'] - trace['last_bad_ago_s'])}"
        moves.append(f"cut by {counted(trace['bad_slices'], 'bad slice')} in 24 h{last}")
    if trace["clean_s"] > 0:
        moves.append(f"raised by {span(trace['clean_s'])} of good slices since the last bad one")
    how = " and ".join(moves) or "nothing was learned yet"
    ahead = f"more than {trace['growth_ratio']:.2f} times as much within {span(trace['outlook_s'])}"
    return (
        f"This guest may be run at {trace['target_utilization_ratio']:.0%}. In {trace['risk_ratio']:.1%} of "
        f"cases its demand comes to {ahead}, too much for its promise: that is the risk that its error "
        f"budget leaves it, {how}."
    )


def _learned_hold(trace: Mapping[str, Any], held: int, online: int) -> str:
    if held > online:
        kept_for = span(trace["hold_s"])
        return (
            f"{vcpus(held)} were wanted within the {kept_for} that they are kept for: so those online stay."
        )
    which = _ORDINALS.get(held, f"{held}th")
    kept = f"The {which} vCPU is kept for {span(trace['hold_s'])} after it was last wanted"
    if trace["covered_ratio"] is None:
        return f"{kept}, since too little is known yet of how soon it is wanted again."
    return f"{kept}: it was wanted again within that in {trace['covered_ratio']:.0%} of cases."


def _schedules(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    if inputs["schedules"]:
        names = ", ".join(repr(name) for name in inputs["schedules"])
        yield Step(
            "schedule",
            f"In force: {names}. So the bounds are {inputs['lower']} to {inputs['upper']} vCPUs, mode "
            f"{record['mode']}.",
        )


def _order(inputs: Mapping[str, Any]) -> Iterator[Step]:
    # A record of an earlier version says nothing of orders.
    if inputs.get("order"):
        yield Step("order", f"By an administrator's order it is {inputs['order']}.")


def _clamps(inputs: Mapping[str, Any], sentences: Mapping[Reason, str]) -> Iterator[Step]:
    for name, before, after in inputs["clamps"]:
        reason = Reason(name)
        if reason is Reason.DOUBTED:
            yield Step("host", _seen_by_host(inputs))
        stage = "bounds" if reason in _BOUNDS else "grant" if reason in _HOST else "pace"
        detail = f" ({inputs['granted']})" if stage == "grant" and inputs["granted"] else ""
        yield Step(stage, f"{before} became {after}: {sentences[reason]}{detail}.")


def _seen_by_host(inputs: Mapping[str, Any]) -> str:
    load = inputs["load"]
    return (
        f"The guest claims to have used {load['busy_vcpus']:.2f} vCPUs; the host saw its vCPU threads want "
        f"{load['host_vcpus']:.2f}."
    )


def _action(record: Mapping[str, Any], sentences: Mapping[Reason, str]) -> Iterator[Step]:
    reason, online, following = Reason(record["reason"]), record["online"], record["next_vcpus"]
    if following is None:
        yield Step("action", f"It stays as it is: {sentences[reason]}. {_UNSEEN}")
    elif online is None:
        verb = "is grown" if record["act"] else "would be grown"
        yield Step("action", f"It {verb} to {vcpus(following)}: {sentences[reason]}. {_UNSEEN}")
    elif following == online:
        lasted_s = record["until_wall_s"] - record["at_wall_s"]
        so_long = f", as for {span(lasted_s)} now" if lasted_s >= 1 else ""
        yield Step("action", f"It stays at {vcpus(online)}{so_long}: {sentences[reason]}.")
    elif record["act"]:
        verb = "grown" if following > online else "shrunk"
        yield Step("action", f"It is {verb} from {online} to {vcpus(following)}: {sentences[reason]}.")
    else:
        verb = "grown" if following > online else "shrunk"
        would = f"It would be {verb} from {online} to {vcpus(following)}"
        if reason is Reason.PAUSED:
            yield Step("action", f"{would}, and nothing is changed: {sentences[reason]}.")
        else:
            yield Step(
                "action", f"{would} ({sentences[reason]}); in mode {record['mode']} nothing is changed."
            )


def _outcome(record: Mapping[str, Any]) -> Iterator[Step]:
    operation = record["operation"]
    if operation is None:
        return
    stages = ", ".join(f"{stage} after {seconds:.2f} s" for stage, seconds in operation["stages_s"].items())
    outcome = operation["outcome"] or "under way"
    parts = [f"The change is {outcome}" if operation["outcome"] is None else f"The change ended: {outcome}"]
    parts += [f" ({stages})"] if stages else []
    parts += [f"; {operation['detail']}"] if operation["detail"] else []
    yield Step("outcome", "".join(parts) + ".")


def _time(wall_s: float) -> str:
    return f"{datetime.fromtimestamp(wall_s, UTC).astimezone():%Y-%m-%d %H:%M}"
