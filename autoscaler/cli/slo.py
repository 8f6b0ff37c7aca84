"""The command `slo`: how the domains stand by the service levels that were promised."""

from __future__ import annotations

from typing import Any, cast

from autoscaler.cli.arguments import MaybeDomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ask
from autoscaler.cli.output import Output, OutputOption, print_json, print_table

_HEADINGS = (
    *("Domain", "Promise", "Objective", "Attained", "Good", "Bad", "Unknown", "Budget left"),
    *("Burn 5m", "30m", "1h", "6h", "3d", "Window", "Runs out in"),
)
_NEVER = "not at this rate"


def slo(
    domain: MaybeDomainArgument = None,
    *,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print each domain's objective, what it attained, the error budget left and how fast that burns.

    Attained counts good among the known slices of the window; unknown ones are shown apart and never count as
    good. A burn rate of 1 spends the budget in exactly one window.
    """
    path = ("domains",) if domain is None else ("domains", domain)
    answer = ask(server, *path)
    found = cast("list[dict[str, Any]]", answer if isinstance(answer, list) else [answer])
    if output is Output.JSON:
        print_json([{"name": entry["name"], "uuid": entry["uuid"]} | entry["slo"] for entry in found])
        return
    rows = [(entry["name"], *_row(entry["slo"])) for entry in found]
    print_table(_HEADINGS, rows)


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    burn = found["burn_rates"]
    return (
        found["promise"],
        _percent(found["objective_ratio"]),
        _percent(found["attained_ratio"]),
        found["good"],
        found["bad"],
        found["unknown"],
        _percent(found["budget_remaining_ratio"]),
        *(_rate(burn[window]) for window in ("5m", "30m", "1h", "6h", "3d", "window")),
        "-" if found["attained_ratio"] is None else _left(found["exhausted_in_s"]),
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.2f}%"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return _NEVER
    if seconds <= 0:
        return "spent"
    return f"{seconds / 86400:.1f} d" if seconds >= 86400 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - a day
