"""What is wrong with a domain right now: a closed set of names, each with a sentence that says what to do."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from math import ceil
from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction, Operation
from autoscaler.core.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.core.corroboration import Doubt
    from autoscaler.core.model import Descriptors, DomainView
    from autoscaler.core.named import Named
    from autoscaler.core.policy import Policy


class Condition(StrEnum):
    """A closed set: these are metric labels."""

    BREAKING = "breaking-sla"
    """Its promise is being broken: the error budget is spent, or burns so fast that it soon will be."""
    AT_RISK = "sla-at-risk"
    """Slice after slice is bad, and not yet enough of them for a broken promise."""
    NO_SAMPLE = "no-sample"
    """The guest's load cannot be read."""
    AGENT_LEFT_ALONE = "agent-left-alone"
    """The guest's agent failed too often in a row and is only asked now and then."""
    DOUBTED = "load-doubted"
    """The guest claims load that its vCPU threads did not spend: it does not grow."""
    UNCONFIRMED = "unconfirmed"
    """Only the host side is visible: measured, not resized."""
    NO_HEADROOM = "no-headroom"
    """The domain's maximum keeps the policy from being met."""
    STUCK = "stuck"
    """The guest does not follow an accepted change."""
    FAILED = "failed"
    """The last change went wrong."""
    DENIED = "denied"
    """The hypervisor denied the last change for a stated reason."""
    UNKNOWN = "unknown"
    """The reply to a change was lost, and no look since has shown whether it was made."""
    HELD = "held"
    """A job or a freeze of its filesystems holds the domain: it is left as it is meanwhile."""
    NOT_GIVEN_BACK = "not-given-back"
    """A vCPU that the guest was asked for stays plugged."""
    FEW_DESCRIPTORS = "few-descriptors"
    """Its QEMU has nearly as many files open as it may have: nothing more is unplugged."""
    EMULATED = "emulated"
    """Its policy has vCPUs go back, which a QEMU that emulates CPUs may not survive: they stay plugged."""
    BY_HAND = "externally_modified"
    """Somebody else changed the vCPUs, and that is respected for a while."""
    PAUSED = "paused"
    """An administrator ordered that nothing be begun."""
    ORDERED = "ordered"
    """An administrator ordered a count, and the domain is held at it."""


_MINUTE_S = 60
AS_ORDERED = frozenset({Condition.PAUSED, Condition.ORDERED})
"""What is as an administrator wants it: to be shown, and no trouble."""
NO_TROUBLE = AS_ORDERED | {Condition.AT_RISK}
"""What is shown and is no trouble: it wakes nobody and is not logged, for a risk comes and goes."""
PASSING = frozenset({Condition.HELD, Condition.BY_HAND})
"""Trouble that ends by itself: a migration, or what somebody did on purpose."""

LAST_SLICE_BAD = "last slice bad"
"""Said of a domain that shows no condition after a first bad slice: one alone may be all of a burst."""


class Urgency(IntEnum):
    """How soon somebody has to look at a domain; who is shown first is the least."""

    BREAKING = 0
    """Its promise is being broken: its users go without now."""
    TROUBLE = 1
    """Something else is wrong with it that nobody ordered."""
    AT_RISK = 2
    """Nothing is wrong with it yet: its promise will be broken if its load goes on unserved."""
    NONE = 3

    @property
    def troubled(self) -> bool:
        """Whether something is wrong already."""
        return self <= Urgency.TROUBLE


def urgency(conditions: Iterable[str]) -> Urgency:
    """How soon somebody has to look at a domain that shows these."""
    found = set(conditions)
    if Condition.BREAKING in found:
        return Urgency.BREAKING
    if found - NO_TROUBLE:
        return Urgency.TROUBLE
    return Urgency.AT_RISK if Condition.AT_RISK in found else Urgency.NONE


def unconfirmed(name: str, why: str = "") -> str:
    """Why a domain without an agent is only measured, and what would change that."""
    if why:
        return f"domain {name!r} is measured from the host and not resized: {why}"
    return (
        f"no agent answers in domain {name!r}, so its load is measured from the host and it is not resized: "
        "give it the channel org.qemu.guest_agent.0 and run qemu-guest-agent in the guest"
    )


