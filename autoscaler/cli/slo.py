"""The command `slo`: how the domains stand by the service levels that were promised."""

from __future__ import annotations

from typing import Any, cast

import typer

from autoscaler.cli.arguments import MaybeDomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ask
from autoscaler.cli.output import Output, OutputOption, folded, print_json, print_table, state_of
from autoscaler.core.percent import percent
from autoscaler.core.spans import short_span, span

_HEADINGS = ("Domain", "Promise", "Kept", "Budget left", "Burn 1h", "Runs out in", "State")
_NEVER = "never"
_NOT_NOW = "not now"
_INDENT = 14


def slo(
    domain: MaybeDomainArgument = None,
    *,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print what each domain was promised and how far that was kept, the error budget and how fast it burns.

    Kept is the good share of what was measured of the window. The budget is the time of a whole window that
    may be bad; Budget left is how much of it was not yet. A burn rate of 1 spends it in exactly one window.
    Runs out in goes by the pace of the last hour: never where that spends no more than the window allows, not
    now where nothing burned in the last 5 minutes. Of one domain there is more; a narrow
    terminal leaves out Promise, then Burn 1h and Runs out in.
    """
    path = ("domains",) if domain is None else ("domains", domain)
    answer = ask(server, *path)
    found = cast("list[dict[str, Any]]", answer if isinstance(answer, list) else [answer])
    if output is Output.JSON:
        print_json([{"name": entry["name"], "uuid": entry["uuid"]} | entry["slo"] for entry in found])
        return
    if domain is None:
        rows = [(entry["name"], *_row(entry["slo"]), state_of(entry)) for entry in found]
        print_table(_HEADINGS, rows, spare=("Promise", "Burn 1h", "Runs out in"))
        return
    for title, text in _all(found[0]):
        typer.echo(f"{title + ':':<{_INDENT}}{folded(text, indent=_INDENT)}")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    return (
        found["promise"],
        "-" if found["attained_ratio"] is None else _of(found, "attained_ratio", "measured_s"),
        _of(found, "budget_remaining_ratio", "budget_s"),
        _rate(found["burn_rates"]["1h"]),
        _left(found),
    )


def _all(domain: dict[str, Any]) -> list[tuple[str, str]]:
    found = domain["slo"]
    left, budget_s = found["budget_remaining_ratio"], found["budget_s"]
    rates = (
        f"{_rate(rate)} in {window}" for window, rate in found["burn_rates"].items() if window != "window"
    )
    return [
        ("Domain", domain["name"]),
        ("Promise", found["promise"]),
        ("Kept", _kept(found)),
        ("Slices", f"{found['good']} good, {found['bad']} bad, {found['unknown']} unknown"),
        ("Budget left", f"{percent(left)} of the {span(budget_s)} that may be bad in a whole window"),
        ("Burns at", f"{', '.join(rates)}, {_rate(found['burn_rates']['window'])} in the whole window"),
        ("Runs out in", _left(found)),
        ("State", state_of(domain)),
    ]


def _kept(found: dict[str, Any]) -> str:
    if found["attained_ratio"] is None:
        return "nothing was measured yet"
    seen = f"{percent(found['attained_ratio'])} of {span(found['measured_s'])} measured"
    return f"{seen}, promised are {percent(found['objective_ratio'], 4)}"


def _of(found: dict[str, Any], ratio: str, whole_s: str) -> str:
    """A share, and of what time it is one."""
    return f"{percent(found[ratio])} of {short_span(found[whole_s])}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1f}"


def _left(found: dict[str, Any]) -> str:
    """When the budget is spent, as fast as it burns now."""
    seconds = found["exhausted_in_s"]
    if found["attained_ratio"] is None:
        return "-"
    if seconds is None:
        hourly = found["burn_rates"]["1h"]
        return _NEVER if hourly is None or hourly <= 1 else _NOT_NOW
    if seconds <= 0:
        return "spent"
    return span(seconds)
