"""One recorded decision in plain words, step by step as it was made: what `explain` prints and a page shows.

Invariant: every figure comes from the record; nothing is reckoned anew, so that what is told of last week is
what was decided last week.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autoscaler.core.binding import limit_of
from autoscaler.core.counted import counted, vcpus
from autoscaler.core.learned_growth import LEAST_VCPUS
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.core.spans import span
from autoscaler.core.stabilize import Clamp

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


def explain(record: Mapping[str, Any]) -> list[Step]:
    """Tell a decision.

    Args:
        record: as `autoscaler.service.journal_reader.decision_at` returns it.
    """
    inputs = record["newest_inputs"] or record["inputs"]
    return [
        *_signals(inputs, record),
        *_strategy(inputs, record),
        *_schedules(inputs, record),
        *_order(inputs),
        *_clamps(inputs, record),
        *_action(inputs, record),
        *_outcome(record),
    ]


def sentence_in(record: Mapping[str, Any]) -> str:
    """Why a recorded decision is what it is; of a limit, which one and how much it was."""
    return _sentence(record["inputs"], record)


def _sentence(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    reason = Reason(record["reason"])
    clamp = next((clamp for clamp in _clamps_in(inputs) if clamp.reason is reason), None)
    return SENTENCES[reason] if clamp is None else _limit(clamp, inputs, record)


def _clamps_in(inputs: Mapping[str, Any]) -> Iterator[Clamp]:
    for name, before, after in inputs["clamps"]:
        yield Clamp(Reason(name), before, after)


def _limit(clamp: Clamp, inputs: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    # A guest that was not seen is reckoned to run all that are plugged; early records have no maximum.
    online = record["plugged"] if record["online"] is None else record["online"]
    return limit_of(
        clamp,
        online=online,
        policy=record["policy"],
        schedules=inputs.get("schedules", ()),
        maximum=inputs.get("maximum"),
    )


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
        f"({busy / online:.0%}); the host withheld {load['steal_vcpus'] / online:.0%} of their time (steal)"
        f"{_OVERLAP if busy + load['steal_vcpus'] > online else ''}. Read by {load['source']}.",
    )
    if load["demand_vcpus"] > busy:
        yield Step(
            "demand",
            f"Every vCPU was busy: with the tasks that waited that is a demand of about "
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
        yield Step("target", f"By the policy its vCPUs are to be {trace['utilization_ratio']:.0%} busy.")
        yield Step("want", f"So this demand needs {vcpus(proposed)}.")
        if held > proposed:
            yield Step(
                "hold", f"{vcpus(held)} were wanted within the last {span(trace['hold_s'])} and are kept."
            )
        return
    yield Step("target", _learned_target(trace, record))
    yield Step(
        "want",
        f"So a demand of {trace['reckoned_vcpus']:.2f} vCPUs{_reckoned_from(inputs, trace)} needs "
        f"{vcpus(proposed)}.",
    )
    if held > proposed and trace["needed"] >= held:
        yield Step(
            "hold", f"With fewer than {vcpus(held)} this demand would break the promise: they are kept."
        )
    elif held > proposed and online > proposed and trace["hold_s"] is not None:
        yield Step("hold", _learned_hold(trace, held, online))


def _reckoned_from(inputs: Mapping[str, Any], trace: Mapping[str, Any]) -> str:
    """Why the strategy reckons with more than a guest used, where it is not all that its tasks asked for."""
    load, reckoned = inputs.get("load"), trace["reckoned_vcpus"]
    if load is None or reckoned <= load["busy_vcpus"] or reckoned == load["demand_vcpus"]:
        return ""
    if reckoned == LEAST_VCPUS:
        return " (the least that is reckoned with)"
    return " (what it used and a margin: what waits may be over by then)"


def _learned_target(trace: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    ahead = f"{trace['growth_ratio']:.2f} times as much within {span(trace['outlook_s'])}"
    return (
        f"From a load like this, {1 - trace['risk_ratio']:.1%} of the time it came to at most {ahead}. It is "
        f"given room for that, so its vCPUs may be {trace['target_utilization_ratio']:.0%} busy now. "
        f"{_room(trace, record)}"
    )


def _room(trace: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What of its error budget had a guest given more room, or less."""
    moves = []
    if trace["bad_slices"]:
        last = ""
        if trace["last_bad_ago_s"] is not None:
            last = f" (the last at {_time(record['until_wall_s'] - trace['last_bad_ago_s'])})"
        moves.append(f"{counted(trace['bad_slices'], 'bad slice')} in 24 h{last} called for more")
    if trace["clean_s"] > 0:
        good = "good slices" if trace["last_bad_ago_s"] is None else "good ones since the last bad one"
        moves.append(f"{span(trace['clean_s'])} of {good} allow less")
    if not moves:
        return "How much room follows its error budget, of which nothing is known yet."
    return f"How much room follows its error budget: {', '.join(moves)}."


