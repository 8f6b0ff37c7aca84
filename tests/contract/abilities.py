"""What each backend under the contract can do and how its limits show: the one place that says so.

What a backend cannot do is tested as a refusal, never skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from autoscaler.core.model import CpuSource
from autoscaler.errors import AgentUnresponsive, AutoscalerError, DomainBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """One backend's."""

    boots_guests: bool = False
    """Its guests run Linux, and need CPUs."""
    has_agent: bool = True
    """Guests can be asked. Without: every call to a guest is refused with NoChannel."""
    tells_pauses: bool = True
    """A pause is heard as an event; without, it shows at the next sweep."""
    carries_labels: bool = True
    """Another hand can label a domain while it runs. Without: no domain has labels."""
    gives_back: bool = True
    """A vCPU that was plugged can be taken away again. Without: it is denied."""
    shows_it_gone: bool = True
    """One that was given back is seen to be gone. Without: emulation never tells."""
    agent_timeout_s: float = 2.0
    """The service's setting, for this backend's guests."""
    silence_s: float = 4.0
    """Longest that a call to an agent which does not answer may take."""
    source_after_restart: CpuSource = CpuSource.PROC_STAT
    """Where the first sample comes from after an agent came back. A client that knew the agent before, as the
    actuator's does, takes the next rung for up to a minute; one that is made with the test does not."""
    to_paused_guest: type[AutoscalerError] = AgentUnresponsive
    """What a call to the agent of a paused domain raises."""


# Guests of a folder have nobody who could write their labels down.
_SCRIPTED = Abilities(carries_labels=False, agent_timeout_s=0.5)

# Before it asks an agent libvirt gets into step with it: up to 5 s twice, beyond the service's own time.
_LIBVIRT = Abilities(boots_guests=True, shows_it_gone=False, silence_s=14.0, to_paused_guest=DomainBusy)

ABILITIES = {
    # Those with real guests first: their tests take long, and no worker is to be left alone with them.
    "qemu-libvirt-embed": _LIBVIRT,
    "qemu-libvirtd": _LIBVIRT,
    "qemu-qmp": Abilities(boots_guests=True, carries_labels=False, shows_it_gone=False),
    # The actuator's are changed by another process; of what it hears from QEMU, the sweeps tell.
    "actuator-qemu-libvirtd": replace(_LIBVIRT, source_after_restart=CpuSource.CPUSTATS),
    "actuator-scripted-qmp": replace(_SCRIPTED, tells_pauses=False),
    "scripted-qmp": _SCRIPTED,
    "scripted-qmp-before-5.2": replace(_SCRIPTED, gives_back=False),
    "simulated": Abilities(tells_pauses=False, to_paused_guest=DomainBusy),
    "libvirt-test": Abilities(has_agent=False),
}
"""By the id that the suite and its summary print."""


def _on(backends: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("backend", backends, indirect=True)


on_backends_with_agent = _on([name for name, can in ABILITIES.items() if can.has_agent])
on_backends_without_agent = _on([name for name, can in ABILITIES.items() if not can.has_agent])
on_backends_with_labels = _on([name for name, can in ABILITIES.items() if can.carries_labels])
on_backends_without_labels = _on([name for name, can in ABILITIES.items() if not can.carries_labels])
on_backends_that_give_back = _on([name for name, can in ABILITIES.items() if can.gives_back])
on_backends_whose_guests_give_back = _on(
    [name for name, can in ABILITIES.items() if can.has_agent and can.gives_back and can.shows_it_gone]
)
on_backends_that_give_nothing_back = _on([name for name, can in ABILITIES.items() if not can.gives_back])
on_backends_that_tell_pauses = _on([name for name, can in ABILITIES.items() if can.tells_pauses])
