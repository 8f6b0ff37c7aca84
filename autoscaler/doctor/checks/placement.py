"""Where vCPUs may run on the host: pinning, NUMA and quotas, which can make more vCPUs worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.doctor.facts import listed
from autoscaler.doctor.finding import Fix, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look at what binds vCPUs to CPUs of the host."""
    yield _pinning(domain)
    yield from _numa(domain)
    yield from _quota(domain)


def _pinning(domain: DomainFacts) -> Finding:
    name, placement = "pinning", domain.build.placement
    pins, allowed = placement.pins, placement.allowed
    if not pins and allowed is None:
        return ok(name, "its vCPUs may use every CPU of the host")
    usable = _usable(domain)
    if usable is not None and len(usable) < domain.maximum:
        return warning(
            name,
            f"its vCPUs may use {_cpus(len(usable))} of the host ({listed(usable)}), and it may have "
            f"{domain.maximum} vCPUs",
            f"beyond {len(usable)} vCPUs they wait for each other: more make it slower",
            _widen(domain),
        )
    loose = [number for number in range(domain.maximum) if number not in pins]
    if pins and loose and allowed is None and domain.by_libvirt:
        return note(
            name,
            f"{len(pins)} vCPUs are bound to CPUs of the host, and {len(loose)} that it may get are not",
            "those may run anywhere, also where other guests have CPUs of their own",
            Fix(advice="Bind them as well, to CPUS of your choice.", commands=(_pin(domain, loose[0]),)),
        )
    bound = "every CPU" if usable is None else f"CPUs {listed(usable)}"
    return ok(name, f"its vCPUs may use {bound} of the host, enough for all that it may have")


def _usable(domain: DomainFacts) -> frozenset[int] | None:
    """The CPUs that its vCPUs could use, were all plugged; None: any."""
    placement = domain.build.placement
    if placement.allowed is None and any(number not in placement.pins for number in range(domain.maximum)):
        # Over QMP a vCPU that is plugged later starts as QEMU itself may run, which is not seen.
        return None
    masks = [placement.pins.get(number, placement.allowed) for number in range(domain.maximum)]
    return frozenset[int]().union(*(mask for mask in masks if mask is not None))


def _widen(domain: DomainFacts) -> Fix:
    if not domain.by_libvirt:
        return Fix(advice="Bind its threads to more CPUs (taskset -p), or lower maxcpus.")
    if domain.build.placement.pins:
        numbers = sorted(domain.build.placement.pins)
        advice = "Bind each vCPU to CPUS of its own, or bound the policy's `vcpus.max`; so for the last:"
        return Fix(advice=advice, commands=(_pin(domain, numbers[-1]),))
    return Fix(
        advice="Widen the cpuset of <vcpu>, or bound the policy's `vcpus.max`.",
        commands=(domain.named.virsh("edit"), *domain.restart),
    )


def _pin(domain: DomainFacts, number: int) -> str:
    live = ("--live",) if domain.view is not None and number < domain.plugged else ()
    return domain.named.virsh("vcpupin", str(number), "CPUS", *live, "--config")


def _numa(domain: DomainFacts) -> Iterator[Finding]:
    name, placement, nodes = "numa", domain.build.placement, domain.host.nodes
    if placement.cells > 1:
        yield note(
            name,
            f"the guest is shown {placement.cells} NUMA nodes",
            "vCPUs are added from the lowest slot on, so the first node fills up before the next",
        )
    elif len(nodes) > 1 and domain.maximum > max(map(len, nodes)):
        yield note(
            name,
            f"the host has {len(nodes)} NUMA nodes of up to {_cpus(max(map(len, nodes)))}, and it may have "
            f"{domain.maximum} vCPUs",
            "grown so far it runs on several nodes without seeing them",
            Fix(advice="Show it NUMA nodes (<numa> in <cpu>), or bound the policy's `vcpus.max`."),
        )
    elif placement.strict_nodes and len(nodes) > 1 and not placement.pins and placement.allowed is None:
        yield note(
            name,
            "its memory comes from some NUMA nodes only, and its vCPUs may run on any",
            "those that are added may run far from their memory",
            Fix(advice="Let <vcpu placement='auto'> or a cpuset bind them as well."),
        )
    elif nodes:
        yield ok(name, f"nodes of the host: {len(nodes)}")


def _quota(domain: DomainFacts) -> Iterator[Finding]:
    name, placement = "quota", domain.build.placement
    whole, each = placement.quota_vcpus, placement.vcpu_quota_ratio
    if whole is not None and whole < domain.maximum:
        yield warning(
            name,
            f"the whole domain may use {whole:g} CPUs (global_quota), and it may have {domain.maximum} vCPUs",
            f"beyond {whole:g} vCPUs more of them bring nothing, and look like stolen time",
            Fix(advice="Lift the limit:", commands=(_schedinfo(domain, "global_quota"),)),
        )
    if each is not None and each < 1:
        yield note(
            name,
            f"each vCPU may use {each:.0%} of a CPU (vcpu_quota)",
            "a guest that is held back so looks stolen from, and is not grown while it is",
            Fix(advice="Lift the limit:", commands=(_schedinfo(domain, "vcpu_quota"),)),
        )


def _schedinfo(domain: DomainFacts, key: str) -> str:
    live = () if domain.view is None else ("--live",)
    return domain.named.virsh("schedinfo", *live, "--config", f"{key}=-1")


def _cpus(count: int) -> str:
    return "1 CPU" if count == 1 else f"{count} CPUs"
