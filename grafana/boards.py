"""Every dashboard by the name of its file, and its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.domain import domain
from grafana.fleet import fleet
from grafana.health import health
from grafana.host import host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from grafana_foundation_sdk.builders.dashboard import Dashboard

BOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "fleet": fleet,
    "domain": domain,
    "host": host,
    "autoscaler": health,
}


def json_of(name: str) -> str:
    """The dashboard as Grafana reads it, in an order that does not change from one run to the next."""
    return JSONEncoder(sort_keys=True, indent=2).encode(BOARDS[name]().build()) + "\n"
