"""Turns a policy as it was written into what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.policy import (
    DownLimits,
    Fallback,
    Match,
    MissingRule,
    Policy,
    TargetStrategy,
    UpLimits,
)
from autoscaler.policyfile.schema import RaiseToKeys

if TYPE_CHECKING:
    from autoscaler.policyfile.schema import MissingKeys, PolicyKeys


def compile_policy(keys: PolicyKeys, source: str) -> Policy:
    """The policy tree of one written policy; `source` is its ``file:line``."""
    target, up, down = keys.strategy.target, keys.limits.up, keys.limits.down
    return Policy(
        name=keys.name,
        match=Match(name=keys.match.name, not_name=keys.match.not_name, uuid=keys.match.uuid),
        mode=keys.mode,
        min_vcpus=keys.vcpus.min,
        max_vcpus=keys.vcpus.max,
        strategy=TargetStrategy(
            utilization_ratio=target.utilization, tolerance_ratio=target.tolerance, hold_s=target.hold
        ),
        up=UpLimits(step_ratio=up.step, cooldown_s=up.cooldown),
        down=DownLimits(step_vcpus=down.step, cooldown_s=down.cooldown),
        missing=_missing_rule(keys.missing),
        source=source,
    )


def _missing_rule(keys: MissingKeys) -> MissingRule:
    if isinstance(keys.then, RaiseToKeys):
        return MissingRule(
            stale_after_s=keys.stale_after, then=Fallback.RAISE_TO, raise_to_vcpus=keys.then.raise_to
        )
    return MissingRule(stale_after_s=keys.stale_after, then=keys.then)
