"""Turns a policy as it was written into what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from autoscaler.core.policy import (
    AdaptiveStrategy,
    DownLimits,
    Fallback,
    HostShare,
    Indicator,
    ManualChange,
    Match,
    MissingRule,
    Policy,
    Prices,
    Schedule,
    Sla,
    TargetStrategy,
    UpLimits,
)
from autoscaler.policyfile.schema import RaiseToKeys

if TYPE_CHECKING:
    from autoscaler.core.policy import Strategy
    from autoscaler.policyfile.schedule_keys import ScheduleKeys
    from autoscaler.policyfile.schema import MatchKeys, MissingKeys, PolicyKeys
    from autoscaler.policyfile.sla_keys import IndicatorKeys, SlaKeys
    from autoscaler.policyfile.strategy_keys import StrategyKeys


def compile_policy(keys: PolicyKeys, source: str) -> Policy:
    """The policy tree of one written policy; `source` is its ``file:line``."""
    up, down = keys.limits.up, keys.limits.down
    return Policy(
        name=keys.name,
        match=_match(keys.match),
        mode=keys.mode,
        min_vcpus=keys.vcpus.min,
        max_vcpus=keys.vcpus.max,
        sla=_sla(keys.sla),
        strategy=_strategy(keys.strategy),
        up=UpLimits(step_ratio=up.step, cooldown_s=up.cooldown),
        down=DownLimits(
            step_vcpus=down.step if isinstance(down.step, int) else 1,
            step_ratio=0.0 if isinstance(down.step, int) else down.step,
            cooldown_s=down.cooldown,
            per_day=down.per_day,
            reclaim=down.reclaim,
            unplug_after_s=down.unplug_after,
        ),
        schedules=tuple(map(compile_schedule, keys.schedules)),
        host=HostShare(priority=keys.host.priority, weight=keys.host.weight),
        missing=_missing_rule(keys.missing),
        manual_change=ManualChange(respect_for_s=keys.manual_change.respect_for),
        source=source,
    )


def _match(keys: MatchKeys) -> Match:
    return Match(
        name=keys.name,
        not_name=keys.not_name,
        uuid=keys.uuid,
        metadata=tuple(sorted(keys.metadata.items())),
        not_metadata=tuple(sorted(keys.not_metadata.items())),
    )


def _sla(keys: SlaKeys) -> Sla:
    indicator, below = _indicator(keys.indicator)
    return Sla(
        indicator=indicator,
        below=below,
        slice_s=keys.slice,
        objective_ratio=keys.objective,
        window_s=keys.window,
    )


def _indicator(keys: IndicatorKeys) -> tuple[Indicator, float]:
    if keys.pressure_below is not None:
        return Indicator.PRESSURE, keys.pressure_below
    if keys.run_queue_below is not None:
        return Indicator.RUN_QUEUE, keys.run_queue_below
    assert keys.utilization_below is not None
    return Indicator.UTILIZATION, keys.utilization_below


def _strategy(keys: StrategyKeys) -> Strategy:
    if keys.target is not None:
        target = keys.target
        return TargetStrategy(
            utilization_ratio=target.utilization, tolerance_ratio=target.tolerance, hold_s=target.hold
        )
    assert keys.adaptive is not None
    prices = keys.adaptive.prices
    return AdaptiveStrategy(
        prices=Prices(vcpu_minute=prices.vcpu_minute, add=prices.add, remove=prices.remove)
    )


def compile_schedule(keys: ScheduleKeys) -> Schedule:
    """What one written schedule means."""
    return Schedule(
        name=keys.name,
        days=frozenset(day.number for day in keys.days),
        from_minute=keys.from_,
        to_minute=keys.to,
        timezone=ZoneInfo(keys.timezone),
        min_vcpus=keys.vcpus.min,
        max_vcpus=keys.vcpus.max,
        mode=keys.mode,
    )


def _missing_rule(keys: MissingKeys) -> MissingRule:
    if isinstance(keys.then, RaiseToKeys):
        return MissingRule(
            stale_after_s=keys.stale_after, then=Fallback.RAISE_TO, raise_to_vcpus=keys.then.raise_to
        )
    return MissingRule(stale_after_s=keys.stale_after, then=keys.then)
