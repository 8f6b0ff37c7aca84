"""The command `config show`: what the service would go by, and where each of it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, loaded_config
from autoscaler.cli.output import Output, OutputOption, print_json, print_table
from autoscaler.cli.readable import ReadableCommand

config_app = typer.Typer(help="The service's configuration.", no_args_is_help=True, rich_markup_mode=None)


@config_app.callback()
def _group() -> None:
    """Keep `show` a command of its own, though there is no other yet."""


@config_app.command(cls=ReadableCommand, short_help="Print every setting, and where it comes from.")
def show(config_file: ConfigOption = DEFAULT_CONFIG, *, output: OutputOption = Output.TEXT) -> None:
    """Print every setting that the service would go by, defaults too, and where each comes from.

    Paths are those that are used. What may be a secret is hidden: the address of the webhook behind its
    host. Exit code 2 where the configuration has errors.
    """
    settings = loaded_config(config_file, command="config show").settings
    if output is Output.JSON:
        print_json([asdict(setting) for setting in settings])
        return
    rows = [(setting.key, _written(setting.value), setting.place or "default") for setting in settings]
    print_table(("Key", "Value", "From"), rows)


def _written(value: object) -> str | None:
    """A value in a cell: text as it stands, a list or keys as YAML would take them."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
