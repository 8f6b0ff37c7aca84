"""The key `deadlines` of the configuration."""

from typing import Annotated, Self

from pydantic import model_validator

from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import duration, said

_DEFAULT = DeadlineSettings()

_Deadline = Annotated[float, duration("1s", "1h")]


class DeadlineKeys(Section):
    """After how long a change is stuck: a start, which the service corrects by what it sees of each host."""

    accepted: _Deadline = _DEFAULT.accepted_s
    """From the request of a growth until the hypervisor took it."""
    present: _Deadline = _DEFAULT.present_s
    """From the request of a growth until the guest lists the vCPUs."""
    online: _Deadline = _DEFAULT.online_s
    """From the request of a growth until the guest runs the vCPUs."""
    relieved: _Deadline = _DEFAULT.relieved_s
    """From then until the load fits; a growth without relief is over after that time, and no failure."""
    offline: _Deadline = _DEFAULT.offline_s
    """From the request of a shrink until the guest runs the fewer vCPUs."""
    gone: _Deadline = _DEFAULT.gone_s
    """From the request to give a vCPU back until QEMU has it no longer."""

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if not self.accepted <= self.present <= self.online:
            raise said(
                "a growth is accepted, then present, then online, all counted from its request: write "
                "accepted, present and online so that none is shorter than the one before, "
                f"not {self.accepted:g} s, {self.present:g} s, {self.online:g} s"
            )
        return self

    def settings(self) -> DeadlineSettings:
        """The same as settings."""
        return DeadlineSettings(
            accepted_s=self.accepted,
            present_s=self.present,
            online_s=self.online,
            relieved_s=self.relieved,
            offline_s=self.offline,
            gone_s=self.gone,
        )
