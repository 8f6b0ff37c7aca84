"""How a domain stands with the service: seen, governed, held, its sockets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from autoscaler.backends.qmp.exposure import open_to_others
from autoscaler.core.condition import held
from autoscaler.core.owner import left_alone
from autoscaler.core.policy import OPT_OUT, opted_out
from autoscaler.doctor.finding import Fix, error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding


def check(domain: DomainFacts) -> Iterator[Finding]:
    """Look at what keeps the service from it."""
    if domain.trouble:
        means = "the service does not see it"
        if not domain.by_libvirt:
            means += (
                ", unless it is the service that holds its monitor: then stop that for as long as you look"
            )
        yield error(
            "seen",
            "it cannot be looked at",
            means,
            Fix(advice=f"{domain.trouble}."),
        )
    elif domain.view is None:
        yield note("seen", "it does not run", "only its definition was looked at")
    if domain.build.transient:
        yield note(
            "definition",
            "it is transient: libvirt keeps no definition of it",
            "what is to be done with --config or by editing it belongs into the XML that it is made from",
        )
    yield from _governed(domain)
    yield from _sockets(domain)


def _governed(domain: DomainFacts) -> Iterator[Finding]:
    view = domain.view
    if view is None:
        return
    if view.job:
        yield note("job", f"a {view.job} holds it", held(view))
    for sentence in left_alone([view]).values():
        yield note("policy", "another program runs it", sentence)
        return
    if not domain.policies_known:
        return
    if opted_out(view.labels):
        key, value = OPT_OUT
        yield note("policy", f"its owner keeps it out by the label {key}={value!r}", "no policy governs it")
    elif domain.policy is None:
        yield note("policy", "no policy fits it", "it is left alone")
    else:
        yield ok("policy", f"{domain.policy.name} ({domain.policy.mode})")


def _sockets(domain: DomainFacts) -> Iterator[Finding]:
    wide = open_to_others(domain.socket_modes)
    if domain.on_tcp:
        yield warning(
            "ports",
            f"it is reached over the network: {', '.join(domain.on_tcp)}",
            "whoever can connect has the whole guest in hand, for QEMU asks nobody who he is",
            Fix(
                advice="Start QEMU with unix sockets in their place, such as -qmp "
                "unix:/run/guests/NAME/qmp.sock,server=on,wait=off, for one user alone, and write those."
            ),
        )
    if wide:
        yield warning(
            "sockets",
            "others than their owner may write to its sockets",
            "whoever can has the whole guest in hand",
            _close(wide, domain.host.speaks_to_qemu),
        )
    elif domain.socket_modes:
        yield ok("sockets", "closed to other users")


def _close(paths: list[str], user: str) -> Fix:
    """Shut others out; who speaks to QEMU, and may be one of them, is made the owner first."""
    closing = shlex.join(("chmod", "0600", *paths))
    if not user:
        return Fix(advice="Let whoever runs the service own them.", commands=(closing,))
    return Fix(
        advice="QEMU makes its sockets anew at each start: do this after each, as by ExecStartPost= of its "
        "unit.",
        commands=(shlex.join(("chown", user, *paths)), closing),
    )
