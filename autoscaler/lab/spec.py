"""What a lab guest is to be: its size, and the ways in which it may be difficult.

Invariant: a spec that exists is one that can be booted; names and patterns are checked here, once, because
they become file names, XML and kernel arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from autoscaler.lab.errors import BadSpec

HARDENED = ("guest-file-*", "guest-exec", "guest-exec-status")
"""What the guest agent of the RHEL family refuses out of the box."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_PATTERN = re.compile(r"[a-z][a-z*-]{0,60}")
_MOST_VCPUS = 64
_LEAST_MEMORY_MIB = 128
_MOST_PATTERNS = 20
_REFUSED_ONLINING = ("guest-set-vcpus", "guest-file-write", "guest-exec")


class Onlining(StrEnum):
    """Who brings a new vCPU online in the guest, and when."""

    BY_AGENT = "by-agent"
    """Nobody does until the agent is asked to: Debian and Ubuntu."""
    BY_GUEST = "by-guest"
    """The guest at once, as by a udev rule: RHEL, SUSE. The agent can, too."""
    SLOW = "slow"
    """The guest after a delay. The agent refuses every way of doing it sooner: a kernel that is asked
    onlines a vCPU at once, so that any other delay would be feigned."""
    NEVER = "never"
    """Nobody; the agent refuses every way of doing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """One guest, before it is booted.

    Raises:
        BadSpec: a value is out of bounds; the text names it.
    """

    name: str
    vcpus: int = 1
    """Plugged at boot."""
    maximum: int = 4
    memory_mib: int = 256
    agent: bool = True
    """False: the channel exists and nobody in the guest has it open."""
    block: tuple[str, ...] = ()
    """Agent commands to refuse; ``*`` stands for anything, as in ``guest-file-*``."""
    onlining: Onlining = Onlining.BY_AGENT
    onlining_delay_s: float = 5.0
    """With `Onlining.SLOW`: seconds from seeing a new vCPU to bringing it online."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.vcpus <= self.maximum <= _MOST_VCPUS:
            raise BadSpec(
                f"Guest {self.name} cannot have {self.vcpus} of {self.maximum} vCPUs: "
                f"give 1 <= vcpus <= maximum <= {_MOST_VCPUS}."
            )
        if self.memory_mib < _LEAST_MEMORY_MIB:
            raise BadSpec(
                f"Guest {self.name} does not boot in {self.memory_mib} MiB: give {_LEAST_MEMORY_MIB} or more."
            )
        if len(self.block) > _MOST_PATTERNS or not all(_PATTERN.fullmatch(pattern) for pattern in self.block):
            raise BadSpec(
                f"Guest {self.name} cannot block {','.join(self.block)!r}: give up to {_MOST_PATTERNS} agent "
                "commands such as guest-exec or guest-file-*."
            )
        if not 0 <= self.onlining_delay_s <= 3600:  # noqa: PLR2004 - an hour, in the unit of the name
            raise BadSpec(
                f"Guest {self.name} cannot delay onlining by {self.onlining_delay_s} s: give 0 to 3600."
            )

    @property
    def kernel_arguments(self) -> str:
        """The kernel command line that makes the image this guest."""
        # An emulated guest would spend a sixth of its boot on the kernel's tests of its own ciphers.
        words = ["console=ttyS0", "quiet", "panic=-1", "cryptomgr.notests", f"lab.onlining={self.onlining}"]
        block = self.block
        if self.onlining in (Onlining.SLOW, Onlining.NEVER):
            block = (*block, *_REFUSED_ONLINING)
        if self.onlining is Onlining.SLOW:
            words.append(f"lab.delay={self.onlining_delay_s:g}")
        if block:
            words.append(f"lab.block={','.join(dict.fromkeys(block))}")
        if not self.agent:
            words.append("lab.agent=off")
        return " ".join(words)


def is_name(name: str) -> bool:
    """Whether `name` can name a guest."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return `name` if it can name a guest.

    Raises:
        BadSpec: it cannot.
    """
    if not is_name(name):
        raise BadSpec(
            f"{name!r} cannot name a guest: give up to 40 letters, digits, dots, dashes and underscores, "
            "the first a letter or digit."
        )
    return name
