"""The catalogue of scenarios names tests that exist, each once, and where they ran by the same few names."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
ROW = re.compile(r"\| [^|]+ \| [^|]+ \| `([^`]+)` `([^`]+)` \| ([^|]+) \|")
RAN_ON = frozenset(
    {
        "all of the contract",
        "those that can remove",
        "simulated",
        "libvirt test driver",
        "libvirt embed",
        "libvirtd",
        "libvirtd with QEMU",
        "QEMU by QMP",
        "played ACPI",
        "played ACPI and agent",
        "scripted QMP",
        "scripted agent",
        "scripted QMP and agent",
        "real agent",
        "installed command",
        "tmpfs",
        "unix socket",
        "ext4",
        "SQLite",
        "SQLite's calls",
    }
)


def rows() -> list[re.Match[str]]:
    lines = (TESTS / "scenarios.md").read_text().splitlines()
    found = [ROW.fullmatch(line) for line in lines if line.startswith("| ")][1:]
    assert None not in found, lines[found.index(None)]
    return [row for row in found if row is not None]


def test_every_row_names_a_test_that_is_there() -> None:
    named = [(row[1], row[2]) for row in rows()]
    assert len(named) == len(set(named))
    assert len(named) > 45
    missing = [
        f"{file}: {test}"
        for file, test in named
        if not re.search(rf"^ *def {test}\(", (TESTS / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_row_says_what_it_ran_on_by_a_name_of_the_list() -> None:
    assert {name for row in rows() for name in row[3].split(", ")} == RAN_ON
