"""The command `reload`: has the running service read its policies again."""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import typer

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, SocketOption, control_socket, told
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.policyfile.problem import Problem, printable
from autoscaler.service.control_client import ask_control


def reload(
    *,
    config_file: ConfigOption = DEFAULT_CONFIG,
    socket: SocketOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have the running service read its policies again, and print what that changed.

    The service does so by itself when a file changes; this tells at once what comes of it. Exit code 0: what
    the files say is in force; 1: they have errors and the last good policies stay in force, or no service
    answers; 2: the configuration has errors.
    """
    answer = cast("Any", ask_control(control_socket(config_file, socket, command="reload"), "reload"))
    if output is Output.JSON:
        print_json(answer)
    else:
        for key, level in (("errors", logging.ERROR), ("warnings", logging.WARNING)):
            for found in answer[key]:
                typer.echo(told(Problem(**found), level, sys.stderr), err=True)
        typer.echo(printable(answer["sentence"]), err=not answer["in_force"])
    raise typer.Exit(0 if answer["in_force"] else 1)
