"""An audit log in a folder, and what a test wants to know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoscaler.service.audit_chain import Head
from autoscaler.service.audit_files import audit_files, lines_of
from autoscaler.service.audit_log import AuditLog
from autoscaler.service.audit_verify import Verdict, verified
from tests.fakes.simulated_guest import SimulatedClock


@contextmanager
def audit_log(folder: Path, clock: SimulatedClock | None = None, **limits: float) -> Iterator[AuditLog]:
    """A log that is closed with the block."""
    log = AuditLog(folder, clock=clock or SimulatedClock(), **limits)  # type: ignore[arg-type]
    try:
        yield log
    finally:
        log.close()


def entries(folder: Path) -> list[dict[str, Any]]:
    """What all lines say; of a log that is whole."""
    return [json.loads(line) for line, _ in lines_of(folder)]


def whats(folder: Path) -> list[str]:
    """What kind each line is, of those that are lines."""
    found = (line for line, _ in lines_of(folder) if line.startswith(b"{") and line.endswith(b"}\n"))
    return [json.loads(line)["what"] for line in found]


def verdict_on(folder: Path, heads: Mapping[str, Head] | None = None) -> Verdict:
    return verified(lines_of(folder), heads)


def content(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in audit_files(folder))
