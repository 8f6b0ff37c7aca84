"""JSON Schemas of what the commands print with ``--output json``, for the programs that read it.

Invariant: what stands here is there in every answer of this major version; an answer may have more keys than
a reader knows, which is why no schema forbids them.
"""

from __future__ import annotations

from autoscaler.cli.schema_words import (
    Schema,
    figure,
    flag,
    many,
    mapping,
    maybe,
    one_of,
    optional,
    record,
    said,
    text,
    whole,
)
from autoscaler.core.condition import Condition
from autoscaler.core.decision import Verdict
from autoscaler.core.model import CpuSource, RunState
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.orders import OrderKind
from autoscaler.core.policy import Mode
from autoscaler.core.reason import Reason
from autoscaler.doctor.finding import CHECKS, Severity
from autoscaler.service.audit_entries import WHATS
from autoscaler.service.audit_verify import Fault
from autoscaler.service.settings import Occasion

_WALL = figure("seconds since the epoch")
_NAME = text("the domain's name, with its host or UUID where others have it too")
_UUID = text("its UUID")
_HOST = text("the connection by which it is seen, as the configuration has it")
_REASON = one_of(Reason, "why, from a closed set")
_UNSEEN = "not known, since the guest was not seen after the service took it up"
_LEFT = f"left as it is, which is {_UNSEEN}"
_MODE = one_of(Mode, "how far the policy goes")

