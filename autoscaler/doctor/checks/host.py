"""The host and the connection to it: rights, versions, capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.arbiter import host_vcpus
from autoscaler.doctor.checks.machine import qemu_version
from autoscaler.doctor.facts import Way, dotted
from autoscaler.doctor.finding import Fix, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.doctor.facts import HostFacts, Version
    from autoscaler.doctor.finding import Finding

_OLDEST_TRIED = (9, 0, 0)
_CLIENT_ENDS = (10, 4, 0)
_NO_WAITING = (12, 4, 0)


def check(host: HostFacts) -> Iterator[Finding]:
    """Look at one connection; behind one that is down nothing is told."""
    if host.trouble:
        yield error("connection", "it is down", "none of its domains is seen", Fix(advice=f"{host.trouble}."))
        return
    yield from _rights(host)
    yield from _actuator(host)
    if host.libvirt is not None:
        yield _libvirt(host.libvirt)
    if host.qemu is not None:
        yield qemu_version("qemu", host.qemu)
    yield from _capacity(host)
    yield from _pressure(host)


def _rights(host: HostFacts) -> Iterator[Finding]:
    if host.refusal:
        yield error(
            "rights",
            "no connection that may change domains can be opened",
            "no agent is asked and no domain resized",
            Fix(advice=f"{host.refusal}."),
        )
    elif host.way is Way.LIBVIRT:
        yield ok("rights", "this user may open a connection that changes domains")


def _actuator(host: HostFacts) -> Iterator[Finding]:
    if host.actuator:
        yield error(
            "actuator",
            "the process that changes guests does not serve this connection",
            "no domain of it is resized",
            Fix(advice=f"{host.actuator}."),
        )
    elif host.actuator is not None:
        yield ok("actuator", "the process that changes guests answers, and has this connection")


def _libvirt(version: Version) -> Finding:
    name, seen, known = "libvirt", f"libvirt {dotted(version)}", []
    if version < _CLIENT_ENDS:
        known.append(
            "its client can end a program when two calls wait on a connection that is given up "
            "(CVE-2024-4418), which the service works around"
        )
    if version < _NO_WAITING:
        known.append("a removal of a vCPU takes 5 s or more of it, and ends in an error though it stands")
    update = Fix(advice=f"Update libvirt where that is easy, to {dotted(_NO_WAITING)} or later.")
    if version < _OLDEST_TRIED:
        known.insert(0, f"it is older than any that was tried ({dotted(_OLDEST_TRIED)} and later)")
        return warning(name, seen, "; ".join(known), update)
    return note(name, seen, "; ".join(known), update) if known else ok(name, seen)


def _capacity(host: HostFacts) -> Iterator[Finding]:
    if host.cpus is None:
        return
    name, limits = "capacity", host.limits
    room = host_vcpus(host.cpus, overcommit=limits.overcommit, reserve=limits.reserve)
    seen = (
        f"running domains have {host.plugged_vcpus} vCPUs on {host.cpus} CPUs, of {room} that they may have"
    )
    means = f"host.overcommit is {limits.overcommit:g}, host.reserve {limits.reserve}"
    if host.plugged_vcpus >= room:
        yield warning(
            name,
            seen,
            f"none can grow unless another shrinks ({means})",
            Fix(advice="Stop or move some, or raise host.overcommit in the configuration."),
        )
    elif host.maximum_vcpus > room:
        yield note(
            name,
            seen,
            f"at their maxima they would have {host.maximum_vcpus}; higher priorities go first ({means})",
        )
    else:
        yield ok(name, seen, means)


def _pressure(host: HostFacts) -> Iterator[Finding]:
    ratio, limit = host.pressure_ratio, host.limits.pressure_below_ratio
    if ratio is None:
        return
    seen = f"tasks waited for a CPU in {ratio:.0%} of the last 10 s"
    if ratio <= limit:
        yield ok("pressure", seen)
        return
    yield warning(
        "pressure",
        seen,
        f"above host.pressure_below ({limit:.0%}) guests that feel it do not grow",
        Fix(advice="Move guests or other work away from this host."),
    )
