"""Arguments and options as people write them, in help and manual alike: typer tells of Python's types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    Command = Any
    """Of click, which newer versions of typer carry within."""
    Context = Any
    Formatter = Any
    Parameter = Any

_TITLES = {"argument": "Arguments", "option": "Options"}
_LIST = re.compile(r" <list\[.*\]>")
_NUMBER = re.compile(r"<(?:int|float)(?: range)?>")
_TYPE = re.compile(r"<([^<>]*)>")
_BETWEEN = re.compile(r"([\d.]+)<=x<=([\d.]+)")
_FROM = re.compile(r"x>=([\d.]+)")


class ReadableCommand(TyperCommand):
    """A command whose help is for people."""

    def format_options(self, ctx: Context, formatter: Formatter) -> None:
        """Write all that it takes."""
        for kind, title in _TITLES.items():
            rows = list(taken(self, ctx, kind))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def taken(command: Command, context: Context, *kinds: str) -> Iterator[tuple[str, str]]:
    """Arguments, options or both that a command takes, each with its help."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name in kinds:
            yield _name(parameter, record[0]), _bounds(record[1])


def _name(parameter: Parameter, told: str) -> str:
    if parameter.param_type_name == "argument":
        return _TYPE.sub("", _LIST.sub("...", told)).rstrip()
    return _TYPE.sub(r"\1", _NUMBER.sub("NUMBER", told))


def _bounds(text: str) -> str:
    """How large a number may be, in words; it is told in brackets at the end."""
    rest, bracket, last = text.rpartition("[")
    return rest + bracket + _FROM.sub(r"at least \1", _BETWEEN.sub(r"from \1 to \2", last))
