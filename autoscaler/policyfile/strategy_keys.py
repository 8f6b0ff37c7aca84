"""The keys of a policy's `strategy`: how the number of vCPUs wanted follows from what the guest does."""

from typing import Annotated

from autoscaler.core.policy import AdaptiveStrategy, TargetStrategy
from autoscaler.policyfile.typed import Choice, Section
from autoscaler.policyfile.values import duration, number, ratio

_ADAPTIVE = AdaptiveStrategy()
_TARGET = TargetStrategy()

Price = Annotated[float, number("0", "1000")]


class PricesKeys(Section):
    """What a vCPU-minute and the two moves cost against each other: only their proportions matter."""

    vcpu_minute: Annotated[float, number("0.001", "1000")] = _ADAPTIVE.prices.vcpu_minute
    """Price of one vCPU for one minute."""
    add: Price = _ADAPTIVE.prices.add
    """Price of adding a vCPU."""
    remove: Price = _ADAPTIVE.prices.remove
    """Price of taking a vCPU away; the dearer, the longer one is kept."""


class AdaptiveKeys(Section):
    """Strategy `adaptive`: learn for each guest how tight it may run within its SLA."""

    prices: PricesKeys = PricesKeys()
    """What a vCPU-minute and the two moves cost against each other."""


class TargetKeys(Section):
    """Strategy `target`: keep utilisation near a stated figure."""

    utilization: Annotated[float, ratio("10%", "95%")] = _TARGET.utilization_ratio
    """The utilisation to keep, as a share of the vCPUs."""
    tolerance: Annotated[float, ratio("0%", "49%")] = _TARGET.tolerance_ratio
    """No move while demand is within this share of the target."""
    hold: Annotated[float, duration("0s", "24h")] = _TARGET.hold_s
    """How long a higher recommendation keeps the count up."""


class StrategyKeys(Choice):
    """How many vCPUs are wanted, from what the guest does: one of `adaptive` and `target`."""

    adaptive: AdaptiveKeys | None = None
    """Learn for each guest how tight it may run within its SLA."""
    target: TargetKeys | None = None
    """Keep utilisation near a stated figure."""