def left_alone(name: str) -> str:
    """That an agent is only asked now and then, and what ends that."""
    return (
        f"the agent of domain {name!r} failed too often in a row: it is asked once a minute or so until it "
        "answers, and at once when it opens its channel anew, as by `systemctl restart qemu-guest-agent` in "
        "the guest"
    )


def doubted(name: str, doubt: Doubt) -> str:
    """That a guest's claims are not believed, and what to look at."""
    return (
        f"the agent of domain {name!r} claims more load than its vCPU threads spent on the host, sample "
        f"after sample ({doubt.claimed_vcpus:.2f} vCPUs where the host saw {doubt.seen_vcpus:.2f}), so it "
        "does not grow: see what replaced qemu-guest-agent in the guest, or what holds up its QEMU on the "
        "host (swap, storage)"
    )


def held(view: DomainView) -> str:
    """That a job holds a domain, and where to see how far it is."""
    see = _see(view.named, "domjobinfo", bare="the commands query-migrate and query-jobs on its monitor")
    return f"domain {view.name!r} is left as it is while a {view.job} goes on: see {see}"


def _see(named: Named, command: str, *, bare: str) -> str:
    """Where to look; `bare`: the same where its QEMU runs without libvirt."""
    return f"`{named.virsh(command)}`" if named.by_libvirt else bare


def _answers(named: Named) -> str:
    """How to find out whether its QEMU is well."""
    return f"whether {_see(named, 'domstate', bare='the command query-status on its monitor')} answers"


def by_hand(view: DomainView, online: int | None, left_s: float) -> str:
    """That somebody else changed a domain, and how long that is left alone; `online` None: not known."""
    known = "" if online is None else f"{online} online, "
    # In whole minutes, so that it is not another sentence with each look.
    left = span(_MINUTE_S * max(1, ceil(left_s / _MINUTE_S)))
    return (
        f"somebody else changed the vCPUs of domain {view.name!r} ({known}{view.plugged} plugged): they stay "
        f"as they are for {left} more (manual_change.respect_for); "
        f"`{view.named.autoscaler('set')} N` goes before that"
    )


def headroom(view: DomainView, policy: Policy, proposed: int) -> str | None:
    """A sentence where the domain's maximum binds before the policy does, else None."""
    allowed = policy.max_vcpus
    if allowed is not None and allowed > view.maximum:
        wanted, why = allowed, f"policy {policy.name!r} allows {allowed}"
    elif allowed is None and proposed > view.maximum:
        wanted, why = proposed, f"its load wants {proposed}"
    elif policy.min_vcpus > view.maximum:
        wanted, why = policy.min_vcpus, f"policy {policy.name!r} wants at least {policy.min_vcpus}"
    elif view.maximum == 1 and allowed is None:
        wanted, why = 2, "so it can never grow"
    else:
        return None
    return (
        f"the maximum of domain {view.name!r} is {view.maximum} vCPUs, and {why}: raise it by "
        f"{raising(view.named, wanted)}, then stop and start it"
    )


def raising(named: Named, maximum: int) -> str:
    """What gives a domain a higher maximum, from its next start on."""
    if not named.by_libvirt:
        return f"maxcpus={maximum} in the -smp of its QEMU"
    return f"`{named.virsh('setvcpus', str(maximum), '--maximum', '--config')}`"


def stuck(named: Named, operation: Operation, online: int | None, deadline_s: float, last_error: str) -> str:
    """What a change that nobody followed in time waits for, and where to look."""
    name = named.name
    if last_error:
        return f"domain {name!r} did not go to {operation.to_vcpus} vCPUs in {deadline_s:.0f} s: {last_error}"
    if operation.unlisted:
        return (
            f"the guest of domain {name!r} does not list all vCPUs that are plugged, {deadline_s:.0f} s "
            "after it was to run them: its kernel needs ACPI CPU hotplug (CONFIG_HOTPLUG_CPU), unless it "
            f"gave one back that QEMU still counts (`{named.autoscaler('show')}`)"
        )
    if operation.direction is Direction.UP and operation.present_s is None:
        return (
            f"the guest of domain {name!r} does not list the vCPUs that were plugged, {deadline_s:.0f} s "
            "after the request: its kernel needs ACPI CPU hotplug (CONFIG_HOTPLUG_CPU)"
        )
    runs = "?" if online is None else online
    return (
        f"the guest of domain {name!r} runs {runs} vCPUs, not {operation.to_vcpus}, {deadline_s:.0f} s "
        f"after it was asked: see {_see(named, 'guestvcpus', bare='guest-get-vcpus of its agent')} and the "
        "guest's kernel log"
    )


