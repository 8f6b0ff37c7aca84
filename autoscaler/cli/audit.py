"""The commands `audit verify` and `audit show`: who changed what, and whether the record of it is whole."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli.arguments import complete_domain
from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.cli.explain import past_time, wall_time_s
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.cli.readable import ReadableCommand
from autoscaler.core.printable import printable
from autoscaler.errors import AuditUnavailable
from autoscaler.service.audit_chain import Head, read_line
from autoscaler.service.audit_files import audit_files, lines_of
from autoscaler.service.audit_verify import verified
from autoscaler.service.journal_reader import audit_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.service.audit_chain import Entry
    from autoscaler.service.audit_verify import Verdict

audit_app = typer.Typer(
    help="Who changed what, and why: the audit log.", no_args_is_help=True, rich_markup_mode=None
)

StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="FOLDER", help="The service's state; else that of the configuration."),
]


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@audit_app.command(cls=ReadableCommand, short_help="Say whether the audit log is whole.")
def verify(
    *,
    state: StateOption = None,
    heads: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="SEQ:HASH",
            help="A line that was seen before, as `verify` printed it then; may be given more than once.",
        ),
    ] = None,
    config_file: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TEXT,
) -> None:
    """Find lines of the audit log that were edited, dropped, added or moved, and an end that was cut.

    Each line has the hash of the one before. That its end is there shows by the line that the journal saw
    last, and by those given with --head: whoever can write the log and the journal can write both anew from
    some line on, and only a line that was seen elsewhere shows that.

    Exit code 1 where something is wrong, and where there is no log.
    """
    folder = _state(state, config_file)
    seen = {f"--head {number + 1}": _head(text) for number, text in enumerate(heads or ())}
    # The journal first: a service that runs adds lines meanwhile.
    by_journal, note = audit_head(folder / "journal.sqlite")
    if by_journal is not None:
        seen["the journal"] = by_journal
    verdict = _verdict(_folder(folder), seen)
    notes = [*verdict.notes, *([note] if note else [])]
    if output is Output.JSON:
        print_json(
            {
                "whole": not verdict.findings,
                "lines": verdict.lines,
                "first": verdict.first,
                "head": str(verdict.head),
                "findings": [asdict(finding) for finding in verdict.findings],
                "notes": notes,
            }
        )
    else:
        _print(verdict, notes)
    raise typer.Exit(1 if verdict.findings else 0)


def _verdict(folder: Path, seen: Mapping[str, Head]) -> Verdict:
    """Of the log as it is; anew where the service forgot a file meanwhile, so that none is missed."""
    while True:
        oldest = audit_files(folder)[:1]
        verdict = verified(lines_of(folder), seen)
        if audit_files(folder)[:1] == oldest:
            return verdict


def _print(verdict: Verdict, notes: list[str]) -> None:
    for finding in verdict.findings:
        place = f"{finding.place}: " if finding.place else ""
        typer.echo(printable(f"! {finding.fault}: {place}{finding.sentence}"))
    for note in notes:
        typer.echo(printable(f"note: {note}"))
    if verdict.first is None:
        typer.echo("there is no line")
        return
    state = "whole" if not verdict.findings else "not whole"
    typer.echo(f"{state}: {verdict.lines} lines, from {verdict.first} to {verdict.head.seq}")
    typer.echo(f"head: {verdict.head}")


@audit_app.command(cls=ReadableCommand, short_help="Print who changed what, and why.")
def show(
    *,
    domain: Annotated[
        str | None,
        typer.Option(
            "--domain",
            "-d",
            metavar="DOMAIN",
            help="Only of this name or UUID.",
            autocompletion=complete_domain,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            callback=past_time,
            help="Only from then on: 14:30, '2026-03-01 14:30', '2h ago'.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many of the newest.")
    ] = 20,
    state: StateOption = None,
    config_file: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the newest lines of the audit log, one each: when, what, whom it was about, who and why.

    What is no whole line is left out; `autoscaler audit verify` tells of it. Orders for every domain are
    shown with those of one.
    """
    since_s = None if since is None else wall_time_s(since, time.time())
    folder = _folder(_state(state, config_file))
    entries = (read_line(line) for line, _ in lines_of(folder))
    newest: deque[Entry] = deque(
        (entry for entry in entries if entry is not None and _is_asked_for(entry, domain, since_s)),
        maxlen=limit,
    )
    if output is Output.JSON:
        print_json(list(newest))
        return
    for entry in newest:
        typer.echo(printable(_line(entry)))


def _state(state: Path | None, config_file: Path) -> Path:
    return state or read_config(config_file, command="audit").state


def _folder(state: Path) -> Path:
    folder = state / "audit"
    if not audit_files(folder):
        raise AuditUnavailable(
            f"there is no audit log in {folder}: name the state of a service that ran by --state FOLDER"
        )
    return folder


def _is_asked_for(entry: Entry, domain: str | None, since_s: float | None) -> bool:
    at_s = entry.get("at_wall_s")
    if since_s is not None and not (isinstance(at_s, float) and at_s >= since_s):
        return False
    if domain is None:
        return True
    is_for_all = entry.get("what") in {"ordered", "resumed"} and entry.get("uuid") == ""
    return is_for_all or domain in {entry.get("domain"), entry.get("uuid")}


def _line(entry: Entry) -> str:
    at_s = entry.get("at_wall_s")
    at = datetime.fromtimestamp(at_s, UTC).astimezone() if isinstance(at_s, float) else None
    when = "?" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
    parts = (when, f"{entry.get('what'):<8}", str(entry.get("domain") or "-"), *_told(entry))
    return "  ".join(part for part in parts if part)


def _told(entry: Entry) -> list[str]:
    """What a line says beyond when, what and whom it is about."""
    match entry.get("what"):
        case "began":
            kind = f"{entry.get('direction')} {entry.get('from_vcpus')} -> {entry.get('to_vcpus')}"
            told = [kind, f"#{entry.get('decision_id')}"]
        case "ended":
            told = [str(entry.get("outcome")), f"#{entry.get('decision_id')}"]
        case "ordered":
            vcpus = entry.get("vcpus")
            told = [str(entry.get("kind")) if vcpus is None else f"{entry.get('kind')} {vcpus}"]
        case "policies" | "started":
            told = [f"{entry.get('policies')} in force, {str(entry.get('policy_digest'))[:12]}"]
        case "dropped":
            told = [f"lines up to {entry.get('up_to_seq')}"]
        case _:
            told = []
    return [*told, str(entry.get("who")), str(entry.get("why") or "")]
