"""The command `schema`: what editors check policy files by, and programs what the commands print."""

from __future__ import annotations

from typing import Annotated

import typer

from autoscaler.cli.answers import ANSWERS, answer_schema
from autoscaler.cli.output import print_json
from autoscaler.policyfile.json_schema import policy_schema

_POLICY = "policy"
_NAMES = (_POLICY, *ANSWERS)


def _complete_name(incomplete: str) -> list[str]:
    return [name for name in _NAMES if name.startswith(incomplete)]


def schema(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[WHAT]",
            help=f"{_POLICY}, or what is described: {', '.join(ANSWERS)}.",
            autocompletion=_complete_name,
        ),
    ] = _POLICY,
) -> None:
    """Print the JSON Schema of a policy file, of what a command prints with --output json, or of the webhook.

    An editor that speaks to yaml-language-server takes the former from the first line of the file:
    `# yaml-language-server: $schema=schema.json`.
    """
    if what not in _NAMES:
        raise typer.BadParameter(f"{what!r} is none of {', '.join(_NAMES)}", param_hint="WHAT")
    print_json(policy_schema() if what == _POLICY else answer_schema(what))
