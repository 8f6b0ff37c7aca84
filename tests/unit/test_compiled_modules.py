"""What is compiled on request can be; that it decides as its source does, the benchmark `replay` holds."""

from __future__ import annotations

import importlib
import tomllib
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

REPO = Path(__file__).parents[2]
WHEEL = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
HOOK = WHEEL["hooks"]["custom"]


def matching(pattern: str) -> list[Path]:
    return list((REPO / "autoscaler").glob(f"{pattern}.py"))


COMPILED, INTERPRETED = (
    {path for pattern in HOOK[which] for path in matching(pattern)} for which in ("compiled", "interpreted")
)


def test_nothing_is_compiled_unless_it_is_asked_for() -> None:
    assert HOOK["enable-by-default"] is False


@pytest.mark.parametrize("which", ["compiled", "interpreted"])
def test_every_line_of_the_list_names_a_module(which: str) -> None:
    assert [pattern for pattern in HOOK[which] if not matching(pattern)] == []


@pytest.mark.parametrize("path", sorted(COMPILED - INTERPRETED), ids=lambda path: path.stem)
def test_the_types_of_fields_are_there_at_run_time(path: Path) -> None:
    module = importlib.import_module(".".join(path.relative_to(REPO).with_suffix("").parts))
    for kind in vars(module).values():
        if isinstance(kind, type) and kind.__module__ == module.__name__ and is_dataclass(kind):
            get_type_hints(kind)
