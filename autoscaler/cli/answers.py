"""JSON Schemas of what the commands print with ``--output json``, for the programs that read it.

Invariant: what stands here is there in every answer of this major version; an answer may have more keys than
a reader knows, which is why no schema forbids them.
"""

from __future__ import annotations

from autoscaler.cli.domain_answers import (
    CONDITIONS,
    DOMAIN_KEYS,
    EVENT,
    HOST,
    MODE,
    NAME,
    ORDER,
    REASON,
    SLO_KEYS,
    SLOT,
    UUID,
    WALL,
)
from autoscaler.cli.schema_words import (
    Schema,
    figure,
    flag,
    list_of,
    map_of,
    maybe,
    object_of,
    one_of,
    optional,
    text,
    whole,
)
from autoscaler.core.decision import Verdict
from autoscaler.core.operation import Direction, Outcome
from autoscaler.doctor.finding import CHECKS, Part, Severity
from autoscaler.service.audit_entries import WHATS
from autoscaler.service.audit_verify import Fault
from autoscaler.service.settings import Occasion

_SHARES = object_of(
    "what a host has to give",
    cpus=maybe(whole("its CPUs"), "not known"),
    capacity_vcpus=maybe(whole("the most vCPUs of all domains"), "not known"),
    committed_vcpus=whole("what they have, or will have when growth under way is done"),
    pressure_ratio=maybe(figure("share of 10 s in which its tasks waited for a CPU"), "not visible"),
    steal_ratio=maybe(figure("share of its guests' time that it withheld"), "not measured"),
    deadlines_s=map_of(figure("seconds"), "after how long a change is stuck, by stage"),
    pressed=text("why no guest grows; empty: nothing keeps them"),
)
_HOSTS = list_of(
    object_of(
        "a connection",
        label=HOST,
        connected=flag("whether it answered the last look"),
        trouble=maybe(text("why it cannot be used"), "it can"),
        unseen=map_of(text("why"), "domains that cannot be seen, or are left to another connection"),
        shares=maybe(_SHARES, "nobody has asked yet"),
    ),
    "every connection",
)
_NAMES = list_of(text("name"), "names of domains")
_USAGE = object_of(
    "one domain on one day",
    day=text("the day in local time", format="date"),
    name=text("the domain's name"),
    uuid=UUID,
    host=HOST,
    seen_hours=figure("how long the service decided for it"),
    allowed_vcpu_hours=figure("the most that policy, schedules and maximum let it run"),
    plugged_vcpu_hours=figure("what QEMU had"),
    provisioned_vcpu_hours=figure("what the guest ran"),
    used_vcpu_hours=figure("what it was busy on"),
    measured_hours=figure("how long its load was measured"),
)
_SEVERITY = one_of(Severity, "how much it matters")
_FINDINGS = list_of(
    object_of(
        "one thing that was looked at",
        check=one_of(sorted(CHECKS), "what was"),
        severity=_SEVERITY,
        seen=text("what was seen"),
        means=text("what that means; empty: no more than it says"),
        fix=object_of(
            "what to do",
            advice=text("in words; empty: nothing beyond the rest"),
            xml=text("lines for the domain's XML; empty: none"),
            commands=list_of(text("a command line"), "what to type"),
            mend=maybe(
                object_of(
                    "the same as a change of the domain's definition, as --fix makes it",
                    part=one_of(Part, "what of it"),
                    maximum=maybe(whole("vCPUs that it may then have"), "as many as now"),
                ),
                "such a change is not what is advised",
            ),
        ),
    ),
    "in the order of the checks",
)
_EXAMINED = object_of(
    "a domain",
    name=text("its name"),
    uuid=text("its UUID; empty: not known"),
    findings=_FINDINGS,
)
_AUDITED = object_of(
    "a line of the audit log; by `what` it has further keys",
    seq=whole("its number, from 1"),
    prev=text("hash of the line before"),
    hash=text("SHA-256 of the line without this key: ASCII, keys in order, no spaces"),
    at_wall_s=WALL,
    what=text(
        "what happened: " + "; ".join(f"{what}: {means}" for what, means in WHATS.items()), enum=[*WHATS]
    ),
    who=text("who did it"),
    why=optional(text("why, or what came of it")),
    domain=optional(text("the domain's name; empty: every domain")),
    uuid=optional(UUID),
    host=optional(HOST),
    decision_id=optional(whole("the decision that a change began with; see events")),
    direction=optional(one_of(Direction, "which way")),
    from_vcpus=optional(whole("before")),
    to_vcpus=optional(whole("after")),
    reason=optional(REASON),
    mode=optional(MODE),
    policy=optional(text("name of its policy")),
    policy_digest=optional(text("hash of the policy files in force")),
    policies=optional(whole("policies in force")),
    outcome=optional(one_of(Outcome, "how a change ended")),
)
ANSWERS: dict[str, Schema] = {
    "status": object_of(
        "the service as a whole",
        at_wall_s=WALL,
        ticks=whole("ticks that are over"),
        policies=whole("policies in force"),
        policy_digest=text("changes with what they mean"),
        domains=whole("domains that are governed"),
        ungoverned=_NAMES,
        switched_off=_NAMES,
        left_alone=map_of(text("why"), "owners whose domains are left alone"),
        in_trouble=_NAMES,
        at_risk=_NAMES,
        orders=list_of(ORDER, "what administrators ordered"),
        hosts=_HOSTS,
        troubles=map_of(text("what it is, and what to do"), "what is wrong with the service itself"),
    ),
    "list": list_of(object_of("a governed domain", **DOMAIN_KEYS), "by name"),
    "show": object_of("a governed domain", **DOMAIN_KEYS, slots=list_of(SLOT, "its slots, lowest first")),
    "explain": object_of(
        "why a domain has its size",
        note=text("what is to be known of the record; empty: nothing"),
        record=EVENT,
        steps=list_of(object_of("a step", stage=text("its name"), text=text("a sentence")), "as it was made"),
        conditions=CONDITIONS,
    ),
    "events": list_of(EVENT, "oldest first; with --follow each is a line of its own, again when it ended"),
    "slo": list_of(object_of("a domain", name=NAME, uuid=UUID, **SLO_KEYS), "by name"),
    "usage": list_of(_USAGE, "by day and name"),
    "audit-verify": object_of(
        "whether the audit log is whole",
        whole=flag("whether nothing is wrong"),
        lines=whole("lines that are there"),
        first=maybe(whole("number of the first one"), "there is none"),
        head=text("the last line, as --head takes it: number:hash"),
        findings=list_of(
            object_of(
                "one thing that is wrong",
                fault=one_of(Fault, "what it is"),
                place=text("file:line; empty: it is about the whole"),
                sentence=text("in words"),
            ),
            "in the order of the log",
        ),
        notes=list_of(text("a sentence"), "what is to be known and is not wrong"),
    ),
    "audit-show": list_of(_AUDITED, "oldest first"),
    "config-show": list_of(
        object_of(
            "a key of the configuration and what holds for it",
            key=text("as in the operator's manual, such as journal.keep or connections[0].libvirt"),
            value={"description": "as one would write it; null: nothing; a secret as [hidden]"},
            place=text("file:line:column where it is written; empty: it is the default"),
        ),
        "every key",
    ),
    "doctor": object_of(
        "whether hosts and domains are fit",
        worst=_SEVERITY,
        hosts=list_of(
            object_of(
                "a connection",
                label=HOST,
                is_down=flag("whether nothing behind it was seen"),
                findings=_FINDINGS,
                domains=list_of(_EXAMINED, "those that were looked at"),
            ),
            "every connection",
        ),
    ),
    "webhook": object_of(
        "what the service sends to webhook.url",
        version=whole("1"),
        delivery=text("the same if it is sent again"),
        event=one_of(Occasion, "what happened"),
        id=whole("the decision, as events has it"),
        at_wall_s=WALL,
        domain=text("the domain's name"),
        uuid=UUID,
        host=HOST,
        policy=text("name of its policy"),
        mode=MODE,
        verdict=one_of(Verdict, "which way"),
        from_vcpus=whole("before"),
        to_vcpus=whole("after"),
        reason=REASON,
        sentence=text("the reason in words"),
        outcome=maybe(one_of(Outcome, "how it ended"), "it did not, or has not yet"),
        detail=text("more in words; empty where there is no more"),
        stages_s=map_of(figure("seconds"), "seconds from the request to each stage, once it ended"),
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
