"""`replay --strict`: the decisions of a journal's tape made again, and how they compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from autoscaler.cli.output import Output, print_json
from autoscaler.cli.progress import progress
from autoscaler.errors import JournalUnavailable
from autoscaler.policyfile.problem import printable
from autoscaler.service.strict_replay import strict_replay

if TYPE_CHECKING:
    from pathlib import Path


def run_strict(journal: Path | None, output: Output) -> int:
    """Do it, print what came of it, and return the exit code: 1 where a decision came out otherwise."""
    if journal is None:
        raise typer.BadParameter("--strict needs the journal: --from-journal FILE", param_hint="--strict")
    try:
        with progress("deciding again") as told:
            found = strict_replay(journal, progress=told)
    except (JournalUnavailable, ValueError) as error:
        typer.echo(f"autoscaler: {printable(str(error))}", err=True)
        return 1
    if output is Output.JSON:
        print_json(asdict(found))
    else:
        typer.echo(
            f"{found.decisions} decisions for {found.domains} domains in {found.seconds:.0f} s, of which "
            f"{found.acting} began a change, came out as they did live"
        )
        if found.difference:
            typer.echo(f"then one did not: {printable(found.difference)}")
    return 1 if found.difference else 0
