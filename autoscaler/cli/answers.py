"""JSON Schemas of what the commands print with ``--output json``, for the programs that read it.

Invariant: what stands here is there in every answer of this major version; an answer may have more keys than
a reader knows, which is why no schema forbids them.
"""

from __future__ import annotations

from typing import Any

from autoscaler.core.condition import Condition
from autoscaler.core.decision import Verdict
from autoscaler.core.model import CpuSource, RunState
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.orders import OrderKind
from autoscaler.core.policy import Mode
from autoscaler.core.reason import Reason
from autoscaler.doctor.finding import CHECKS, Severity
from autoscaler.service.settings import Occasion

Schema = dict[str, Any]


def _said(what: str, kind: str, **more: object) -> Schema:
    return {"type": kind, "description": what, **more}


def _text(what: str, **more: object) -> Schema:
    return _said(what, "string", **more)


def _whole(what: str) -> Schema:
    return _said(what, "integer")


def _figure(what: str) -> Schema:
    return _said(what, "number")


def _flag(what: str) -> Schema:
    return _said(what, "boolean")


def _one_of(values: Any, what: str) -> Schema:  # noqa: ANN401 - any closed set
    return _text(what, enum=[str(value) for value in values])


def _list(items: Schema, what: str) -> Schema:
    return {"type": "array", "description": what, "items": items}


def _map(values: Schema, what: str) -> Schema:
    return {"type": "object", "description": what, "additionalProperties": values}


def _maybe(schema: Schema, otherwise: str) -> Schema:
    """A value that may be null, and what that means."""
    what = f"{schema.get('description', '')}; null: {otherwise}"
    return {"anyOf": [schema, {"type": "null"}], "description": what}


def _object(what: str, **keys: Schema) -> Schema:
    required = [key for key, schema in keys.items() if not schema.get("x-optional")]
    return {"type": "object", "description": what, "properties": keys, "required": required}


def _optional(schema: Schema) -> Schema:
    """A value whose key may not be there."""
    return schema | {"x-optional": True}


_WALL = _figure("seconds since the epoch")
_NAME = _text("the domain's name, with its host or UUID where others have it too")
_UUID = _text("its UUID")
_HOST = _text("the connection by which it is seen, as the configuration has it")
_REASON = _one_of(Reason, "why, from a closed set")
_UNSEEN = "not known, since the guest was not seen after the service took it up"
_LEFT = f"left as it is, which is {_UNSEEN}"
_MODE = _one_of(Mode, "how far the policy goes")

