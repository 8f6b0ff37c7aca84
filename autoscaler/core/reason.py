"""Every reason a decision can carry.

Invariant: the set is closed, for its values are metric labels and journal entries; each has a sentence.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why the target is what it is."""

    DEMAND_HIGH = "demand-high"
    """Demand needs more vCPUs than are online."""
    DEMAND_LOW = "demand-low"
    """Demand would be served by fewer vCPUs."""
    STEADY = "steady"
    """The vCPUs online are the ones that demand asks for."""
    TOLERANCE = "tolerance"
    """Demand left the target by less than the tolerance."""
    WARMING_UP = "warming-up"
    """Two samples are needed before a load is known."""
    HOLD = "hold"
    """A higher recommendation is not old enough to be dropped."""
    COOLDOWN = "cooldown"
    """The last change is too recent."""
    STEP = "step"
    """One move may not be larger."""
    AT_MIN = "at-min"
    AT_MAX = "at-max"
    SCHEDULE = "schedule"
    """A schedule's bound binds, where the policy's own would not."""
    SATURATED = "saturated"
    """The guest is busy on every vCPU: nothing is taken away."""
    STOLEN = "stolen"
    """The host does not run the vCPUs that there are: more would make it worse, fewer cannot be judged."""
    DOUBTED = "load-doubted"
    """The guest claims load that its vCPU threads did not spend: it does not grow on its word."""
    MISSING = "missing"
    """No sample; the last size stays."""
    RAISED = "missing-raised"
    """No sample for too long; the policy asks for at least so many."""
    UNCONFIRMED = "unconfirmed"
    """No agent in the guest to bring vCPUs online or confirm them: measured from the host, not resized."""
    UP_ONLY = "up-only"
    DAILY_LIMIT = "daily-limit"
    """As many vCPUs were taken away in 24 hours as the policy allows."""
    BY_HAND = "changed-by-hand"
    """Somebody else set the vCPUs; that is respected for a while."""
    PAUSED = "paused"
    """An administrator ordered that nothing be begun: what would be done is only told."""
    ORDERED = "ordered"
    """An administrator ordered a count, which is gone to and held."""
    HOST_FULL = "host-full"
    """The host has no vCPU left to give."""
    HOST_PRESSED = "host-pressed"
    """Tasks of the host itself wait for a CPU: no guest grows."""
    HOST_RATE = "host-rate"
    """The host has had its changes for this minute."""
    TAKEN_BACK = "taken-back"
    """A domain of higher priority needs it."""
    IDLE = "idle"
    """A vCPU that is plugged and offline was not needed: it goes back to the host."""
    BACK_OFF = "back-off"
    """The last change failed, or met that of somebody else again; it is tried again later."""
    DENIED = "denied"
    """The hypervisor denied the last change; it is tried again when what that was about is another."""
    IN_PROGRESS = "in-progress"
    """Another change of this domain is under way."""
    UNRECORDED = "unrecorded"
    """The journal or the audit log cannot be written: what is not recorded is not done."""
    HELD = "held"
    """A job of the domain's hypervisor, such as a migration, holds it."""
    FROZEN = "frozen"
    """The guest's filesystems are frozen, and its agent does next to nothing."""
    NOT_RUNNING = "not-running"


SENTENCES: dict[Reason, str] = {
    Reason.DEMAND_HIGH: "demand needs more vCPUs",
    Reason.DEMAND_LOW: "fewer vCPUs serve the demand",
    Reason.STEADY: "the vCPUs online fit the demand",
    Reason.TOLERANCE: "demand is within the tolerance of the target",
    Reason.WARMING_UP: "waiting for a second sample",
    Reason.HOLD: "more were needed a short while ago and are kept",
    Reason.COOLDOWN: "the last change is too recent",
    Reason.STEP: "one move may not be larger",
    Reason.AT_MIN: "the policy allows no fewer",
    Reason.AT_MAX: "the policy or the domain allows no more",
    Reason.SATURATED: "every vCPU is busy, none is taken away",
    Reason.STOLEN: "the host gives its vCPUs too little time: more would not help, fewer cannot be judged",
    Reason.DOUBTED: "the guest claims load that its vCPU threads did not spend, so it does not grow",
    Reason.MISSING: "the guest's load cannot be read, so the size stays",
    Reason.RAISED: "the guest's load could not be read for too long, so it is raised as the policy asks",
    Reason.UNCONFIRMED: "no agent in the guest can confirm a change, so it is only measured",
    Reason.UP_ONLY: "the policy only lets it grow",
    Reason.SCHEDULE: "a schedule in force allows no other count",
    Reason.DAILY_LIMIT: "vCPUs were taken away as often in 24 hours as limits.down.per_day allows",
    Reason.BY_HAND: "somebody else changed the vCPUs, which is respected for a while",
    Reason.PAUSED: "an administrator has paused all changes of it",
    Reason.ORDERED: "an administrator has ordered this count",
    Reason.HOST_FULL: "the host has no vCPU left to give",
    Reason.HOST_PRESSED: "the host's own tasks wait for a CPU, so no guest grows",
    Reason.HOST_RATE: "the host has had as many changes this minute as host.operations_per_minute allows",
    Reason.TAKEN_BACK: "a domain of higher priority needs it",
    Reason.IDLE: "a vCPU that is offline is not needed and goes back to the host",
    Reason.BACK_OFF: "the last change failed, or somebody else made one meanwhile; it is tried again later",
    Reason.DENIED: (
        "the hypervisor denied the last change; it is tried again within 5 minutes, or once the plugged "
        "vCPUs or the maximum have changed"
    ),
    Reason.IN_PROGRESS: "another change is under way",
    Reason.UNRECORDED: "the journal or the audit log cannot be written, and what is not recorded is not done",
    Reason.HELD: "a job such as a migration, backup or snapshot holds the domain",
    Reason.FROZEN: "the guest's filesystems are frozen, so the size stays",
    Reason.NOT_RUNNING: "the domain is not running",
}

HOST_SHORT = frozenset({Reason.STOLEN, Reason.HOST_FULL, Reason.HOST_PRESSED, Reason.TAKEN_BACK})
"""With one of these a domain may want more than its host can give it: not its fault, and not quite well."""
OUT_OF_PLAY = frozenset(
    {
        Reason.BACK_OFF,
        Reason.BY_HAND,
        Reason.DENIED,
        Reason.DOUBTED,
        Reason.FROZEN,
        Reason.HELD,
        Reason.MISSING,
        Reason.NOT_RUNNING,
        Reason.PAUSED,
        Reason.UNCONFIRMED,
        Reason.UNRECORDED,
    }
)
"""A domain with one of these reasons cannot use more for some time, whatever it needs."""
