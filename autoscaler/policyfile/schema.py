"""The policy language, key by key, as it is written in a file.

Each model is a group of keys; a value is in the unit of the policy tree once it is here. Defaults are taken
from that tree, which alone states them.
"""

import re
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from autoscaler.core.model import MOST_VCPUS
from autoscaler.core.policy import Fallback, Match, Mode, Policy, Reclaim
from autoscaler.policyfile.form import Form
from autoscaler.policyfile.schedule_keys import ScheduleKeys
from autoscaler.policyfile.sla_keys import SlaKeys
from autoscaler.policyfile.strategy_keys import AdaptiveKeys, StrategyKeys
from autoscaler.policyfile.typed import Section, any_of
from autoscaler.policyfile.values import (
    Name,
    Text,
    Uuid,
    VcpuCount,
    duration,
    integer,
    integer_or_ratio,
    no_longer_than,
    number,
    one_of,
    ratio,
    written,
    wrong,
)

_MOST_PATTERNS = 1000
_MOST_SCHEDULES = 50
_NEVER_SHRINK = "mode: up-only never takes a vCPU away"

_DEFAULT = Policy(name="", match=Match())

Pause = Annotated[float, duration("0s", "24h")]
Patterns = Annotated[tuple[Text, ...], no_longer_than(_MOST_PATTERNS)]
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


def _read_label(key: object) -> object:
    """The name of a label: keys come as plain text, and this one is written as an attribute in XML."""
    if not isinstance(key, str) or not _LABEL.fullmatch(key):
        raise wrong("labels are named by up to 128 letters, digits, '_', '.' and '-', a letter or '_' first")
    return key


LabelKey = Annotated[str, Form(_read_label, {"pattern": f"^{_LABEL.pattern}$"})]


class MatchKeys(Section):
    """Which domains the policy governs: it has a `name`, a `uuid` or `metadata`."""

    model_config = any_of("name", "uuid", "metadata")

    name: Patterns = _DEFAULT.match.name
    """Shell patterns of domain names, case-sensitive; one has to fit."""
    not_name: Patterns = _DEFAULT.match.not_name
    """Shell patterns of domain names that are left out, however they fitted."""
    uuid: Annotated[tuple[Uuid, ...], no_longer_than(_MOST_PATTERNS)] = _DEFAULT.match.uuid
    """Domains by UUID, beside those that `name` fits."""
    metadata: dict[LabelKey, Text] = Field(default_factory=dict)
    """Labels of the domain's metadata, each with the shell pattern that its value has to fit."""
    not_metadata: dict[LabelKey, Text] = Field(default_factory=dict)
    """Labels that leave a domain out, each with the shell pattern of its value; one that fits is enough."""


class VcpusKeys(Section):
    """The bounds of the domain's vCPU count."""

    min: VcpuCount = _DEFAULT.min_vcpus
    """Fewest vCPUs."""
    max: VcpuCount | None = _DEFAULT.max_vcpus
    """Most vCPUs; without it, the domain's own maximum."""


class UpKeys(Section):
    """How fast the domain may grow."""

    step: Annotated[float, ratio("1%", "1000%")] = _DEFAULT.up.step_ratio
    """Most growth in one move, as a share of the online vCPUs; four are always allowed."""
    cooldown: Pause = _DEFAULT.up.cooldown_s
    """Least time since the last move."""


class DownKeys(Section):
    """How fast the domain may shrink."""

    step: Annotated[int | float, integer_or_ratio(1, MOST_VCPUS, "1%", "100%", zero=_NEVER_SHRINK)] = (
        _DEFAULT.down.step_ratio or _DEFAULT.down.step_vcpus
    )
    """Most vCPUs that one move takes away, or their share of the online ones; one is always allowed."""
    cooldown: Pause = _DEFAULT.down.cooldown_s
    """Least time since the last move, and since any growth."""
    per_day: Annotated[int, integer(1, 10_000, zero=_NEVER_SHRINK)] = _DEFAULT.down.per_day
    """Most moves down in any 24 hours."""
    reclaim: Annotated[Reclaim, one_of(Reclaim)] = _DEFAULT.down.reclaim
    """What happens to a vCPU that is no longer needed."""
    unplug_after: Annotated[float, duration("1m", "30d")] = _DEFAULT.down.unplug_after_s
    """How long one stays plugged that is not needed, where `reclaim` is `offline-then-unplug`."""


class LimitsKeys(Section):
    """How fast the count may change."""

    up: UpKeys = UpKeys()
    """Limits of growth."""
    down: DownKeys = DownKeys()
    """Limits of shrinking."""


class HostKeys(Section):
    """How the domain stands against the others of its host when there is not enough for all."""

    priority: Annotated[int, integer(0, 1000)] = _DEFAULT.host.priority
    """Higher ones are served first, and may take back from lower ones."""
    weight: Annotated[float, number("0.1", "100")] = _DEFAULT.host.weight
    """Share among domains of one priority."""


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
    Annotated[Fallback, Form(_read_fallback_word, {"const": str(Fallback.HOLD)}), Tag("<word>")]
    | Annotated[RaiseToKeys, Tag("<keys>")],
    Discriminator(_branch),
]


class MissingKeys(Section):
    """What happens when the guest's samples are missing."""

    stale_after: Annotated[float, duration("1s", "24h")] = _DEFAULT.missing.stale_after_s
    """How long samples may be missing before `then` applies."""
    then: Then = _DEFAULT.missing.then
    """`hold` the count as it is, or `{raise_to: N}`."""


class ManualChangeKeys(Section):
    """What it means that somebody else set the count."""

    respect_for: Annotated[float, duration("0s", "30d")] = _DEFAULT.manual_change.respect_for_s
    """How long the count that somebody else set is left alone."""


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
    sla: SlaKeys = SlaKeys()
    """What is promised to the guest."""
    strategy: StrategyKeys = StrategyKeys(adaptive=AdaptiveKeys())
    """How many vCPUs are wanted."""
    limits: LimitsKeys = LimitsKeys()
    """How fast the count may change."""
    schedules: Annotated[tuple[ScheduleKeys, ...], no_longer_than(_MOST_SCHEDULES)] = ()
    """Other bounds, or another mode, at some hours."""
    host: HostKeys = HostKeys()
    """How the domain stands against the others of its host."""
    missing: MissingKeys = MissingKeys()
    """What happens when the guest's samples are missing."""
    manual_change: ManualChangeKeys = ManualChangeKeys()
    """What it means that somebody else set the count."""


class PolicyFileKeys(Section):
    """A policy file."""

    version: Annotated[int, integer(1, 1)]
    """Version of the language."""
    policies: tuple[PolicyKeys, ...]
    """Tried in this order, after those of files whose names sort before."""
