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
    SATURATED = "saturated"
    """The guest is busy on every vCPU: nothing is taken away."""
    STOLEN = "stolen"
    """The host does not run the vCPUs that there are: more would make it worse, fewer cannot be judged."""
    MISSING = "missing"
    """No sample; the last size stays."""
    RAISED = "missing-raised"
    """No sample for too long; the policy asks for at least so many."""
    UNCONFIRMED = "unconfirmed"
    """No agent in the guest to bring vCPUs online or confirm them: measured from the host, not resized."""
    UP_ONLY = "up-only"
    BACK_OFF = "back-off"
    """The last change failed; it is tried again later."""
    IN_PROGRESS = "in-progress"
    """Another change of this domain is under way."""
    NOT_RUNNING = "not-running"


SENTENCES: dict[Reason, str] = {
    Reason.DEMAND_HIGH: "demand needs more vCPUs",
    Reason.DEMAND_LOW: "fewer vCPUs serve the demand",
    Reason.STEADY: "the vCPUs online fit the demand",
    Reason.TOLERANCE: "demand is within the tolerance of the target",
    Reason.WARMING_UP: "waiting for a second sample",
    Reason.HOLD: "a higher need is too recent to give vCPUs back",
    Reason.COOLDOWN: "the last change is too recent",
    Reason.STEP: "one move may not be larger",
    Reason.AT_MIN: "the policy's minimum binds",
    Reason.AT_MAX: "the policy's or the domain's maximum binds",
    Reason.SATURATED: "every vCPU is busy, none is taken away",
    Reason.STOLEN: "the host does not run the vCPUs there are: more would not help, fewer cannot be judged",
    Reason.MISSING: "no sample from the guest, the size stays",
    Reason.RAISED: "no sample for too long, raised as the policy asks",
    Reason.UNCONFIRMED: "no agent in the guest can confirm a change, measured only",
    Reason.UP_ONLY: "the policy only lets it grow",
    Reason.BACK_OFF: "the last change failed, it is tried again later",
    Reason.IN_PROGRESS: "another change is under way",
    Reason.NOT_RUNNING: "the domain is not running",
}
