"""The table of threats names a test in each of its rows, and the test exists."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TABLE = TESTS.parent / "deploy" / "SECURITY.md"
ROW = re.compile(r"\| [^|]+ \| [^|]+ \| [^|]+ \| `([^`]+)` `([^`]+)` \|")


def rows() -> list[str]:
    """The table's rows, without its head."""
    table = TABLE.read_text().partition("## Threats")[2]
    return [line for line in table.splitlines() if line.startswith("|")][2:]


def test_each_threat_names_a_test_that_exists() -> None:
    for row in rows():
        named = ROW.fullmatch(row)
        assert named is not None, row
        assert f"def {named[2]}(" in (TESTS / named[1]).read_text(), row


def test_the_table_is_of_some_length_and_names_no_test_twice() -> None:
    named = [row.rpartition("| `")[2] for row in rows()]

    assert len(named) > 20
    assert len(set(named)) == len(named)
