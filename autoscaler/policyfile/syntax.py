"""Says in an administrator's words what a YAML parser could not read.

Invariant: libyaml and PyYAML's own parser lead to the same sentence; what they call a mistake differs, where
they were and what they were doing does not.
"""

from __future__ import annotations

from typing import NamedTuple

import yaml

from autoscaler.policyfile.problem import printable, shown

MAX_DEPTH = 16
"""The deepest key there is lies at 6; text made to exhaust the stack nests by the thousand."""

TOO_DEEP = f"this is nested more than {MAX_DEPTH} levels deep"


class _Known(NamedTuple):
    message: str
    context: str = ""
    """Start of what the parser was doing."""
    problem: str = ""
    """Part of what it says went wrong."""
    at_context: bool = False
    """The cause is where it began what it was doing, not where it gave up."""


_BACKSLASH = "this backslash escape is not known; use single quotes"
_KNOWN = (
    # libyaml from 0.2.6 on gives up at 1000 brackets in a row, before it hands out the first of them.
    _Known(TOO_DEEP, problem="nesting depth"),
    _Known("a tab cannot stand here; use spaces", problem="tab"),
    _Known(
        "an unquoted '*' starts a YAML alias; put the value in quotes",
        context="while scanning an alias",
        at_context=True,
    ),
    _Known(
        "an unquoted '&' starts a YAML anchor; put the value in quotes",
        context="while scanning an anchor",
        at_context=True,
    ),
    _Known("the quotation mark opened here is never closed", problem="end of stream", at_context=True),
    _Known(
        "the '{' opened here is not closed, or a ',' between its keys is missing",
        context="while parsing a flow mapping",
        at_context=True,
    ),
    _Known(
        "the '[' opened here is not closed, or a ',' between its entries is missing",
        context="while parsing a flow sequence",
        at_context=True,
    ),
    _Known("a value is missing here", context="while parsing a flow node"),
    _Known("a ':' is missing after this key", context="while scanning a simple key", at_context=True),
    _Known(
        "this does not continue the lines above; check indentation, quotes and the '-' of list entries",
        context="while parsing a block",
    ),
    _Known(
        "a ':' cannot stand here; check the indentation, or put the text in quotes",
        problem="mapping values are not allowed",
    ),
    _Known("a list cannot start here; put '- ' on the next line", problem="sequence entries are not allowed"),
    _Known("write a space after the colon", problem="unexpected ':'"),
    _Known(_BACKSLASH, problem="escape"),
    _Known(_BACKSLASH, problem="hexdecimal"),
)


def explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """Line and column, both from 1, and the sentence for what a parser raised over `text`."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, 1, "this cannot be read as YAML"
    context, problem = error.context or "", error.problem or ""
    mark = error.problem_mark
    if "cannot start any token" in problem and (start := _character(text, mark.line, mark.column)) != "\t":
        return mark.line + 1, mark.column + 1, f"{shown(start)} cannot start a value; put the value in quotes"
    if "cannot start any token" in problem:
        problem = "tab"
    if context.startswith("while parsing a flow node") and not _character(text, mark.line, mark.column):
        lines = text.rstrip().split("\n")
        return len(lines), len(lines[-1]) + 1, "the file ends within a '[' or '{'; close it"
    for known in _KNOWN:
        if context.startswith(known.context) and known.problem in problem:
            mark = error.context_mark if known.at_context and error.context_mark else mark
            return mark.line + 1, mark.column + 1, known.message
    return mark.line + 1, mark.column + 1, f"this cannot be read as YAML: {printable(problem)}"


def _character(text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    return lines[line][column : column + 1] if line < len(lines) else ""
