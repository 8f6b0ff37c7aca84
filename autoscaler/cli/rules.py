"""The command `rules`: Prometheus rules from what the policies promise."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer resolves it at run time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.problem import printable
from autoscaler.rules import Options, document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.core.policy import Policy

_DEFAULTS = Options()


def _named(job: str) -> str:
    if not job.strip():
        raise typer.BadParameter("it is empty: no service would be found by it")
    return job


def _linked(page: str) -> str:
    parts = urlsplit(page)
    if page and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment):
        raise typer.BadParameter("it is no link to a page; write one like https://wiki.example.net/vcpus")
    return page


def rules(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Policy files and folders of them; without any, those of the configuration.",
            show_default=False,
        ),
    ] = None,
    *,
    config_file: ConfigOption = DEFAULT_CONFIG,
    defaults: Annotated[
        bool,
        typer.Option("--defaults", help="Read no policies: go by the objectives that domains export."),
    ] = False,
    job: Annotated[
        str,
        typer.Option("--job", metavar="NAME", callback=_named, help="The scrape job of the services."),
    ] = _DEFAULTS.job,
    runbooks: Annotated[
        str,
        typer.Option(
            "--runbooks",
            metavar="URL",
            callback=_linked,
            help="The page that alerts link to, a section each; else they name the file in /usr/share/doc.",
            show_default=False,
        ),
    ] = _DEFAULTS.runbooks,
) -> None:
    """Print recording and alert rules for Prometheus, with the burn of each policy's own error budget.

    Exit code 0: printed; 1: the policies have errors; 2: there is no such file.
    """
    options = Options(job=job, runbooks=runbooks)
    if defaults and paths:
        typer.echo("autoscaler rules: give policies or --defaults, not both", err=True)
        raise typer.Exit(2)
    typer.echo(document(None if defaults else _policies(paths, config_file), options), nl=False)


def _policies(paths: list[Path] | None, config_file: Path) -> Sequence[Policy]:
    wanted = paths or read_config(config_file, command="rules").policies
    absent = [path for path in wanted if not path.exists()]
    for path in absent:
        typer.echo(f"autoscaler rules: there is no {printable(str(path))}; name a file or a folder", err=True)
    if absent:
        raise typer.Exit(2)
    loaded = load_policies(wanted)
    for problem in loaded.errors:
        typer.echo(f"{problem.place}: error: {problem.message}", err=True)
    if loaded.policy_set is None:
        raise typer.Exit(1)
    return loaded.policy_set.policies
