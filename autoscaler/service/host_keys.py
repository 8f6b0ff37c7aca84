"""The key `host` of the configuration."""

from typing import Annotated

from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import integer, number, ratio
from autoscaler.service.settings import HostLimits

_DEFAULT = HostLimits()


class HostKeys(Section):
    """What the guests of each host may have together, and how much may change there."""

    overcommit: Annotated[float, number("0.1", "64")] = _DEFAULT.overcommit
    """vCPUs that the guests may have for each of the host's CPUs."""
    reserve: Annotated[int, integer(0, 4096)] = _DEFAULT.reserve
    """vCPUs of those that no guest is given."""
    delay_below: Annotated[float, ratio("1%", "100%")] = _DEFAULT.delay_below_ratio
    """No guest grows while the host withholds a larger share of its guests' vCPU time; 100%: no limit."""
    pressure_below: Annotated[float, ratio("1%", "100%")] = _DEFAULT.pressure_below_ratio
    """No guest grows while tasks of the host wait for a CPU for a larger share of time; 100%: no limit."""
    operations_per_minute: Annotated[int, integer(1, 6000)] = _DEFAULT.operations_per_minute
    """Most changes of guests that may begin in any minute."""
    removals_per_minute: Annotated[int, integer(1, 6000)] = _DEFAULT.removals_per_minute
    """Most vCPUs that guests may be asked to give back in any minute."""

    def limits(self) -> HostLimits:
        """The same as settings."""
        return HostLimits(
            overcommit=self.overcommit,
            reserve=self.reserve,
            delay_below_ratio=self.delay_below,
            pressure_below_ratio=self.pressure_below,
            operations_per_minute=self.operations_per_minute,
            removals_per_minute=self.removals_per_minute,
        )
