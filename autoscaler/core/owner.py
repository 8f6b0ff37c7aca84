"""Who else runs a domain: programs that keep their own account of its vCPUs, and would be surprised by ours.

A domain of theirs is left alone unless its connection is configured to adopt such domains.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.core.model import DomainView

_NAMED = 5
"""Most domains that one sentence names."""


class Owner(StrEnum):
    """A program that runs domains; the words of the configuration's key `adopt`."""

    NOVA = "nova"
    OVIRT = "ovirt"
    KUBEVIRT = "kubevirt"


_CALLED = {Owner.NOVA: "OpenStack Nova", Owner.OVIRT: "oVirt", Owner.KUBEVIRT: "KubeVirt"}


def left_alone(views: Iterable[DomainView]) -> dict[Owner, str]:
    """For each owner among these domains that no policy may govern, one sentence why, and what changes it."""
    names: dict[Owner, list[str]] = {}
    for view in views:
        if view.claimed_by is not None:
            names.setdefault(view.claimed_by, []).append(repr(view.name))
    return {owner: _sentence(owner, sorted(named)) for owner, named in sorted(names.items())}


def _sentence(owner: Owner, names: list[str]) -> str:
    if len(names) == 1:
        who, them = f"domain {names[0]} belongs to {_CALLED[owner]} and is", "it"
    else:
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
        who, them = f"{len(names)} domains ({listed}) belong to {_CALLED[owner]} and are", "them"
    return (
        f"{who} left alone, since vCPUs are counted there: to have {them} governed all the same, "
        f"write `adopt: [{owner}]` beside the connection's `libvirt:` in the configuration "
        "and restart the service"
    )
