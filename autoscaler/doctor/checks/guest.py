"""What runs in the guest: its system, whether it sees its vCPUs, its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.doctor.finding import Fix, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.backends.agent.inspection import AgentInspection
    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding

WINDOWS = "mswindows"
"""What an agent calls it."""
_SKEW_S = 2.0
"""From here on a clock is wrong, and somebody will set it."""


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look at what the agent told of its guest; nothing, where it told nothing."""
    if domain.agent is not None:
        yield _system(domain.agent)
        yield from _vcpus(domain, domain.agent)
        yield from _clock(domain, domain.agent)


def _system(agent: AgentInspection) -> Finding:
    name, system = "guest-os", agent.os
    if system is None or not (system.name or system.kernel):
        return note(name, "the agent does not say what runs in the guest", "known faults of it are not told")
    seen = ", ".join(filter(None, (system.name, f"kernel {system.kernel}" if system.kernel else "")))
    if system.id == WINDOWS:
        return error(
            name,
            seen,
            "the agent of Windows neither tells CPU load as that of Linux does nor takes vCPUs offline: it "
            "is measured from the host and never resized",
            Fix(advice="Leave it out of every policy, or give its policy `mode: recommend`."),
        )
    return ok(name, seen)


def _vcpus(domain: DomainFacts, agent: AgentInspection) -> Iterator[Finding]:
    name, vcpus = "guest-vcpus", agent.vcpus
    if vcpus is None:
        return
    seen = f"the guest runs {vcpus.online} of the {domain.plugged} vCPUs that are plugged"
    if vcpus.present >= domain.plugged:
        yield ok(name, seen)
        return
    yield warning(
        name,
        f"{seen}, and lists {vcpus.present}",
        "its kernel does not take vCPUs that are added",
        Fix(
            advice="Its kernel needs ACPI CPU hotplug (CONFIG_ACPI_HOTPLUG_CPU) and must not be started with "
            "maxcpus=, nr_cpus= or possible_cpus=; see its kernel log."
        ),
    )


def _clock(domain: DomainFacts, agent: AgentInspection) -> Iterator[Finding]:
    name, ahead_s = "clock", agent.clock_ahead_s
    if domain.build.no_kvmclock:
        yield note(
            name,
            "the guest is not given KVM's clock (<timer name='kvmclock' present='no'/>)",
            "then it sees no stolen time; the service goes by what the host sees",
        )
    if ahead_s is None:
        return
    if abs(ahead_s) - agent.clock_doubt_s <= _SKEW_S:
        yield ok(name, f"the guest's clock agrees with this host's to {_SKEW_S:g} s")
        return
    way = "ahead of" if ahead_s > 0 else "behind"
    yield warning(
        name,
        f"the guest's clock is {abs(ahead_s):.0f} s {way} this host's",
        "when it is set, the guest's boot time moves with it, which looks like another boot: that interval "
        "is not measured",
        Fix(
            advice="Run chrony or systemd-timesyncd in the guest, and on this host. In the guest:",
            commands=("timedatectl set-ntp true",),
        ),
    )
