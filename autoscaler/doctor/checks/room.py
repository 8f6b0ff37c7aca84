"""Room to grow, places for vCPUs, and how the guest is shown them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from autoscaler.core.policy import Reclaim
from autoscaler.doctor.finding import Fix, Mend, Part, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.doctor.facts import DomainFacts, Topology
    from autoscaler.doctor.finding import Finding

_MAXIMUM = "maximum"
_MOST_LISTED = 16
"""Longest list of vCPUs that is written out."""


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look at the maximum, the slots and the topology."""
    yield _maximum(domain)
    yield from _slots(domain)
    yield from _topology(domain)


def _wanted_maximum(domain: DomainFacts) -> int:
    """The maximum that it should have, where it has too little: what a policy allows, else twice as much."""
    wanted = _allowed(domain)
    return wanted if wanted > domain.maximum else 2 * domain.maximum


def _allowed(domain: DomainFacts) -> int:
    """What its policy may want; 0: there is none."""
    policy = domain.policy
    return 0 if policy is None else max(policy.max_vcpus or 0, policy.min_vcpus)


def _maximum(domain: DomainFacts) -> Finding:
    policy, wanted = domain.policy, _wanted_maximum(domain)
    if policy is not None and _allowed(domain) > domain.maximum:
        means = f"policy {policy.name!r} allows {wanted}, which it cannot get"
        return warning(_MAXIMUM, _counts(domain), means, _up_to(domain, wanted))
    if domain.plugged < domain.maximum:
        more = domain.maximum - domain.plugged
        return ok(_MAXIMUM, f"{_counts(domain)}: {more} more can be added while it runs")
    return _at_maximum(domain)


def _at_maximum(domain: DomainFacts) -> Finding:
    policy, starts_with = domain.policy, domain.build.starts_with
    if policy is not None and policy.max_vcpus is not None:
        return ok(_MAXIMUM, f"{_counts(domain)}, which is all that policy {policy.name!r} allows")
    further = _up_to(domain, _wanted_maximum(domain))
    if starts_with is not None and starts_with < domain.maximum:
        return note(
            _MAXIMUM, _counts(domain), "it has grown to its maximum, and can grow no further", further
        )
    return warning(
        _MAXIMUM, _counts(domain), "it starts with all that it may have, so it can never grow", further
    )


def _counts(domain: DomainFacts) -> str:
    return f"{domain.plugged} of at most {domain.maximum} vCPUs are plugged"


def _up_to(domain: DomainFacts, wanted: int) -> Fix:
    """What gives a domain a maximum of so many; a restart alone, where its definition has a higher one."""
    later = domain.build.next_maximum
    if later is not None and later > domain.maximum and (later >= wanted or domain.policy is None):
        return Fix(
            advice=f"Its definition has a maximum of {later}: stop it and start it.", commands=domain.restart
        )
    return raise_to(domain, wanted)


def raise_to(domain: DomainFacts, wanted: int) -> Fix:
    """What gives a domain a higher maximum."""
    if not domain.by_libvirt:
        return Fix(advice=f"Start its QEMU with maxcpus={wanted} in -smp, or more.")
    choose = f"{wanted}, or as many as it may ever need, take effect when it starts next."
    topology = domain.build.topology
    mend = Mend(part=Part.MAXIMUM, maximum=wanted) if domain.is_mendable else None
    if topology is None:
        raising = domain.named.virsh("setvcpus", str(wanted), "--maximum", "--config")
        return Fix(advice=choose, commands=(raising, *domain.restart), mend=mend)
    # libvirt takes no maximum that the topology does not hold, so both are changed in one edit.
    grown = topology.with_vcpus(wanted)
    current = domain.build.starts_with or domain.plugged
    kept = "".join(f"{key}={quoteattr(value)} " for key, value in domain.build.vcpu_attributes)
    return Fix(
        advice=f"Write both, for the topology has to hold the maximum: {choose}",
        xml=f"<vcpu {kept}current='{current}'>{grown.vcpus}</vcpu>\n{grown.xml}",
        commands=(domain.named.virsh("edit"), *domain.restart),
        mend=mend,
    )


def _slots(domain: DomainFacts) -> Iterator[Finding]:
    name, build = "slots", domain.build
    if not build.hotplug:
        yield error(
            name,
            "it has no places for vCPUs that could be plugged",
            "its machine type cannot add vCPUs while it runs",
            Fix(advice="Start it with another machine type, such as q35."),
        )
        return
    fixed = _fixed(domain)
    if fixed <= 1:
        yield ok(name, "all vCPUs but the first can go back to the host")
        return
    reclaims = domain.policy is not None and domain.policy.down.reclaim is not Reclaim.OFFLINE
    seen = f"{fixed} vCPUs that it started with cannot be unplugged"
    means = "the guest can take them offline, but they do not go back to the host"
    if reclaims and domain.policy is not None:
        means += f", as policy {domain.policy.name!r} wants"
        yield warning(name, seen, means, _make_removable(domain))
    else:
        yield note(
            name, seen, f"{means}; a policy with `reclaim: offline` needs no more", _make_removable(domain)
        )


def _fixed(domain: DomainFacts) -> int:
    """How many vCPUs can never go back."""
    slots = domain.build.slots
    if slots is None:
        return domain.build.starts_with or domain.plugged
    return sum(slot.vcpus for slot in slots if slot.plugged and not slot.removable)


def _make_removable(domain: DomainFacts) -> Fix:
    if not domain.by_libvirt:
        return Fix(
            advice=f"Start its QEMU with -smp 1,maxcpus={domain.maximum}: what is plugged later can go."
        )
    current, maximum = domain.build.starts_with or domain.plugged, domain.maximum
    listed = maximum <= _MOST_LISTED
    setting = domain.named.virsh("setvcpus")
    return Fix(
        advice="It starts next with vCPUs that can go, by these commands"
        + (f", or by this in `{domain.named.virsh('edit')}`." if listed else "."),
        xml=_vcpus_xml(current, maximum) if listed else "",
        commands=(
            f"{setting} 1 --config",
            f"{setting} {current} --config --hotpluggable",
            *domain.restart,
        ),
        mend=Mend(part=Part.SLOTS) if domain.is_mendable else None,
    )


def _vcpus_xml(current: int, maximum: int) -> str:
    lines = [
        f"  <vcpu id='{number}' enabled='{_word(number < current)}' hotpluggable='{_word(number > 0)}'/>"
        for number in range(maximum)
    ]
    return "\n".join(["<vcpus>", *lines, "</vcpus>"])


def _word(holds: bool) -> str:  # noqa: FBT001 - one argument, one word
    return "yes" if holds else "no"


def _topology(domain: DomainFacts) -> Iterator[Finding]:
    topology = domain.build.topology
    if topology is None:
        return
    name, seen = "topology", f"{topology}"
    if topology.threads > 1:
        yield note(
            name,
            seen,
            f"vCPUs come one by one, so a core may have fewer than {topology.threads} of its threads for a "
            "while, and the guest's scheduler takes threads of one core for slower than cores",
            _one_thread(domain, topology),
        )
    else:
        yield ok(name, seen)


def _one_thread(domain: DomainFacts, topology: Topology) -> Fix:
    advice = (
        "Where the guest needs no view of the host's threads, show it cores only, from its next start on."
    )
    if not domain.by_libvirt:
        return Fix(advice=advice + " Leave threads out of -smp.")
    cores_only = replace(topology, cores=topology.cores * topology.threads, threads=1)
    return Fix(advice=advice, xml=cores_only.xml, commands=(domain.named.virsh("edit"), *domain.restart))
