"""Every libvirtError as an error of `autoscaler.errors`, with a sentence for the administrator.

Invariant: a write whose refusal is not certain becomes `OutcomeUnknown`. Text in an error is shown only after
`said` has bounded it: parts of it can come from a guest. How agent calls fail is in agent_errors.py.
"""

from __future__ import annotations

import errno
import os
import pwd

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.core.named import Named, virsh
from autoscaler.errors import (
    AutoscalerError,
    BackendUnavailable,
    Denied,
    DomainBusy,
    DomainGone,
    OutcomeUnknown,
)

GONE = frozenset({libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_DOMAIN})
DENIED = frozenset(
    {libvirt.VIR_ERR_ACCESS_DENIED, libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_AUTH_UNAVAILABLE}
)
REFUSED = frozenset(
    {
        libvirt.VIR_ERR_INVALID_ARG,
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    }
)
"""libvirt checked the request and turned it down before it reached QEMU."""

_DEVICE_ADD = "device_add"
"""In the error that QEMU itself gave, whatever language libvirt passes it on in."""
_DEVICE_DEL = "device_del"
"""The same for a removal."""
_NO_ACPI = "unplug request for not supported device type"
"""QEMU's words where the guest's ACPI is not up."""
_UNPLUG = "unplug"
"""In libvirt's error where the guest has not followed in time; in another language the outcome is unknown."""
_NO_DAEMON = frozenset({errno.ENOENT, errno.ECONNREFUSED})
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM})
_LONGEST_TEXT = 300
_REACH_ADVICE = {
    "unix": "is libvirtd (or virtqemud) running? `systemctl start virtqemud.socket` or "
    "`systemctl start libvirtd`",
    "tls": "user {user} needs libvirt's certificates, readable, in /etc/pki/CA and /etc/pki/libvirt or where "
    "`?pkipath=FOLDER` in the URI says, and that host a "
    "`systemctl start virtproxyd-tls.socket` (or libvirtd-tls.socket)",
    "ssh": "user {user} needs a key that asks for no password, `?keyfile=PATH` in the URI, and that host's "
    "own in /etc/ssh/ssh_known_hosts",
    "tcp": "that host needs a `systemctl start virtproxyd-tcp.socket` (or libvirtd-tcp.socket)",
}
"""What to do where a daemon could not be reached, by libvirt's transport."""


def said(error: libvirt.libvirtError) -> str:
    """Return libvirt's own words on one line, of bounded length, printable."""
    words = " ".join((error.get_error_message() or str(error)).split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)[:_LONGEST_TEXT]


def opening_failed(error: libvirt.libvirtError, uri: str) -> BackendUnavailable:
    """Why a connection could not be opened, and what to do."""
    code, text = error.get_error_code(), said(error)
    number = error.get_int1() if code == libvirt.VIR_ERR_SYSTEM_ERROR else None
    where = f"libvirt at {uri}"
    if "/embed" in uri:
        return BackendUnavailable(f"{where} cannot start its embedded driver: {text}{_embed_advice(text)}")
    transport = _transport(uri)
    if transport in _REACH_ADVICE and (number in _NO_DAEMON or (number is not None and transport != "unix")):
        advice = _REACH_ADVICE[transport].format(user=_user())
        return BackendUnavailable(f"{where} cannot be reached ({text}): {advice}")
    if number in _NO_PERMISSION or code in DENIED or "polkit" in text:
        return BackendUnavailable(
            f"{where} does not let user {_user()} in ({text}): as root, `usermod -aG libvirt {_user()}`, "
            "then log in again (a service: restart it); or add a polkit rule for org.libvirt.unix.manage"
        )
    if code in (libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED):
        return BackendUnavailable(
            f"{where} refuses the credentials of user {_user()} ({text}): "
            f"see `{virsh(uri, 'uri')}` and ~/.config/libvirt/auth.conf"
        )
    if code == libvirt.VIR_ERR_NO_CONNECT:
        return BackendUnavailable(
            f"{where} is no address that libvirt knows ({text}): write one as qemu:///system, "
            f"or install the driver, `apt install libvirt-daemon-driver-qemu`"
        )
    return BackendUnavailable(f"{where} cannot be opened: {text}; try `{virsh(uri, 'list')}`")


def sweep_failed(error: libvirt.libvirtError, uri: str) -> BackendUnavailable:
    """Why the domains of a connection could not be listed."""
    return BackendUnavailable(
        f"libvirt at {uri} did not list its domains ({said(error)}): try `{virsh(uri, 'list')}`"
    )


def host_failed(error: libvirt.libvirtError, uri: str) -> BackendUnavailable:
    """Why the CPUs of a connection's host could not be counted."""
    return BackendUnavailable(
        f"libvirt at {uri} did not tell how many CPUs its host has ({said(error)}): "
        f"try `{virsh(uri, 'nodeinfo')}`"
    )


