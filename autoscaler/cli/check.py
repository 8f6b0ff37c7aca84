"""The command `check`: says what is wrong with policy files and configurations before the service has to."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.policyfile import Problem, load_policies
from autoscaler.policyfile.load import policy_files
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.service.config import load_config

_DEFAULT_PATH = Path("/etc/vcpu-autoscaler/policies")


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help=f"Policy files, folders of them, or configurations; without any, {_DEFAULT_PATH}.",
            show_default=False,
        ),
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check policy files and configurations, and print every problem in them.

    Exit code 0: nothing found; 1: problems; 2: a path does not exist.
    """
    wanted = paths or [_DEFAULT_PATH]
    absent = [path for path in wanted if not _exists(path)]
    for path in absent:
        typer.echo(f"autoscaler check: there is no {printable(str(path))}; name a file or a folder", err=True)
    if absent:
        raise typer.Exit(2)
    count, errors, warnings = _findings(wanted)
    if output is Output.JSON:
        print_json({"errors": _plain(errors), "warnings": _plain(warnings)})
    else:
        _print(count, errors, warnings)
    raise typer.Exit(1 if errors or (strict and warnings) else 0)


def _findings(paths: Sequence[Path]) -> tuple[int, list[Problem], list[Problem]]:
    """How many files there are, and the errors and warnings of all of them."""
    files, errors = policy_files(paths)
    configurations = [file for file in files if _is_configuration(file)]
    loaded = load_policies([file for file in files if file not in configurations])
    errors += loaded.errors
    warnings = list(loaded.warnings)
    for file in configurations:
        configuration = load_config(file)
        errors += configuration.errors
        warnings += configuration.warnings
    return len(files), errors, warnings


def _is_configuration(path: Path) -> bool:
    file = read_text_file(path)
    # Composing every policy file twice would double the time of a check.
    if "connections" not in (file.text or ""):
        return False
    data = read_document(file).data
    return isinstance(data, dict) and "connections" in data


def _print(count: int, errors: Sequence[Problem], warnings: Sequence[Problem]) -> None:
    for severity, problems in (("error", errors), ("warning", warnings)):
        for problem in problems:
            typer.echo(f"{problem.place}: {severity}: {problem.message}")
    parts = (_counted(count, "file"), _counted(len(errors), "error"), _counted(len(warnings), "warning"))
    typer.echo(", ".join(parts))


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _plain(problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [asdict(problem) for problem in problems]


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It may exist; reading it will say why it cannot be read.
        return True
    return True