_CHANGE = record(
    "one change of vCPUs",
    decision_id=whole("the decision that it began with; see events"),
    direction=one_of(Direction, "which way"),
    from_vcpus=whole("before"),
    to_vcpus=whole("after"),
    reason=_REASON,
    stages_s=mapping(figure("seconds"), "seconds from the request to each stage that was reached"),
    outcome=maybe(one_of(Outcome, "how it ended"), "it is under way"),
    detail=text("more in words; empty where there is no more"),
)
_ORDER = record(
    "an administrator's order",
    domain=maybe(_NAME, "for every domain"),
    uuid=maybe(_UUID, "for every domain"),
    host=maybe(_HOST, "for every domain"),
    kind=one_of(OrderKind, "what is ordered"),
    vcpus=maybe(whole("the count that is held"), "it is a pause"),
    by_uid=whole("user id of who gave it"),
    at_wall_s=_WALL,
    until_wall_s=maybe(_WALL, "it has no end"),
    sentence=text("the same in words"),
)
_SLO_KEYS: dict[str, Schema] = {
    "promise": text("what was promised, in words"),
    "objective_ratio": figure("share of slices that are to be good"),
    "good": whole("slices of the window; so are bad and unknown"),
    "bad": whole("slices that broke the indicator"),
    "unknown": whole("slices that were not measured"),
    "attained_ratio": maybe(figure("good share of the known slices"), "none is known"),
    "budget_remaining_ratio": figure("share of the error budget that is left; below 0: overspent"),
    "burn_rates": mapping(
        maybe(figure("1 spends the budget in one window"), "nothing is known"), "how fast it burns, by span"
    ),
    "exhausted_in_s": maybe(figure("until the budget is spent at this pace"), "never at this pace"),
    "slices_total": mapping(whole("slices"), "all slices since the domain was first seen, by outcome"),
}
_LOAD = record(
    "what the guest did between the last two samples",
    busy_vcpus=figure("vCPU-seconds per second"),
    demand_vcpus=figure("what it wanted, by estimate"),
    utilization_ratio=figure("busy share of the online vCPUs"),
    steal_ratio=figure("share of their time that the host withheld"),
    span_s=figure("between the samples"),
    host_vcpus=maybe(figure("what the host saw its vCPU threads want"), "it does not see them"),
)
_LAST_DECISION = record(
    "the last decision",
    verdict=one_of(Verdict, "which way"),
    mode=_MODE,
    schedules=many(text("name"), "schedules in force"),
    reason=_REASON,
    sentence=text("the reason in words"),
    act=flag("whether something is done"),
    proposed=maybe(whole("what the strategy asked for"), _LEFT),
    target=maybe(whole("what it should have, within its bounds"), _LEFT),
    next_vcpus=maybe(whole("where it goes now"), _LEFT),
    clamps=many(
        record("a limit that bound", reason=_REASON, before=whole("before"), after=whole("after")),
        "the limits that bound, in order",
    ),
)
_VCPUS = record(
    "vCPUs by state",
    plugged=whole("that QEMU has"),
    online=maybe(whole("that the guest runs"), _UNSEEN),
    min=whole("the fewest that are allowed now"),
    max=whole("the most"),
    maximum=whole("the domain's maxcpus"),
    target=optional(whole("what it should have; not there before that is decided")),
    proposed=optional(whole("what the strategy asked for; not there before that is decided")),
)
_DOMAIN_KEYS: dict[str, Schema] = {
    "name": _NAME,
    "uuid": _UUID,
    "host": _HOST,
    "state": one_of(RunState, "as its hypervisor has it"),
    "policy": text("name of its policy"),
    "policy_source": text("file and line of it"),
    "mode": _MODE,
    "vcpus": _VCPUS,
    "slo": record("how its promise is kept", **_SLO_KEYS),
    "cpu_source": maybe(one_of(CpuSource, "where its load is read"), "there was no sample"),
    "last_sample_wall_s": maybe(_WALL, "there was none"),
    "load": maybe(_LOAD, "it is not known"),
    "decision": maybe(_LAST_DECISION, "there was none"),
    "operation": maybe(_CHANGE, "none is under way"),
    "last_operation": maybe(_CHANGE, "none has ended"),
    "order": maybe(_ORDER, "there is none"),
    "removal": maybe(_CHANGE, "none is under way"),
    "last_removal": maybe(_CHANGE, "none has ended"),
    "descriptors": maybe(
        record("files of its QEMU", open=whole("open"), limit=whole("the most")), "not visible"
    ),
    "conditions": {
        "type": "object",
        "description": "what is wrong or ordered, each with a sentence",
        "propertyNames": {"enum": [str(condition) for condition in Condition]},
        "additionalProperties": text("what it is, and what to do"),
    },
}
_SLOT = record(
    "a slot for a vCPU",
    slot=whole("its number"),
    plugged=maybe(flag("whether it holds a vCPU"), "not known"),
    online=maybe(flag("whether the guest runs that"), "not known"),
    report=maybe(
        record(
            "what the guest's firmware said of it last",
            source=whole("ACPI's code of the event"),
            status=whole("ACPI's status"),
            meaning=text("both in words"),
            ago_s=figure("how long ago"),
        ),
        "nothing",
    ),
)
_EVENT_CHANGE = record(
    "the change that it began",
    **{
        name: schema
        for name, schema in _CHANGE["properties"].items()
        if name not in {"decision_id", "reason"}
    },
)
EVENT = record(
    "a recorded decision; one that repeats is one entry",
    id=whole("grows with time"),
    at_wall_s=_WALL,
    until_wall_s=figure("until when it was the same"),
    repeats=whole("how often it was made again"),
    host=_HOST,
    uuid=_UUID,
    domain=text("the domain's name"),
    policy=text("name of its policy"),
    mode=_MODE,
    verdict=one_of(Verdict, "which way"),
    reason=_REASON,
    plugged=whole("vCPUs that QEMU had"),
    online=maybe(whole("that the guest ran"), _UNSEEN),
    proposed=maybe(whole("that the strategy asked for"), _LEFT),
    target=maybe(whole("that it should have had"), _LEFT),
    next_vcpus=maybe(whole("where it was to go"), _LEFT),
    act=flag("whether something was done"),
    inputs=said("what it was made on", "object"),
    newest_inputs=said("what the newest of its repeats was made on", "object"),
    operation=maybe(_EVENT_CHANGE, "it changed nothing"),
)
_SHARES = record(
    "what a host has to give",
    cpus=maybe(whole("its CPUs"), "not known"),
    capacity_vcpus=maybe(whole("the most vCPUs of all domains"), "not known"),
    committed_vcpus=whole("what they have, or will have when growth under way is done"),
    pressure_ratio=maybe(figure("share of 10 s in which its tasks waited for a CPU"), "not visible"),
    steal_ratio=maybe(figure("share of its guests' time that it withheld"), "not measured"),
    deadlines_s=mapping(figure("seconds"), "after how long a change is stuck, by stage"),
    pressed=text("why no guest grows; empty: nothing keeps them"),
)
_HOSTS = many(
    record(
        "a connection",
        label=_HOST,
        connected=flag("whether it answered the last look"),
        trouble=maybe(text("why it cannot be used"), "it can"),
        unseen=mapping(text("why"), "domains that are configured and cannot be seen"),
        shares=maybe(_SHARES, "nobody has asked yet"),
    ),
    "every connection",
)
_NAMES = many(text("name"), "names of domains")
_USAGE = record(
    "one domain on one day",
    day=text("the day in local time", format="date"),
    name=text("the domain's name"),
    uuid=_UUID,
    host=_HOST,
    seen_hours=figure("how long the service decided for it"),
    allowed_vcpu_hours=figure("the most that policy, schedules and maximum let it run"),
    plugged_vcpu_hours=figure("what QEMU had"),
    provisioned_vcpu_hours=figure("what the guest ran"),
    used_vcpu_hours=figure("what it was busy on"),
    measured_hours=figure("how long its load was measured"),
)
_SEVERITY = one_of(Severity, "how much it matters")
_FINDINGS = many(
    record(
        "one thing that was looked at",
        check=one_of(sorted(CHECKS), "what was"),
        severity=_SEVERITY,
        seen=text("what was seen"),
        means=text("what that means; empty: no more than it says"),
        fix=record(
            "what to do",
            advice=text("in words; empty: nothing beyond the rest"),
            xml=text("lines for the domain's XML; empty: none"),
            commands=many(text("a command line"), "what to type"),
        ),
    ),
    "in the order of the checks",
)
_EXAMINED = record(
    "a domain",
    name=text("its name"),
    uuid=text("its UUID; empty: not known"),
    findings=_FINDINGS,
)
_AUDITED = record(
    "a line of the audit log; by `what` it has further keys",
    seq=whole("its number, from 1"),
    prev=text("hash of the line before"),
    hash=text("SHA-256 of the line without this key: ASCII, keys in order, no spaces"),
    at_wall_s=_WALL,
    what=text(
        "what happened: " + "; ".join(f"{what}: {means}" for what, means in WHATS.items()), enum=[*WHATS]
    ),
    who=text("who did it"),
    why=optional(text("why, or what came of it")),
    domain=optional(text("the domain's name; empty: every domain")),
    uuid=optional(_UUID),
    host=optional(_HOST),
    decision_id=optional(whole("the decision that a change began with; see events")),
    direction=optional(one_of(Direction, "which way")),
    from_vcpus=optional(whole("before")),
    to_vcpus=optional(whole("after")),
    reason=optional(_REASON),
    mode=optional(_MODE),
    policy=optional(text("name of its policy")),
    policy_digest=optional(text("hash of the policy files in force")),
    policies=optional(whole("policies in force")),
    outcome=optional(one_of(Outcome, "how a change ended")),
)
ANSWERS: dict[str, Schema] = {
    "status": record(
        "the service as a whole",
        at_wall_s=_WALL,
        ticks=whole("ticks that are over"),
        policies=whole("policies in force"),
        policy_digest=text("changes with what they mean"),
        domains=whole("domains that are governed"),
        ungoverned=_NAMES,
        switched_off=_NAMES,
        left_alone=mapping(text("why"), "owners whose domains are left alone"),
        in_trouble=_NAMES,
        orders=many(_ORDER, "what administrators ordered"),
        hosts=_HOSTS,
        troubles=mapping(text("what it is, and what to do"), "what is wrong with the service itself"),
    ),
    "list": many(record("a governed domain", **_DOMAIN_KEYS), "by name"),
    "show": record("a governed domain", **_DOMAIN_KEYS, slots=many(_SLOT, "its slots, lowest first")),
    "explain": record(
        "why a domain has its size",
        note=text("what is to be known of the record; empty: nothing"),
        record=EVENT,
        steps=many(record("a step", stage=text("its name"), text=text("a sentence")), "as it was made"),
    ),
    "events": many(EVENT, "oldest first; with --follow each is a line of its own, again when it ended"),
    "slo": many(record("a domain", name=_NAME, uuid=_UUID, **_SLO_KEYS), "by name"),
    "usage": many(_USAGE, "by day and name"),
    "audit-verify": record(
        "whether the audit log is whole",
        whole=flag("whether nothing is wrong"),
        lines=whole("lines that are there"),
        first=maybe(whole("number of the first one"), "there is none"),
        head=text("the last line, as --head takes it: number:hash"),
        findings=many(
            record(
                "one thing that is wrong",
                fault=one_of(Fault, "what it is"),
                place=text("file:line; empty: it is about the whole"),
                sentence=text("in words"),
            ),
            "in the order of the log",
        ),
        notes=many(text("a sentence"), "what is to be known and is not wrong"),
    ),
    "audit-show": many(_AUDITED, "oldest first"),
    "config-show": many(
        record(
            "a key of the configuration and what holds for it",
            key=text("as in the operator's manual, such as journal.keep or connections[0].libvirt"),
            value={"description": "as one would write it; null: nothing; a secret as [hidden]"},
            place=text("file:line:column where it is written; empty: it is the default"),
        ),
        "every key",
    ),
    "doctor": record(
        "whether hosts and domains are fit",
        worst=_SEVERITY,
        hosts=many(
            record(
                "a connection",
                label=_HOST,
                is_down=flag("whether nothing behind it was seen"),
                findings=_FINDINGS,
                domains=many(_EXAMINED, "those that were looked at"),
            ),
            "every connection",
        ),
    ),
    "webhook": record(
        "what the service sends to webhook.url",
        version=whole("1"),
        delivery=text("the same if it is sent again"),
        event=one_of(Occasion, "what happened"),
        id=whole("the decision, as events has it"),
        at_wall_s=_WALL,
        domain=text("the domain's name"),
        uuid=_UUID,
        host=_HOST,
        policy=text("name of its policy"),
        mode=_MODE,
        verdict=one_of(Verdict, "which way"),
        from_vcpus=whole("before"),
        to_vcpus=whole("after"),
        reason=_REASON,
        sentence=text("the reason in words"),
        outcome=maybe(one_of(Outcome, "how it ended"), "it did not, or has not yet"),
        detail=text("more in words; empty where there is no more"),
        stages_s=mapping(figure("seconds"), "seconds from the request to each stage, once it ended"),
    ),
}
"""By command, and what the service itself sends."""


def command_of(answer: str) -> str:
    """The command whose answer it is."""
    return f"autoscaler {answer.replace('-', ' ')}"


def answer_schema(command: str) -> Schema:
    """The JSON Schema of what a command prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": command_of(command) + ("" if command == "webhook" else " --output json"),
    } | ANSWERS[command]
