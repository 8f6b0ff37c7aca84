"""ARCHITECTURE.md is a map of the house: what is built is on it, and what is on it was built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PACKAGE = REPO / "autoscaler"
TEXT = (REPO / "ARCHITECTURE.md").read_text()
HOUSE = TEXT[TEXT.index("## The house") : TEXT.index("## A replay's way")]
NAMED = re.findall(r"`([^`]+)`", HOUSE)
BY_PATTERN = {path.stem for name in NAMED if "*" in name for path in PACKAGE.rglob(f"{name}.py")}
FILES = re.findall(r"`((?:\w+/)*\w+\.py)`", TEXT)
COMMANDS = "cli"
"""Where each command has a module of its name; these are not listed one by one."""


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stem != "__init__" and path.relative_to(PACKAGE).parts[0] != COMMANDS
    ],
    ids=lambda path: str(path.relative_to(PACKAGE).with_suffix("")),
)
def test_every_module_has_its_place_on_the_map(path: Path) -> None:
    assert {path.stem, path.name} & {*NAMED, *BY_PATTERN}


@pytest.mark.parametrize("name", sorted(name for name in set(NAMED) if re.fullmatch(r"\w+", name)))
def test_what_is_on_the_map_is_there(name: str) -> None:
    assert [*PACKAGE.rglob(f"{name}.py"), *(REPO / "grafana").rglob(f"{name}.py")]


@pytest.mark.parametrize("name", sorted(set(FILES)))
def test_every_file_that_the_text_names_is_there(name: str) -> None:
    assert [path for path in PACKAGE.rglob(Path(name).name) if str(path).endswith(f"/{name}")] or (
        REPO / name
    ).exists()
