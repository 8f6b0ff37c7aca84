"""JSON Schemas of what several commands say of a domain: its state, changes, orders and decisions."""

from __future__ import annotations

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

WALL = figure("seconds since the epoch")
NAME = text("the domain's name, with its host or UUID where others have it too")
UUID = text("its UUID")
HOST = text("the connection by which it is seen, as the configuration has it")
REASON = one_of(Reason, "why, from a closed set")
_UNSEEN = "not known, since the guest was not seen after the service took it up"
_LEFT = f"left as it is, which is {_UNSEEN}"
MODE = one_of(Mode, "how far the policy goes")

_NONE_ENDED = "none has ended since the service started, nor one that was begun in the day before"
_CHANGE = object_of(
    "one change of vCPUs",
    decision_id=whole("the decision that it began with; see events"),
    direction=one_of(Direction, "which way"),
    from_vcpus=whole("before"),
    to_vcpus=whole("after"),
    reason=REASON,
    stages_s=map_of(figure("seconds"), "seconds from the request to each stage that was reached"),
    outcome=maybe(one_of(Outcome, "how it ended"), "it is under way"),
    detail=text("more in words; empty where there is no more"),
)
ORDER = object_of(
    "an administrator's order",
    domain=maybe(NAME, "for every domain"),
    uuid=maybe(UUID, "for every domain"),
    host=maybe(HOST, "for every domain"),
    kind=one_of(OrderKind, "what is ordered"),
    vcpus=maybe(whole("the count that is held"), "it is a pause"),
    by_uid=whole("user id of who gave it"),
    at_wall_s=WALL,
    until_wall_s=maybe(WALL, "it has no end"),
    sentence=text("the same in words"),
)
SLO_KEYS: dict[str, Schema] = {
    "promise": text("what was promised, in words"),
    "objective_ratio": figure("share of slices that are to be good"),
    "good": whole("slices of the window; so are bad and unknown"),
    "bad": whole("slices that broke the indicator"),
    "unknown": whole("slices that were not measured"),
    "attained_ratio": maybe(figure("good share of the known slices"), "none is known"),
    "measured_s": figure("how much of the window those are"),
    "budget_s": figure("the error budget: how much of a whole window may be bad"),
    "budget_remaining_ratio": figure("share of the error budget that is left; below 0: overspent"),
    "burn_rates": map_of(
        maybe(figure("1 spends the budget in one window"), "nothing is known"), "how fast it burns, by span"
    ),
    "exhausted_in_s": maybe(
        figure("until the budget is spent at the pace of the last hour"),
        "never at that pace, or nothing burned in the last 5 minutes",
    ),
    "last_slice_bad": flag("whether the last slice that was measured was bad"),
    "slices_total": map_of(whole("slices"), "all slices since the domain was first seen, by outcome"),
}
_LOAD = object_of(
    "what the guest did between the last two samples",
    busy_vcpus=figure("vCPU-seconds per second"),
    demand_vcpus=figure("what it wanted, by estimate"),
    utilization_ratio=figure("busy share of the online vCPUs"),
    steal_ratio=figure("share of their time that the host withheld"),
    span_s=figure("between the samples"),
    host_vcpus=maybe(figure("what the host saw its vCPU threads want"), "it does not see them"),
)
_LAST_DECISION = object_of(
    "the last decision",
    verdict=one_of(Verdict, "which way"),
    mode=MODE,
    schedules=list_of(text("name"), "schedules in force"),
    reason=REASON,
    sentence=text("the reason in words"),
    act=flag("whether something is done"),
    proposed=maybe(whole("what the strategy asked for"), _LEFT),
    target=maybe(whole("what it should have, within its bounds"), _LEFT),
    next_vcpus=maybe(whole("where it goes now"), _LEFT),
    clamps=list_of(
        object_of("a limit that bound", reason=REASON, before=whole("before"), after=whole("after")),
        "the limits that bound, in order",
    ),
)
_VCPUS = object_of(
    "vCPUs by state",
    plugged=whole("that QEMU has"),
    online=maybe(whole("that the guest runs"), _UNSEEN),
    min=whole("the fewest that are allowed now"),
    max=whole("the most"),
    maximum=whole("the domain's maxcpus"),
    target=optional(whole("what it should have; not there before that is decided")),
    proposed=optional(whole("what the strategy asked for; not there before that is decided")),
)
CONDITIONS: Schema = {
    "type": "object",
    "description": "what is wrong or ordered, each with a sentence",
    "propertyNames": {"enum": [str(condition) for condition in Condition]},
    "additionalProperties": text("what it is, and what to do"),
}
DOMAIN_KEYS: dict[str, Schema] = {
    "name": NAME,
    "uuid": UUID,
    "host": HOST,
    "state": one_of(RunState, "as its hypervisor has it"),
    "policy": text("name of its policy"),
    "policy_source": text("file and line of it"),
    "mode": MODE,
    "vcpus": _VCPUS,
    "slo": object_of("how its promise is kept", **SLO_KEYS),
    "cpu_source": maybe(one_of(CpuSource, "where its load is read"), "there was no sample"),
    "last_sample_wall_s": maybe(WALL, "there was none"),
    "load": maybe(_LOAD, "it is not known"),
    "decision": maybe(_LAST_DECISION, "there was none"),
    "operation": maybe(_CHANGE, "none is under way"),
    "last_operation": maybe(_CHANGE, _NONE_ENDED),
    "order": maybe(ORDER, "there is none"),
    "removal": maybe(_CHANGE, "none is under way"),
    "last_removal": maybe(_CHANGE, _NONE_ENDED),
    "descriptors": maybe(
        object_of("files of its QEMU", open=whole("open"), limit=whole("the most")), "not visible"
    ),
    "conditions": CONDITIONS,
}
SLOT = object_of(
    "a slot for a vCPU",
    slot=whole("its number"),
    plugged=maybe(flag("whether it holds a vCPU"), "not known"),
    online=maybe(flag("whether the guest runs that"), "not known"),
    report=maybe(
        object_of(
            "what the guest's firmware said of it last, since the service started",
            source=whole("ACPI's code of the event"),
            status=whole("ACPI's status"),
            meaning=text("both in words"),
            ago_s=figure("how long ago"),
        ),
        "nothing",
    ),
)
_EVENT_CHANGE = object_of(
    "the change that it began",
    **{
        name: schema
        for name, schema in _CHANGE["properties"].items()
        if name not in {"decision_id", "reason"}
    },
    ended_wall_s=maybe(WALL, "it is under way, or its end was noted by a version that did not say when"),
)
EVENT = object_of(
    "a recorded decision; one that repeats is one entry",
    id=whole("grows with time"),
    at_wall_s=WALL,
    until_wall_s=figure("until when it was the same"),
    repeats=whole("how often it was made again"),
    host=HOST,
    uuid=UUID,
    domain=text("the domain's name"),
    policy=text("name of its policy"),
    mode=MODE,
    verdict=one_of(Verdict, "which way"),
    reason=REASON,
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
