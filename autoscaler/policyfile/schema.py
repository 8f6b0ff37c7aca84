"""The policy language, key by key, as it is written in a file.

Each model is a group of keys; a value is in the unit of the policy tree once it is here. Defaults are taken
from that tree, which alone states them.
"""

from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag

from autoscaler.core.policy import Fallback, Match, Mode, Policy, TargetStrategy
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import (
    Name,
    Text,
    Uuid,
    duration,
    integer,
    one_of,
    ratio,
    written,
    wrong,
)

_MOST_VCPUS = 4096
"""More than any hypervisor gives one guest."""

_DEFAULT = Policy(name="", match=Match())
_DEFAULT_TARGET = TargetStrategy()

VcpuCount = Annotated[int, integer(1, _MOST_VCPUS)]
Pause = Annotated[float, duration("0s", "24h")]


class MatchKeys(Section):
    """Which domains the policy governs."""

    name: tuple[Text, ...] = _DEFAULT.match.name
    """Shell patterns of domain names, case-sensitive; one has to fit."""
    not_name: tuple[Text, ...] = _DEFAULT.match.not_name
    """Shell patterns of domain names that are left out, however they fitted."""
    uuid: tuple[Uuid, ...] = _DEFAULT.match.uuid
    """Domains by UUID, beside those that `name` fits."""


class VcpusKeys(Section):
    """The bounds of the domain's vCPU count."""

    min: VcpuCount = _DEFAULT.min_vcpus
    """Fewest vCPUs."""
    max: VcpuCount | None = _DEFAULT.max_vcpus
    """Most vCPUs; without it, the domain's own maximum."""


class TargetKeys(Section):
    """Strategy `target`: keep utilisation near a stated figure."""

    utilization: Annotated[float, ratio("10%", "95%")] = _DEFAULT_TARGET.utilization_ratio
    """The utilisation to keep, as a share of the vCPUs."""
    tolerance: Annotated[float, ratio("0%", "49%")] = _DEFAULT_TARGET.tolerance_ratio
    """No move while demand is within this share of the target."""
    hold: Pause = _DEFAULT_TARGET.hold_s
    """How long a higher recommendation keeps the count up."""


class StrategyKeys(Section):
    """How many vCPUs are wanted, from what the guest does."""

    target: TargetKeys
    """Keep utilisation near a stated figure."""


class UpKeys(Section):
    """How fast the domain may grow."""

    step: Annotated[float, ratio("1%", "1000%")] = _DEFAULT.up.step_ratio
    """Most growth in one move, as a share of the online vCPUs; four are always allowed."""
    cooldown: Pause = _DEFAULT.up.cooldown_s
    """Least time since the last move."""


class DownKeys(Section):
    """How fast the domain may shrink."""

    step: VcpuCount = _DEFAULT.down.step_vcpus
    """Most vCPUs that one move takes away."""
    cooldown: Pause = _DEFAULT.down.cooldown_s
    """Least time since the last move, and since any growth."""


class LimitsKeys(Section):
    """How fast the count may change."""

    up: UpKeys = UpKeys()
    """Limits of growth."""
    down: DownKeys = DownKeys()
    """Limits of shrinking."""


class RaiseToKeys(Section):
    """Grow to a safe count when the guest can no longer be seen."""

    raise_to: VcpuCount
    """Grow to this many vCPUs if there are fewer; never shrink to it."""


def _read_fallback_word(value: object) -> Fallback:
    rule = "write hold or {raise_to: N}"
    if written(value, rule).text != Fallback.HOLD:
        raise wrong(rule)
    return Fallback.HOLD


def _branch(value: object) -> str:
    """Which form a fallback is written in."""
    return "<keys>" if isinstance(value, dict | RaiseToKeys) else "<word>"


Then = Annotated[
    Annotated[Fallback, BeforeValidator(_read_fallback_word), Tag("<word>")]
    | Annotated[RaiseToKeys, Tag("<keys>")],
    Discriminator(_branch),
]


class MissingKeys(Section):
    """What happens when the guest's samples are missing."""

    stale_after: Annotated[float, duration("1s", "24h")] = _DEFAULT.missing.stale_after_s
    """How long samples may be missing before `then` applies."""
    then: Then = _DEFAULT.missing.then
    """`hold` the count as it is, or `{raise_to: N}`."""


class PolicyKeys(Section):
    """One policy."""

    name: Name
    """Its name in every message, record and metric; unique over all files."""
    match: MatchKeys
    """Which domains it governs; the first policy that fits a domain governs it alone."""
    mode: Annotated[Mode, one_of(Mode)] = _DEFAULT.mode
    """How far the service may go."""
    vcpus: VcpusKeys = VcpusKeys()
    """The bounds of the domain's vCPU count."""
    strategy: StrategyKeys = StrategyKeys(target=TargetKeys())
    """How many vCPUs are wanted."""
    limits: LimitsKeys = LimitsKeys()
    """How fast the count may change."""
    missing: MissingKeys = MissingKeys()
    """What happens when the guest's samples are missing."""


class PolicyFileKeys(Section):
    """A policy file."""

    version: Annotated[int, integer(1, 1)]
    """Version of the language."""
    policies: tuple[PolicyKeys, ...]
    """Tried in this order, after those of files whose names sort before."""