def _learned_hold(trace: Mapping[str, Any], held: int, online: int) -> str:
    if held > online:
        return (
            f"{vcpus(held)} were wanted within the last {span(trace['hold_s'])}, for which they are kept: so "
            "those online stay."
        )
    which = _ORDINALS.get(held, f"{held}th")
    kept = f"The {which} vCPU is kept for {span(trace['hold_s'])} after it was last wanted"
    if trace["covered_ratio"] is None:
        return f"{kept}, since too little is known yet of how soon it is wanted again."
    return f"{kept}: it was wanted again within that in {trace['covered_ratio']:.0%} of cases."


def _schedules(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    if inputs["schedules"]:
        names = " and ".join(map(repr, inputs["schedules"]))
        yield Step(
            "schedule",
            f"By schedule {names} it may have {inputs['lower']} to {inputs['upper']} vCPUs at this hour, in "
            f"mode {record['mode']}.",
        )


def _order(inputs: Mapping[str, Any]) -> Iterator[Step]:
    # A record of an earlier version says nothing of orders.
    if inputs.get("order"):
        yield Step("order", f"By an administrator's order it is {inputs['order']}.")


def _clamps(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    for clamp in _clamps_in(inputs):
        if clamp.reason is Reason.DOUBTED:
            yield Step("host", _seen_by_host(inputs))
        stage = "bounds" if clamp.reason in _BOUNDS else "grant" if clamp.reason in _HOST else "pace"
        detail = f" ({inputs['granted']})" if stage == "grant" and inputs["granted"] else ""
        yield Step(stage, f"{clamp.before} became {clamp.after}: {_limit(clamp, inputs, record)}{detail}.")


def _seen_by_host(inputs: Mapping[str, Any]) -> str:
    load = inputs["load"]
    return (
        f"The guest claims to have used {load['busy_vcpus']:.2f} vCPUs; the host saw its vCPU threads want "
        f"{load['host_vcpus']:.2f}."
    )


def _action(inputs: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Step]:
    online, following, why = record["online"], record["next_vcpus"], _sentence(inputs, record)
    if following is None:
        yield Step("action", f"It stays as it is: {why}. {_UNSEEN}")
    elif online is None:
        verb = "is grown" if record["act"] else "would be grown"
        yield Step("action", f"It {verb} to {vcpus(following)}: {why}. {_UNSEEN}")
    elif following == online:
        lasted_s = record["until_wall_s"] - record["at_wall_s"]
        so_long = f", as it has for {span(lasted_s)}" if lasted_s >= 1 else ""
        yield Step("action", f"It stays at {vcpus(online)}{so_long}: {why}.")
    elif record["act"]:
        verb = "grown" if following > online else "shrunk"
        yield Step("action", f"It is {verb} from {online} to {vcpus(following)}: {why}.")
    else:
        verb = "grown" if following > online else "shrunk"
        would = f"It would be {verb} from {online} to {vcpus(following)}"
        if Reason(record["reason"]) is Reason.PAUSED:
            yield Step("action", f"{would}, and nothing is changed: {why}.")
        else:
            yield Step("action", f"{would} ({why}); in mode {record['mode']} nothing is changed.")


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
    """In the service's own time zone, which it names: who reads it may be in another."""
    return f"{datetime.fromtimestamp(wall_s, UTC).astimezone():%Y-%m-%d %H:%M %Z}"
