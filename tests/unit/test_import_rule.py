"""The dependency rule: who may import whom, read from every module of the package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "autoscaler"
MODULES = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
MOST_LINES = 400

PURE = {
    *(
        "__future__",
        "abc",
        "array",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "dataclasses",
        "datetime",
    ),
    *("enum", "fnmatch", "functools", "heapq", "itertools", "math", "operator", "re", "shlex", "statistics"),
    *("string", "typing", "types", "zlib"),
}
"""What the core may use of the standard library: nothing here reads a clock, a file, a socket or chance; of
``datetime``, nothing but `READS_A_CLOCK` does."""
READS_A_CLOCK = {"now", "today", "utcnow"}
"""Attributes of ``datetime`` and ``date`` that the core leaves alone."""

MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "core": {"core"},
    "errors": set(),
    "ports": {"core"},
    "backends": {"core", "errors", "ports", "backends"},
    "actuator": {"core", "errors", "ports", "backends", "actuator"},
    "rules": {"core", "rules"},
    "policyfile": {"core", "policyfile"},
    "replay": {"core", "errors", "ports", "replay"},
    "service": {"core", "errors", "ports", "backends", "policyfile", "replay", "service"},
    "doctor": {"core", "errors", "ports", "backends", "service", "doctor"},
    "lab": {"core", "errors", "backends", "policyfile", "replay", "service", "lab"},
    "cli": {
        *("core", "errors", "ports", "backends", "actuator", "policyfile", "replay", "rules", "service"),
        *("doctor", "lab", "cli"),
    },
}
ONLY_IN = {
    "apscheduler": ("service/schedule.py",),
    "time": ("backends/", "cli/", "lab/"),
}
"""Modules that are kept to some files, by prefix."""


def imports_of(source: str) -> Iterator[str]:
    """Every module that the source imports anywhere, for type checking only or not, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "autoscaler":
                yield from (f"autoscaler.{alias.name}" for alias in node.names)
            else:
                yield node.module


def attributes_of(source: str) -> set[str]:
    """Every name that the source looks up on something."""
    return {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}


def part_of(name: str) -> str:
    """The part of the house that a file belongs to: its folder, or for a lone file its name."""
    return name.partition("/")[0].removesuffix(".py")


def breaches(name: str, source: str) -> list[str]:
    """What the module of this name, relative to the package, may not import and does."""
    part, found = part_of(name), []
    for module in imports_of(source):
        top, _, rest = module.partition(".")
        if top == "autoscaler":
            if rest.partition(".")[0] not in MAY_IMPORT[part] | {"__version__"}:
                found.append(f"{part} imports {module}")
        elif part == "core" and module not in PURE and top != "numpy":
            found.append(f"the core imports {module}")
        elif top in ONLY_IN and not name.startswith(ONLY_IN[top]):
            found.append(f"{top} is imported outside {', '.join(ONLY_IN[top])}")
    if part == "core":
        found += [f"the core reads a clock by .{name}" for name in READS_A_CLOCK & attributes_of(source)]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_part_of_the_house_may(name: str) -> None:
    assert breaches(name, MODULES[name]) == []


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_too_long_to_read(name: str) -> None:
    assert len(MODULES[name].splitlines()) <= MOST_LINES


def test_every_part_of_the_house_has_a_rule() -> None:
    assert {part_of(name) for name in MODULES} <= set(MAY_IMPORT)


def test_what_counts_as_pure_is_in_the_standard_library() -> None:
    assert {module.partition(".")[0] for module in PURE} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("where", "line"),
    [
        pytest.param("core/x.py", "import time", id="the core reads a clock"),
        pytest.param("core/x.py", "at = datetime.now(UTC)", id="the core reads a clock by datetime"),
        pytest.param("core/x.py", "read = date.today", id="the core keeps a clock for later"),
        pytest.param("core/x.py", "from logging import getLogger", id="the core logs"),
        pytest.param("core/x.py", "from autoscaler import ports", id="the core knows the ports"),
        pytest.param("core/x.py", "from autoscaler import errors", id="the core knows the world's errors"),
        pytest.param(
            "backends/x.py", "from autoscaler.service.web import WebServer", id="backend to service"
        ),
        pytest.param("policyfile/x.py", "import autoscaler.backends.qmp", id="policy file to backend"),
        pytest.param("service/x.py", "from autoscaler.cli.main import main", id="service to command line"),
        pytest.param("service/x.py", "import time", id="a clock beside the Clock"),
        pytest.param("service/x.py", "import apscheduler.events", id="a scheduler beside the schedule"),
    ],
)
def test_the_rule_finds_a_breach_wherever_it_is_imported(where: str, line: str) -> None:
    assert len(breaches(where, line)) == 1
    assert len(breaches(where, f"def late() -> None:\n    {line}\n")) == 1


@pytest.mark.parametrize(
    ("where", "line"),
    [
        pytest.param("core/x.py", "import numpy as np", id="numbers in the core"),
        pytest.param("core/x.py", "from datetime import datetime", id="dates in the core"),
        pytest.param("core/x.py", "at = datetime.fromtimestamp(wall_s, zone)", id="a moment that is told"),
        pytest.param("service/x.py", "at = datetime.now(UTC)", id="a clock outside the core"),
        pytest.param("backends/system_clock.py", "import time", id="the clock"),
        pytest.param("service/schedule.py", "from apscheduler.events import EVENT_JOB_MISSED", id="schedule"),
        pytest.param("cli/x.py", "from autoscaler import __version__", id="the version"),
    ],
)
def test_the_rule_allows_what_is_meant(where: str, line: str) -> None:
    assert breaches(where, line) == []
