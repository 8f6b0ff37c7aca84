"""A domain on the command line, whose name the shell completes.

Invariant: completion never fails and never takes long: where no service answers at once there is nothing to
offer, and only names that mean nothing to a shell are offered.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, cast

import typer

from autoscaler.cli.client import DEFAULT_SERVER, ask_within
from autoscaler.errors import AutoscalerError

_PLAIN = re.compile(r"[\w.@/+-]+", re.ASCII)
_PATIENCE_S = 1.0


def complete_domain(incomplete: str) -> list[str]:
    """The names of governed domains that begin so."""
    server = os.environ.get("VCPU_AUTOSCALER_SERVER", DEFAULT_SERVER)
    try:
        found = cast("list[dict[str, Any]]", ask_within(_PATIENCE_S, server, "domains"))
        names = [str(domain["name"]) for domain in found]
    except (AutoscalerError, TypeError, KeyError):
        return []
    return [name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name)]


DomainArgument = Annotated[
    str,
    typer.Argument(
        help="A domain's name or UUID, or as `autoscaler list` has it.", autocompletion=complete_domain
    ),
]
MaybeDomainArgument = Annotated[
    str | None,
    typer.Argument(
        help="A domain's name or UUID, or as `autoscaler list` has it; without, all of them.",
        autocompletion=complete_domain,
    ),
]
