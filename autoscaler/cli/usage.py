"""The command `usage`: vCPU-hours by domain and day, for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli.arguments import MaybeDomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.cli.output import print_json, print_table
from autoscaler.policyfile.problem import printable
from autoscaler.service.history import BLOCK_S
from autoscaler.service.usage import Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class UsageOutput(StrEnum):
    """The form of the answer."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


_HEADINGS = ("Day", "Domain", "Hours", "Measured", "Allowed", "Plugged", "Provisioned", "Used", "Share")
_DIGITS = 4
_WRITTEN_S = 120.0
"""Within which a stretch of the history that is over is in the journal."""
_ENOUGH_RATIO = 0.9
"""Of the hours, that have to be measured to say which share was used: the others count as not used."""


def _day(text: str | None) -> str | None:
    try:
        if text is not None:
            date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write it as 2026-03-01") from None
    return text


def usage(
    domain: MaybeDomainArgument = None,
    *,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", callback=_day, help="First day: 2026-03-01; else 30 days ago."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", callback=_day, help="Last day; else today.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--from-journal", metavar="FILE", help="The service's journal; else that of the configured state."
        ),
    ] = None,
    config_file: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[
        UsageOutput, typer.Option("--output", help="Print text for people, CSV or JSON for programs.")
    ] = UsageOutput.TEXT,
) -> None:
    """Print the vCPU-hours that each domain was allowed, was provisioned with and used, day by day.

    Allowed is the most that its policy, schedules and maximum let it run; provisioned is what the guest ran,
    busy or not; used is what it was busy on. Days are those of this host's time zone. It comes from the
    journal, where the newest ten minutes may be missing, and what the service did not see counts for nothing.

    Measured are the hours in which the load was known; there is no used share (-) where they are less than
    nine tenths of all. In CSV a name that begins with = + - or @ has a ' in front, so that no spreadsheet
    takes it for a formula.
    """
    today = datetime.now().astimezone().date()
    to_day = today if last is None else date.fromisoformat(last)
    from_day = to_day - timedelta(days=30) if first is None else date.fromisoformat(first)
    if from_day > to_day:
        raise typer.BadParameter(f"{from_day} is after {to_day}", param_hint="--from")
    path = journal or read_config(config_file, command="usage").journal_path
    damaged: list[str] = []
    found = usage_of(path, from_day=from_day, to_day=to_day, damaged=damaged)
    if domain is not None:
        found = [entry for entry in found if domain in {entry.name, entry.uuid}]
    for sentence in damaged:
        typer.echo(f"autoscaler usage: {printable(sentence)}: it is left out", err=True)
    if output is UsageOutput.JSON:
        print_json([_plain(entry) for entry in found])
    elif output is UsageOutput.CSV:
        _print_csv(found)
    elif found:
        _print(found)
    else:
        typer.echo(f"nothing is on record from {from_day} to {to_day}{_when(to_day)}")


def _when(to_day: date) -> str:
    """Where the time that is asked for is not over: when a service that has just begun writes its first."""
    now = datetime.now().astimezone()
    if to_day < now.date():
        return ""
    written = datetime.fromtimestamp((now.timestamp() // BLOCK_S + 1) * BLOCK_S + _WRITTEN_S, now.tzinfo)
    return f": a running service writes ten minutes at a time, the next by {written:%H:%M}"


def _plain(entry: Usage) -> dict[str, object]:
    return {
        name: value.isoformat()
        if isinstance(value, date)
        else round(value, _DIGITS)
        if isinstance(value, float)
        else value
        for name, value in asdict(entry).items()
    }


def _print_csv(found: list[Usage]) -> None:
    writing = csv.DictWriter(
        sys.stdout, [field.name for field in fields(Usage)], lineterminator="\n", quoting=csv.QUOTE_MINIMAL
    )
    writing.writeheader()
    for entry in found:
        plain = _plain(entry)
        writing.writerow(plain | {name: _cell(str(plain[name])) for name in ("name", "uuid", "host")})


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and no terminal obeys."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _print(found: list[Usage]) -> None:
    rows: list[tuple[object, ...]] = [(entry.day, entry.name, *_figures([entry])) for entry in found]
    print_table(_HEADINGS, [*rows, ("total", "", *_figures(found))])


def _figures(entries: Sequence[Usage]) -> tuple[object, ...]:
    """What comes behind day and name, of all of these together."""
    hours = sum(entry.seen_hours for entry in entries)
    measured = sum(entry.measured_hours for entry in entries)
    provisioned = sum(entry.provisioned_vcpu_hours for entry in entries)
    used = sum(entry.used_vcpu_hours for entry in entries)
    return (
        hours,
        measured,
        sum(entry.allowed_vcpu_hours for entry in entries),
        sum(entry.plugged_vcpu_hours for entry in entries),
        provisioned,
        used,
        f"{used / provisioned:.0%}" if provisioned and measured >= _ENOUGH_RATIO * hours else "-",
    )
