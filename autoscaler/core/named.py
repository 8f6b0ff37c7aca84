"""How a domain is named in sentences, and in command lines that people are told to type.

Invariant: whatever a guest's owner called it, the line does what the sentence says, to this domain and to no
other one.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

BARE = "qmp"
"""What the hosts of guests begin with whose QEMU runs without libvirt; other hosts are libvirt URIs."""

_MEANS_ANOTHER = re.compile(r"[^\w].*|[0-9]+|[0-9a-fA-F -]{32,}")
"""Names that virsh takes for an option, a domain's number, with a sign or a space before it too, or a UUID,
between whose figures it passes over spaces and dashes.
"""


def virsh(uri: str, *words: str) -> str:
    """A command line for one connection; without it, virsh asks another daemon for users than for root."""
    return shlex.join(("virsh", "-c", uri, *words))


@dataclass(frozen=True, slots=True)
class Named:
    """One domain; as text, its name."""

    host: str
    """The label of its connection: a libvirt URI, or `BARE` and more."""
    uuid: str
    """Empty: not known."""
    name: str

    def __str__(self) -> str:
        """Its name."""
        return self.name

    @property
    def by_libvirt(self) -> bool:
        """Whether libvirt runs it."""
        return self.host.partition(":")[0] != BARE

    @property
    def called(self) -> str:
        """What to call it in a command: its name, unless that could be taken for something else.

        virsh takes what it is told for a number first, then for a UUID, and only then for a name; and whoever
        names a guest may do so after another one. One that cannot be printed is shown as something else.
        """
        is_clear = self.name.isprintable() and not _MEANS_ANOTHER.fullmatch(self.name)
        return self.name if is_clear or not self.uuid else self.uuid

    def virsh(self, command: str, *words: str, first: tuple[str, ...] = ()) -> str:
        """A command line about it; `first` are options that stand before it."""
        return virsh(self.host, command, *first, self.called, *words)

    def autoscaler(self, command: str) -> str:
        """A command line of ours about it."""
        return shlex.join(("autoscaler", command, self.called))
