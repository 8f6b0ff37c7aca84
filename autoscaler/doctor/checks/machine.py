"""The virtual machine and its QEMU: what is known to go wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.removal import FULL_RATIO
from autoscaler.doctor.facts import dotted
from autoscaler.doctor.finding import Fix, Mend, Part, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding

_TRIED = frozenset({"x86_64", "i686"})
_SLOTS_SINCE = (5, 2, 0)
_OLDEST_TRIED = (7, 2, 0)


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look at the machine type, emulation, what the guest is shown, QEMU's version and its files."""
    yield from _machine(domain)
    yield from _emulation(domain)
    yield from _hidden(domain)
    yield from _qemu(domain)
    yield from _descriptors(domain)


def _machine(domain: DomainFacts) -> Iterator[Finding]:
    name, build = "machine", domain.build
    if build.machine is None:
        return
    seen = build.machine if build.arch is None else f"{build.machine} on {build.arch}"
    if build.arch is not None and build.arch not in _TRIED:
        yield warning(
            name,
            seen,
            "vCPUs were only ever added on x86; as far as is known, QEMU adds none on Arm and RISC-V",
            Fix(advice="Add one by hand first: " + _by_hand(domain)),
        )
    elif build.acpi is False:
        yield error(
            name,
            f"{seen}, without ACPI",
            "the guest does not hear of vCPUs that are added",
            _with_acpi(domain),
        )
    else:
        yield ok(name, seen)


def _with_acpi(domain: DomainFacts) -> Fix:
    if domain.build.next_acpi:
        return Fix(advice="Its definition has it: stop it and start it.", commands=domain.restart)
    editing = domain.named.virsh("edit")
    return Fix(
        advice="Add this to <features>.",
        xml="<acpi/>",
        commands=(editing, *domain.restart),
        mend=Mend(part=Part.ACPI) if domain.is_mendable else None,
    )


def _by_hand(domain: DomainFacts) -> str:
    if not domain.by_libvirt:
        return "query-hotpluggable-cpus and device_add on its monitor."
    return f"`{domain.named.virsh('setvcpus', str(domain.plugged + 1), '--live')}`."


def _emulation(domain: DomainFacts) -> Iterator[Finding]:
    if not domain.build.emulated:
        return
    means = (
        "it is slow, its kernel may ignore vCPUs that are added (Linux from late 6.12 on), and QEMU may end "
        "when one is plugged after others were unplugged (seen with 7.2 and 10.0)"
    )
    yield warning(
        "emulation",
        "QEMU emulates its CPUs, without KVM",
        means,
        Fix(
            advice="Use KVM: <domain type='kvm'>, or -accel kvm, on a host with /dev/kvm. For tests, keep "
            "`reclaim: offline`."
        ),
    )


def _hidden(domain: DomainFacts) -> Iterator[Finding]:
    build = domain.build
    if not build.hides_hypervisor or build.emulated:
        return
    yield warning(
        "hypervisor",
        f"the guest is not shown that it runs on KVM ({build.hides_hypervisor})",
        "Linux from late 6.12 on takes vCPUs that are added only where it finds a hypervisor that it knows",
        Fix(
            advice="Take that element out, unless a driver in the guest needs it.",
            commands=(domain.named.virsh("edit"), *domain.restart),
        ),
    )


def _qemu(domain: DomainFacts) -> Iterator[Finding]:
    """Its own version, where it is not that of its host."""
    version = domain.build.qemu
    if version is not None:
        yield qemu_version("qemu", version)


def qemu_version(name: str, version: tuple[int, int, int]) -> Finding:
    """What is known of a version of QEMU."""
    seen = f"QEMU {dotted(version)}"
    update = Fix(advice="Update QEMU, then stop and start its domains.")
    if version < _OLDEST_TRIED:
        means = f"older than any that was tried ({dotted(_OLDEST_TRIED)} and later)"
        if version < _SLOTS_SINCE:
            means += "; without libvirt, vCPUs are added by its old command cpu-add"
        return note(name, seen, means, update)
    return ok(name, seen, "each vCPU that is plugged and unplugged leaves one file open in QEMU with KVM")


def _descriptors(domain: DomainFacts) -> Iterator[Finding]:
    found = None if domain.view is None else domain.view.descriptors
    if found is None:
        return
    name, seen = "descriptors", f"its QEMU has {found.open} files open of {found.limit} that it may have"
    if found.open <= FULL_RATIO * found.limit:
        yield ok(name, seen)
        return
    yield warning(
        name,
        seen,
        "nothing more is unplugged, for each plug and unplug may leave one open",
        Fix(
            advice="Stop and start it, or raise the limit: with libvirt, max_files in qemu.conf.",
            commands=domain.restart,
        ),
    )
