"""The guest agent: its channel, whether it answers, and what it allows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autoscaler.backends.agent.files import READ, WRITE
from autoscaler.backends.agent.inspection import OWN_RULE
from autoscaler.core.model import CpuSource
from autoscaler.doctor.checks.guest import WINDOWS
from autoscaler.doctor.finding import Fix, Mend, Part, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.backends.agent.inspection import AgentInspection
    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding

CHANNEL_XML = "<channel type='unix'>\n  <target type='virtio' name='org.qemu.guest_agent.0'/>\n</channel>"
_QEMU_CHANNEL = (
    "-device virtio-serial -chardev socket,id=qga0,path=AGENT_SOCKET,server=on,wait=off "
    "-device virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"
)
_CPUSTATS_SINCE = (7, 1)
_VERSION = re.compile(r"(\d+)\.(\d+)")
_RULE = 'SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}=="0", ATTR{online}="1"'
_LISTS = (
    "In the guest, take them off BLOCK_RPCS (once BLACKLIST_RPC) or add them to ALLOW_RPCS in "
    "/etc/sysconfig/qemu-ga, or off block-rpcs (once blacklist) in /etc/qemu/qemu-ga.conf, and restart "
    "qemu-guest-agent."
)


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look from the channel inwards; what lies behind something that is missing is not told."""
    build, agent = domain.build, domain.agent
    if build.channel is False:
        yield _no_channel(domain)
        return
    if domain.view is None:
        if build.channel:
            yield ok("agent-channel", "it has one; its agent is asked when it runs")
        return
    if build.connected is False:
        yield _nobody()
        return
    if build.channel:
        open_ = ", and the guest has it open" if build.connected else ""
        yield ok("agent-channel", f"it has one{open_}")
    if agent is None and domain.agent_busy:
        yield note("agent", "its agent cannot tell anything now", domain.agent_trouble)
        return
    if agent is None:
        yield error(
            "agent",
            "its agent told nothing",
            "the service cannot measure or resize it so",
            Fix(advice=f"{domain.agent_trouble}."),
        )
        return
    yield _version(agent)
    if agent.os is not None and agent.os.id == WINDOWS:
        return  # that says it all, in `guest`
    yield _load(agent)
    yield _onlining(agent)
    yield _self_onlining(agent)


def _no_channel(domain: DomainFacts) -> Finding:
    seen, means = "it has no channel for a guest agent", "it is measured from the host and never resized"
    if not domain.by_libvirt:
        advice = (
            f"Start its QEMU with `{_QEMU_CHANNEL}`, run qemu-guest-agent in the guest, and name "
            "AGENT_SOCKET in the configuration, or let it be agent.sock beside qmp.sock."
        )
        return error("agent-channel", seen, means, Fix(advice=advice))
    if domain.build.next_channel:
        advice = "Its definition has one: stop it and start it; and run qemu-guest-agent in the guest."
        return error("agent-channel", seen, means, Fix(advice=advice, commands=domain.restart))
    attaching = domain.named.virsh("attach-device", "agent.xml", "--config")
    return error(
        "agent-channel",
        seen,
        means,
        Fix(
            advice="Write this to agent.xml and attach it, for its next start; and run qemu-guest-agent in "
            "the guest.",
            xml=CHANNEL_XML,
            commands=(attaching, *domain.restart),
            mend=Mend(part=Part.CHANNEL) if domain.is_mendable else None,
        ),
    )


def _nobody() -> Finding:
    return error(
        "agent-channel",
        "it has one, and nothing in the guest has it open",
        "its load is not known, so it is left as it is",
        Fix(
            advice="In the guest, with apt or its own package manager:",
            commands=("apt-get install qemu-guest-agent", "systemctl enable --now qemu-guest-agent"),
        ),
    )


def _version(agent: AgentInspection) -> Finding:
    name = "agent-version"
    if agent.version is None:
        return note(name, "the agent does not say its version", "every command is tried in turn")
    found = _VERSION.search(agent.version)
    numbers = (int(found[1]), int(found[2])) if found else None
    if numbers is None or numbers >= _CPUSTATS_SINCE:
        return ok(name, agent.version)
    return note(
        name,
        agent.version,
        "it does not know guest-get-cpustats (7.1 and later), so its load is read from /proc/stat or not at "
        "all",
        Fix(advice="Update qemu-guest-agent in the guest, where that is easy."),
    )


def _load(agent: AgentInspection) -> Finding:
    """By which of the sources of load it is measured."""
    name = "agent-load"
    if agent.source is CpuSource.PROC_STAT:
        return ok(name, "its load was read from /proc/stat")
    if agent.source is CpuSource.CPUSTATS:
        return ok(
            name,
            "its load was read by guest-get-cpustats",
            "files cannot be read: pressure and the run queue are not seen, so SLAs by those count nothing",
        )
    if agent.source is CpuSource.EXEC:
        return note(
            name,
            "its load could only be read by running cat in the guest (guest-exec)",
            "that costs the guest a process for each sample",
            Fix(advice=f"Allow guest-get-cpustats, or {_words(READ)}. {_LISTS}"),
        )
    return error(
        name,
        "the agent allows nothing that tells CPU load",
        "it is measured from the host and never resized",
        Fix(advice=f"Allow guest-get-cpustats, or {_words(READ)}. {_LISTS}"),
    )


def _onlining(agent: AgentInspection) -> Finding:
    name = "agent-onlining"
    lists = agent.allows("guest-get-vcpus") or agent.allows(*READ)
    if not lists:
        return error(
            name,
            "the agent does not tell which vCPUs the guest runs",
            "no change can be verified, so none comes true",
            Fix(advice=f"Allow guest-get-vcpus and guest-set-vcpus. {_LISTS}"),
        )
    if agent.allows("guest-set-vcpus"):
        return ok(name, "vCPUs can be brought online and taken offline by guest-set-vcpus")
    if agent.allows(*WRITE):
        return ok(name, "vCPUs can be brought online and taken offline by writing the kernel's files")
    fix = Fix(advice=f"Allow guest-set-vcpus. {_LISTS}")
    if agent.rule is not None:
        return warning(
            name,
            f"the agent brings no vCPU online or offline; the guest brings new ones online by {agent.rule}",
            "it can grow, and never shrinks",
            fix,
        )
    return error(
        name, "the agent brings no vCPU online or offline", "vCPUs that are added may stay unused", fix
    )


def _self_onlining(agent: AgentInspection) -> Finding:
    name = "self-onlining"
    if agent.rule is not None:
        return ok(name, f"the guest brings new vCPUs online by itself ({agent.rule})")
    able = agent.allows("guest-set-vcpus") or agent.allows(*WRITE)
    if not agent.rules_read:
        return ok(
            name, "the agent shows no files, so whether new vCPUs come online by themselves is not known"
        )
    if able:
        return ok(name, "no udev rule for it was found, and the service does it by the agent")
    return note(
        name,
        "no udev rule for it was found where distributions and administrators keep it",
        "as on Debian and Ubuntu, new vCPUs wait until they are told to come online",
        Fix(
            advice="In the guest, as root:",
            commands=(f"echo '{_RULE}' > {OWN_RULE}", "udevadm control --reload"),
        ),
    )


def _words(commands: frozenset[str]) -> str:
    return ", ".join(sorted(commands))