def look_failed(error: libvirt.libvirtError, domain: Named, *, alive: bool) -> AutoscalerError:
    """Why one domain could not be looked at; nothing was changed.

    Args:
        error: what libvirt raised.
        domain: for the message.
        alive: whether the connection outlived the error.
    """
    code = error.get_error_code()
    if alive and (code in GONE or code == libvirt.VIR_ERR_OPERATION_INVALID):
        return gone(domain)
    if alive and code in DENIED:
        return denied(error, domain)
    return BackendUnavailable(f"libvirt could not look at domain {domain}: {said(error)}")


def plug_failed(error: libvirt.libvirtError, domain: Named, *, alive: bool, active: bool) -> AutoscalerError:
    """Why vCPUs were not added, or that nobody can know.

    Args:
        error: what libvirt raised.
        domain: for the message.
        alive: whether the connection outlived the error.
        active: whether the domain runs after it.
    """
    text = said(error)
    refusal = _not_changed(error, domain, alive=alive, active=active)
    if refusal is not None:
        return refusal
    if alive and (error.get_error_code() in REFUSED or _DEVICE_ADD in text):
        return Denied(f"domain {domain} was not given vCPUs: {text}; see `{domain.virsh('vcpucount')}`")
    return OutcomeUnknown(
        f"the answer of domain {domain} to adding vCPUs was lost ({text}): "
        f"`{domain.virsh('vcpucount')}` tells what it has"
    )


def unplug_failed(
    error: libvirt.libvirtError, domain: Named, *, alive: bool, active: bool
) -> AutoscalerError | None:
    """Why the guest was not asked for a vCPU, or that nobody can know; None: it was, and takes its time.

    Args:
        error: what libvirt raised.
        domain: for the message.
        alive: whether the connection outlived the error.
        active: whether the domain runs after it.
    """
    code, text = error.get_error_code(), said(error)
    refusal = _not_changed(error, domain, alive=alive, active=active)
    if refusal is not None:
        return refusal
    if alive and code == libvirt.VIR_ERR_OPERATION_TIMEOUT and _UNPLUG in text:
        return None
    if alive and _NO_ACPI in text:
        return DomainBusy(
            f"the guest of domain {domain} does not listen to ACPI yet, so it cannot give a vCPU back: if it "
            f"has booted, its kernel needs ACPI CPU hotplug (CONFIG_HOTPLUG_CPU)"
        )
    if alive and (code in REFUSED or code == libvirt.VIR_ERR_OPERATION_FAILED or _DEVICE_DEL in text):
        return Denied(
            f"domain {domain} was not asked for a vCPU: {text}; see `{domain.virsh('dumpxml')}`, its "
            f"<vcpus> tell which can go"
        )
    return OutcomeUnknown(
        f"the answer of domain {domain} to taking a vCPU away was lost ({text}): "
        f"`{domain.virsh('vcpucount')}` tells what it has"
    )


def _not_changed(
    error: libvirt.libvirtError, domain: Named, *, alive: bool, active: bool
) -> AutoscalerError | None:
    """Why a change was not even begun, where that is certain."""
    code, text = error.get_error_code(), said(error)
    if not alive:
        return None
    if code in GONE or (code == libvirt.VIR_ERR_OPERATION_INVALID and not active):
        return gone(domain)
    if is_held(error) or code == libvirt.VIR_ERR_OPERATION_INVALID:
        return DomainBusy(
            f"domain {domain} is held by another job ({text}): see `{domain.virsh('domjobinfo')}`"
        )
    return denied(error, domain) if code in DENIED else None


def gone(domain: Named) -> DomainGone:
    """Say that a domain does not run."""
    return DomainGone(f"domain {domain} does not run (any more): see `{virsh(domain.host, 'list', '--all')}`")


def denied(error: libvirt.libvirtError, domain: Named) -> Denied:
    """Say that this user may not do it."""
    return Denied(
        f"user {_user()} may not change domain {domain} ({said(error)}): give it "
        f"org.libvirt.api.domain.write by a polkit rule, or connect as a user that has it"
    )


def is_held(error: libvirt.libvirtError) -> bool:
    """Whether another job held the domain all the time, so that nothing was begun."""
    code = error.get_error_code()
    waited = code == libvirt.VIR_ERR_OPERATION_TIMEOUT and "state change lock" in said(error)
    return waited or code == libvirt.VIR_ERR_RESOURCE_BUSY


def _transport(uri: str) -> str:
    """By what libvirt reaches the daemon: as the URI says or, where it says nothing, as libvirt chooses."""
    scheme, _, rest = uri.partition("://")
    return scheme.partition("+")[2] or ("tls" if rest.partition("/")[0] else "unix")


def _embed_advice(text: str) -> str:
    if "Failed to parse user" in text:
        return "; `apt install libvirt-daemon-system` makes that user, or start this service without root"
    if "already open" in text:
        return "; a process can have one such folder: write the same root in every URI"
    if "Too many drivers" in text:
        return "; it was tried too often in this process: mend what went wrong at first, and restart"
    if "root" in text:
        return "; write it as qemu:///embed?root=/absolute/folder"
    return ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
