"""The catalogue of scenarios names tests that exist, each once."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
ROW = re.compile(r"\| [^|]+ \| [^|]+ \| `([^`]+)` `([^`]+)` \| [^|]+ \|")


def test_every_row_names_a_test_that_is_there() -> None:
    lines = (TESTS / "scenarios.md").read_text().splitlines()
    rows = [ROW.fullmatch(line) for line in lines if line.startswith("| ")][1:]
    named = [(row[1], row[2]) for row in rows if row is not None]
    assert len(named) == len(rows) == len(set(named))
    assert len(named) > 45
    missing = [
        f"{file}: {test}"
        for file, test in named
        if not re.search(rf"^ *def {test}\(", (TESTS / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