_CHANGE = _object(
    "one change of vCPUs",
    decision_id=_whole("the decision that it began with; see events"),
    direction=_one_of(Direction, "which way"),
    from_vcpus=_whole("before"),
    to_vcpus=_whole("after"),
    reason=_REASON,
    stages_s=_map(_figure("seconds"), "seconds from the request to each stage that was reached"),
    outcome=_maybe(_one_of(Outcome, "how it ended"), "it is under way"),
    detail=_text("more in words; empty where there is no more"),
)
_ORDER = _object(
    "an administrator's order",
    domain=_maybe(_NAME, "for every domain"),
    uuid=_maybe(_UUID, "for every domain"),
    host=_maybe(_HOST, "for every domain"),
    kind=_one_of(OrderKind, "what is ordered"),
    vcpus=_maybe(_whole("the count that is held"), "it is a pause"),
    by_uid=_whole("user id of who gave it"),
    at_wall_s=_WALL,
    until_wall_s=_maybe(_WALL, "it has no end"),
    sentence=_text("the same in words"),
)
_SLO_KEYS: dict[str, Schema] = {
    "promise": _text("what was promised, in words"),
    "objective_ratio": _figure("share of slices that are to be good"),
    "good": _whole("slices of the window; so are bad and unknown"),
    "bad": _whole("slices that broke the indicator"),
    "unknown": _whole("slices that were not measured"),
    "attained_ratio": _maybe(_figure("good share of the known slices"), "none is known"),
    "budget_remaining_ratio": _figure("share of the error budget that is left; below 0: overspent"),
    "burn_rates": _map(
        _maybe(_figure("1 spends the budget in one window"), "nothing is known"), "how fast it burns, by span"
    ),
    "exhausted_in_s": _maybe(_figure("until the budget is spent at this pace"), "never at this pace"),
    "slices_total": _map(_whole("slices"), "all slices since the domain was first seen, by outcome"),
}
_LOAD = _object(
    "what the guest did between the last two samples",
    busy_vcpus=_figure("vCPU-seconds per second"),
    demand_vcpus=_figure("what it wanted, by estimate"),
    utilization_ratio=_figure("busy share of the online vCPUs"),
    steal_ratio=_figure("share of their time that the host withheld"),
    span_s=_figure("between the samples"),
    host_vcpus=_maybe(_figure("what the host saw its vCPU threads want"), "it does not see them"),
)
_LAST_DECISION = _object(
    "the last decision",
    verdict=_one_of(Verdict, "which way"),
    mode=_MODE,
    schedules=_list(_text("name"), "schedules in force"),
    reason=_REASON,
    sentence=_text("the reason in words"),
    act=_flag("whether something is done"),
    proposed=_maybe(_whole("what the strategy asked for"), _LEFT),
    target=_maybe(_whole("what it should have, within its bounds"), _LEFT),
    next_vcpus=_maybe(_whole("where it goes now"), _LEFT),
    clamps=_list(
        _object("a limit that bound", reason=_REASON, before=_whole("before"), after=_whole("after")),
        "the limits that bound, in order",
    ),
)
_VCPUS = _object(
    "vCPUs by state",
    plugged=_whole("that QEMU has"),
    online=_maybe(_whole("that the guest runs"), _UNSEEN),
    min=_whole("the fewest that are allowed now"),
    max=_whole("the most"),
    maximum=_whole("the domain's maxcpus"),
    target=_optional(_whole("what it should have; not there before that is decided")),
    proposed=_optional(_whole("what the strategy asked for; not there before that is decided")),
)
_DOMAIN_KEYS: dict[str, Schema] = {
    "name": _NAME,
    "uuid": _UUID,
    "host": _HOST,
    "state": _one_of(RunState, "as its hypervisor has it"),
    "policy": _text("name of its policy"),
    "policy_source": _text("file and line of it"),
    "mode": _MODE,
    "vcpus": _VCPUS,
    "slo": _object("how its promise is kept", **_SLO_KEYS),
    "cpu_source": _maybe(_one_of(CpuSource, "where its load is read"), "there was no sample"),
    "last_sample_wall_s": _maybe(_WALL, "there was none"),
    "load": _maybe(_LOAD, "it is not known"),
    "decision": _maybe(_LAST_DECISION, "there was none"),
    "operation": _maybe(_CHANGE, "none is under way"),
    "last_operation": _maybe(_CHANGE, "none has ended"),
    "order": _maybe(_ORDER, "there is none"),
    "removal": _maybe(_CHANGE, "none is under way"),
    "last_removal": _maybe(_CHANGE, "none has ended"),
    "descriptors": _maybe(
        _object("files of its QEMU", open=_whole("open"), limit=_whole("the most")), "not visible"
    ),
    "conditions": {
        "type": "object",
        "description": "what is wrong or ordered, each with a sentence",
        "propertyNames": {"enum": [str(condition) for condition in Condition]},
        "additionalProperties": _text("what it is, and what to do"),
    },
}
_SLOT = _object(
    "a slot for a vCPU",
    slot=_whole("its number"),
    plugged=_maybe(_flag("whether it holds a vCPU"), "not known"),
    online=_maybe(_flag("whether the guest runs that"), "not known"),
    report=_maybe(
        _object(
            "what the guest's firmware said of it last",
            source=_whole("ACPI's code of the event"),
            status=_whole("ACPI's status"),
            meaning=_text("both in words"),
            ago_s=_figure("how long ago"),
        ),
        "nothing",
    ),
)
_EVENT_CHANGE = _object(
    "the change that it began",
    **{
        name: schema
        for name, schema in _CHANGE["properties"].items()
        if name not in {"decision_id", "reason"}
    },
)
EVENT = _object(
    "a recorded decision; one that repeats is one entry",
    id=_whole("grows with time"),
    at_wall_s=_WALL,
    until_wall_s=_figure("until when it was the same"),
    repeats=_whole("how often it was made again"),
    host=_HOST,
    uuid=_UUID,
    domain=_text("the domain's name"),
    policy=_text("name of its policy"),
    mode=_MODE,
    verdict=_one_of(Verdict, "which way"),
    reason=_REASON,
    plugged=_whole("vCPUs that QEMU had"),
    online=_maybe(_whole("that the guest ran"), _UNSEEN),
    proposed=_maybe(_whole("that the strategy asked for"), _LEFT),
    target=_maybe(_whole("that it should have had"), _LEFT),
    next_vcpus=_maybe(_whole("where it was to go"), _LEFT),
    act=_flag("whether something was done"),
    inputs=_said("what it was made on", "object"),
    newest_inputs=_said("what the newest of its repeats was made on", "object"),
    operation=_maybe(_EVENT_CHANGE, "it changed nothing"),
)
_SHARES = _object(
    "what a host has to give",
    cpus=_maybe(_whole("its CPUs"), "not known"),
    capacity_vcpus=_maybe(_whole("the most vCPUs of all domains"), "not known"),
    committed_vcpus=_whole("what they have, or will have when growth under way is done"),
    pressure_ratio=_maybe(_figure("share of 10 s in which its tasks waited for a CPU"), "not visible"),
    steal_ratio=_maybe(_figure("share of its guests' time that it withheld"), "not measured"),
    deadlines_s=_map(_figure("seconds"), "after how long a change is stuck, by stage"),
    pressed=_text("why no guest grows; empty: nothing keeps them"),
)
_HOSTS = _list(
    _object(
        "a connection",
        label=_HOST,
        connected=_flag("whether it answered the last look"),
        trouble=_maybe(_text("why it cannot be used"), "it can"),
        unseen=_map(_text("why"), "domains that are configured and cannot be seen"),
        shares=_maybe(_SHARES, "nobody has asked yet"),
    ),
    "every connection",
)
_NAMES = _list(_text("name"), "names of domains")
_USAGE = _object(
    "one domain on one day",
    day=_text("the day in local time", format="date"),
    name=_text("the domain's name"),
    uuid=_UUID,
    host=_HOST,
    seen_hours=_figure("how long the service decided for it"),
    allowed_vcpu_hours=_figure("the most that policy, schedules and maximum let it run"),
    plugged_vcpu_hours=_figure("what QEMU had"),
    provisioned_vcpu_hours=_figure("what the guest ran"),
    used_vcpu_hours=_figure("what it was busy on"),
    measured_hours=_figure("how long its load was measured"),
)
_SEVERITY = _one_of(Severity, "how much it matters")
_FINDINGS = _list(
    _object(
        "one thing that was looked at",
        check=_one_of(sorted(CHECKS), "what was"),
        severity=_SEVERITY,
        seen=_text("what was seen"),
        means=_text("what that means; empty: no more than it says"),
        fix=_object(
            "what to do",
            advice=_text("in words; empty: nothing beyond the rest"),
            xml=_text("lines for the domain's XML; empty: none"),
            commands=_list(_text("a command line"), "what to type"),
        ),
    ),
    "in the order of the checks",
)
_EXAMINED = _object(
    "a domain",
    name=_text("its name"),
    uuid=_text("its UUID; empty: not known"),
    findings=_FINDINGS,
)
ANSWERS: dict[str, Schema] = {
    "status": _object(
        "the service as a whole",
        at_wall_s=_WALL,
        ticks=_whole("ticks that are over"),
        policies=_whole("policies in force"),
        policy_digest=_text("changes with what they mean"),
        domains=_whole("domains that are governed"),
        ungoverned=_NAMES,
        switched_off=_NAMES,
        left_alone=_map(_text("why"), "owners whose domains are left alone"),
        in_trouble=_NAMES,
        orders=_list(_ORDER, "what administrators ordered"),
        hosts=_HOSTS,
        troubles=_map(_text("what it is, and what to do"), "what is wrong with the service itself"),
    ),
    "list": _list(_object("a governed domain", **_DOMAIN_KEYS), "by name"),
    "show": _object("a governed domain", **_DOMAIN_KEYS, slots=_list(_SLOT, "its slots, lowest first")),
    "explain": _object(
        "why a domain has its size",
        note=_text("what is to be known of the record; empty: nothing"),
        record=EVENT,
        steps=_list(_object("a step", stage=_text("its name"), text=_text("a sentence")), "as it was made"),
    ),
    "events": _list(EVENT, "oldest first; with --follow each is a line of its own, again when it ended"),
    "slo": _list(_object("a domain", name=_NAME, uuid=_UUID, **_SLO_KEYS), "by name"),
    "usage": _list(_USAGE, "by day and name"),
    "doctor": _object(
        "whether hosts and domains are fit",
        worst=_SEVERITY,
        hosts=_list(
            _object(
                "a connection",
                label=_HOST,
                is_down=_flag("whether nothing behind it was seen"),
                findings=_FINDINGS,
                domains=_list(_EXAMINED, "those that were looked at"),
            ),
            "every connection",
        ),
    ),
    "webhook": _object(
        "what the service sends to webhook.url",
        version=_whole("1"),
        delivery=_text("the same if it is sent again"),
        event=_one_of(Occasion, "what happened"),
        id=_whole("the decision, as events has it"),
        at_wall_s=_WALL,
        domain=_text("the domain's name"),
        uuid=_UUID,
        host=_HOST,
        policy=_text("name of its policy"),
        mode=_MODE,
        verdict=_one_of(Verdict, "which way"),
        from_vcpus=_whole("before"),
        to_vcpus=_whole("after"),
        reason=_REASON,
        sentence=_text("the reason in words"),
        outcome=_maybe(_one_of(Outcome, "how it ended"), "it did not, or has not yet"),
        detail=_text("more in words; empty where there is no more"),
        stages_s=_map(_figure("seconds"), "seconds from the request to each stage, once it ended"),
    ),
}
"""By command, and what the service itself sends."""


def answer_schema(command: str) -> Schema:
    """The JSON Schema of what a command prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"autoscaler {command}" if command == "webhook" else f"autoscaler {command} --output json",
    } | ANSWERS[command]