def denied(detail: str) -> str:
    """What the hypervisor denied, in its words, and when it is tried again."""
    return (
        f"{detail}; it is tried again within 5 minutes, or once the plugged vCPUs or the maximum have changed"
    )


def unknown(named: Named) -> str:
    """That a reply was lost, what is done about it, and where to look meanwhile."""
    return (
        f"the reply to a change of domain {named.name!r} was lost, so whether it was made is not known: "
        f"nothing is asked again before a look shows it; if none does, see {_answers(named)}"
    )


def unanswered(named: Named, operation: Operation, deadline_s: float) -> str:
    """A request that is still out and cannot be taken back, and what would end it."""
    return (
        f"a request to bring domain {named.name!r} to {operation.to_vcpus} vCPUs has not come back for "
        f"{deadline_s:.0f} s: see {_answers(named)}, its QEMU or daemon may hang"
    )


def kept_back(name: str, slot: int, deadline_s: float, last_error: str) -> str:
    """A vCPU that the guest was asked for in vain, and where to look."""
    if last_error:
        return (
            f"domain {name!r} did not give back the vCPU in slot {slot} in {deadline_s:.0f} s: {last_error}"
        )
    return (
        f"the guest of domain {name!r} has not given back the vCPU in slot {slot}, {deadline_s:.0f} s after "
        "it was asked: see its kernel log; it may still do so, and `reclaim: offline` asks for none"
    )


def in_use(named: Named, slot: int) -> str:
    """A vCPU that is not asked for, though the guest runs fewer than it has."""
    disabling = "take it offline by guest-set-vcpus of its agent"
    if named.by_libvirt:
        disabling = f"`{named.virsh('guestvcpus', '--cpulist', str(slot), '--disable')}`"
    return (
        f"the guest of domain {named.name!r} runs the vCPU in slot {slot}, the highest, while a lower one is "
        f"offline, so none is taken back: enable the lower one, then {disabling}"
    )


def refused_back(name: str, slot: int, meaning: str, wait_s: float) -> str:
    """A guest that does not give a vCPU back, and what to do."""
    return (
        f"the guest of domain {name!r} was asked for the vCPU in slot {slot} and says of its {meaning}; it "
        f"is asked again in {span(wait_s)}: see its kernel log, or set reclaim: offline"
    )


def unplug_unanswered(named: Named, deadline_s: float) -> str:
    """A request that is still out and cannot be taken back, and what would end it."""
    return (
        f"a request to take a vCPU from domain {named.name!r} has not come back for {deadline_s:.0f} s: see "
        f"{_answers(named)}, its QEMU or daemon may hang"
    )


def emulated(name: str, policy: Policy) -> str:
    """That nothing is unplugged where the policy would have it, and what to do."""
    return (
        f"QEMU emulates the CPUs of domain {name!r}, without KVM, and may end at a plug after an unplug, so "
        f"its vCPUs stay plugged, though policy {policy.name!r} would have them go back: run it with KVM "
        "(<domain type='kvm'>, or -accel kvm), or give it a policy with reclaim: offline"
    )


def few_descriptors(name: str, descriptors: Descriptors) -> str:
    """A QEMU that is running out of file descriptors, and what to do."""
    return (
        f"QEMU of domain {name!r} has {descriptors.open} files open of {descriptors.limit} that it may have, "
        "so nothing more is unplugged (each plug and unplug may leave one open): stop and start the domain, "
        "or raise its limit, in libvirt by max_files in qemu.conf"
    )
