"""The command `plan`: what edited policies would change, before they are put in force."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, SocketOption, control_socket
from autoscaler.cli.output import Output, OutputOption, print_json, print_table
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.load import policy_files
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.service.control_client import ask_control


def plan(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="The edited policy files, or folders of them.")
    ],
    *,
    config_file: ConfigOption = DEFAULT_CONFIG,
    socket: SocketOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what every running domain would get now under these policies, beside what it has.

    The running service is asked, and changes nothing. Exit code 0: nothing would change; 2: something
    would; 1: the policies have errors, or the service cannot be asked.
    """
    loaded = load_policies(paths)
    for problem in loaded.errors:
        typer.echo(f"{problem.place}: error: {problem.message}", err=True)
    if loaded.errors:
        if output is Output.JSON:
            print_json({"errors": [asdict(problem) for problem in loaded.errors]})
        raise typer.Exit(1)
    files = [read_text_file(path) for path in policy_files(paths)[0]]
    texts = [{"name": file.name, "text": file.text} for file in files]
    answer = ask_control(control_socket(config_file, socket, command="plan"), "plan", files=texts)
    found = cast("list[dict[str, Any]]", answer["domains"])
    changes = any(entry["changes"] for entry in found)
    if output is Output.JSON:
        print_json({"changes": changes, "domains": found})
    else:
        _print(found)
    raise typer.Exit(2 if changes else 0)


def _print(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            "*" if entry["changes"] else "",
            entry["domain"],
            *_columns(entry["now"]),
            *_columns(entry["after"]),
            (entry["after"] or {}).get("reason"),
        )
        for entry in found
    ]
    headings = (
        *("", "Domain", "Policy now", "Bounds", "Target", "Gets"),
        *("Policy then", "Bounds", "Target", "Gets", "Why"),
    )
    print_table(headings, rows)
    count = sum(entry["changes"] for entry in found)
    typer.echo(f"{count} of {len(found)} domains would change" if found else "no domain is running")


def _columns(entry: dict[str, Any] | None) -> tuple[object, object, object, object]:
    if entry is None:
        return "none", None, None, None
    bounds = f"{entry['min']} to {entry['max']}" if "min" in entry else None
    return f"{entry['policy']} ({entry['mode']})", bounds, entry.get("target"), entry.get("gets")
