"""The command `explain`: why a domain has, or had, the size it has."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

import typer

from autoscaler.cli.arguments import DomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ask
from autoscaler.cli.output import Output, OutputOption, conditions_of, folded, print_json
from autoscaler.policyfile.problem import printable

_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)(s|m|h|d) ago")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INDENT = 12
"""Of what a stage says, behind its name."""
_FORMS = ("%H:%M", "%H:%M:%S")


def wall_time_s(text: str, now_s: float) -> float:
    """Seconds since the epoch of a time as people write it.

    Args:
        text: ``14:30`` (today, or yesterday where that is still to come), ``2026-03-01 14:30``, ISO 8601, or
            ``10m ago``; without an offset, in local time.
        now_s: the present.

    Raises:
        ValueError: it is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now_s - float(ago[1]) * _UNIT_S[ago[2]]
    now = datetime.fromtimestamp(now_s).astimezone()
    for form in _FORMS:
        try:
            clock = datetime.strptime(text.strip(), form).time()  # noqa: DTZ007 - a time of the local day
        except ValueError:
            continue
        at = datetime.combine(now.date(), clock).astimezone()
        return (
            at if at <= now else datetime.combine(now.date() - timedelta(days=1), clock).astimezone()
        ).timestamp()
    return datetime.fromisoformat(text.strip()).astimezone().timestamp()


def past_time(text: str | None) -> str | None:
    """Check what `wall_time_s` is to read: a time that is not still to come."""
    try:
        if text is not None and wall_time_s(text, time.time()) > time.time() + 1:
            raise typer.BadParameter(f"{text!r} is still to come: nothing is known of then")
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: write 14:30, '2026-03-01 14:30' or '10m ago'"
        ) from None
    return text


def explain(
    domain: DomainArgument,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", callback=past_time, help="When: 14:30, '2026-03-01 14:30', '10m ago'."
        ),
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Tell step by step why a domain has the vCPUs that it has, or had at some time.

    From what was measured over the strategy, schedules and limits to what was done and what came of it, as
    the service recorded it.
    """
    query: dict[str, str | int] = {} if at is None else {"at": f"{wall_time_s(at, time.time()):.3f}"}
    found = cast("dict[str, Any]", ask(server, "domains", domain, "explain", **query))
    if output is Output.JSON:
        print_json(found)
        return
    record = found["record"]
    first, last = (datetime.fromtimestamp(record[key]).astimezone() for key in ("at_wall_s", "until_wall_s"))
    lasted = "" if record["repeats"] == 0 else f" to {last:%H:%M:%S}, the same {record['repeats'] + 1} times"
    typer.echo(printable(f"{record['domain']}, policy {record['policy']}, {first:%Y-%m-%d %H:%M:%S}{lasted}"))
    if found["note"]:
        typer.echo(f"  {'note':<9} {folded(found['note'], indent=_INDENT)}")
    conditions = list(conditions_of(found["conditions"]))
    # An order that stands is told with what ends it, which its record does not say.
    steps = [(step["stage"], step["text"]) for step in found["steps"]]
    steps = [step for step in steps if step[0] != "order" or "order" not in dict(conditions)]
    for title, text in (*conditions, *steps):
        typer.echo(f"  {title:<9} {folded(text, indent=_INDENT)}")
