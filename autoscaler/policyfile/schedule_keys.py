"""The keys of a policy's `schedules`: other bounds, or another mode, at some hours."""

from typing import Annotated

from pydantic import Field

from autoscaler.core.policy import Mode
from autoscaler.policyfile.times import Day, Weekday, Zone, time_of_day
from autoscaler.policyfile.typed import Section, any_of
from autoscaler.policyfile.values import NotEmpty, Text, VcpuCount, one_of


class ScheduleVcpusKeys(Section):
    """Bounds that hold in place of the policy's own."""

    min: VcpuCount | None = None
    """Fewest vCPUs; without it, the policy's own."""
    max: VcpuCount | None = None
    """Most vCPUs; without it, the policy's own."""


class ScheduleKeys(Section):
    """Other bounds, or another mode, at some hours; it sets one of them at least."""

    model_config = any_of("vcpus", "mode")

    name: Text
    """What the hours are called."""
    days: Annotated[tuple[Day, ...], NotEmpty] = tuple(Weekday)
    """Days on which the hours begin; without it, every day."""
    from_: Annotated[int, time_of_day()] = Field(alias="from")
    """When it begins, on the clock of `timezone`."""
    to: Annotated[int, time_of_day(end=True)]
    """When it ends; before `from`, it ends on the next day."""
    timezone: Zone
    """Whose clock is meant; where it changes to summer time, the hours follow."""
    vcpus: ScheduleVcpusKeys = ScheduleVcpusKeys()
    """Bounds that hold in place of the policy's own."""
    mode: Annotated[Mode, one_of(Mode)] | None = None
    """How far the service may go in these hours; without it, the policy's own mode."""
