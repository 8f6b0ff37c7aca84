"""The command `slo`: how the domains stand by the service levels that were promised."""

from __future__ import annotations

from typing import Any, cast

import typer

from autoscaler.cli.arguments import MaybeDomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ask
from autoscaler.cli.output import Output, OutputOption, folded, print_json, print_table

_HEADINGS = ("Domain", "Promise", "Attained", "Bad", "Left", "Burn 1h", "Runs out in")
_NEVER = "never"
_INDENT = 14


def slo(
    domain: MaybeDomainArgument = None,
    *,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print what each domain was promised and attained, the error budget left and how fast that burns.

    Attained counts good among the known slices of the window; Bad are those that were not; Left is the share
    of the error budget. A burn rate of 1 spends that in exactly one window. Of one domain there is more.
    """
    path = ("domains",) if domain is None else ("domains", domain)
    answer = ask(server, *path)
    found = cast("list[dict[str, Any]]", answer if isinstance(answer, list) else [answer])
    if output is Output.JSON:
        print_json([{"name": entry["name"], "uuid": entry["uuid"]} | entry["slo"] for entry in found])
        return
    if domain is None:
        print_table(_HEADINGS, [(entry["name"], *_row(entry["slo"])) for entry in found])
        return
    for title, text in _all(found[0]):
        typer.echo(f"{title + ':':<{_INDENT}}{folded(text, indent=_INDENT)}")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    return (
        found["promise"],
        _percent(found["attained_ratio"]),
        found["bad"],
        _percent(found["budget_remaining_ratio"]),
        _rate(found["burn_rates"]["1h"]),
        _left(found),
    )


def _all(domain: dict[str, Any]) -> list[tuple[str, str]]:
    found = domain["slo"]
    rates = (
        f"{_rate(rate)} in {window}" for window, rate in found["burn_rates"].items() if window != "window"
    )
    return [
        ("Domain", domain["name"]),
        ("Promise", found["promise"]),
        ("Attained", f"{_percent(found['attained_ratio'])} of {_percent(found['objective_ratio'])}"),
        ("Slices", f"{found['good']} good, {found['bad']} bad, {found['unknown']} unknown"),
        ("Budget left", _percent(found["budget_remaining_ratio"])),
        ("Burns at", f"{', '.join(rates)}, {_rate(found['burn_rates']['window'])} in the whole window"),
        ("Runs out in", _left(found)),
    ]


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.2f}%"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"


def _left(found: dict[str, Any]) -> str:
    """When the budget is spent, as fast as it burns now."""
    seconds = found["exhausted_in_s"]
    if found["attained_ratio"] is None:
        return "-"
    if seconds is None:
        return _NEVER
    if seconds <= 0:
        return "spent"
    return f"{seconds / 86400:.1f} d" if seconds >= 86400 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - a day
