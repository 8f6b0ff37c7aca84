"""The folder of a report.

Invariant: what is in a folder and is no report of ours is never changed or removed, and no file of a report
is ever seen half-written.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.errors import AutoscalerError
from autoscaler.replay.report.document import FORMAT, document
from autoscaler.replay.report.html import page
from autoscaler.replay.report.markdown import markdown
from autoscaler.replay.report.pictures import pictures
from autoscaler.replay.report.sections import sections
from autoscaler.replay.report.tables import amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.replay.result import Replayed

_PICTURES = "domain-*.png"


class FolderTaken(AutoscalerError):
    """The folder holds something else, or cannot be written."""


def look_at(folder: Path) -> None:
    """See that a report may go there, before hours are spent on it.

    Raises:
        FolderTaken: it holds something that is no report, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise FolderTaken(f"a report cannot go to {folder}: {error.strerror}; name another folder") from error
    if not empty and not _is_report(folder):
        raise FolderTaken(f"{folder} holds other things than a report: name an empty folder, or a new one")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderTaken(f"a report cannot be written to {folder}: permission denied; name another folder")


def write_report(replayed: Replayed, folder: Path, *, progress: Callable[[int, int], None]) -> None:
    """Write report.html, report.md, report.json and the pictures.

    `progress` is told how many of how many pictures are drawn.

    A report that is there is replaced file by file; pictures of domains that it no longer has are removed.

    Raises:
        FolderTaken: as `look_at` says.
    """
    look_at(folder)
    title = f"Replay of {replayed.terms.domains} domains, {amount(replayed.terms.domain_days)} domain-days"
    shown, pngs = pictures(replayed, progress=progress)
    parts = sections(replayed, shown)
    data = json.dumps(document(replayed), indent=2, allow_nan=False) + "\n"
    stale = [path for path in folder.glob(_PICTURES) if path.name not in pngs]
    contents = {"report.json": data.encode(), **pngs}
    contents["report.md"] = markdown(title, parts).encode("utf-8", "backslashreplace")
    contents["report.html"] = page(title, parts, pngs).encode("utf-8", "backslashreplace")
    try:
        for name, content in contents.items():
            _write(folder / name, content)
        for path in stale:
            path.unlink()
    except OSError as error:
        raise FolderTaken(f"the report cannot be written to {folder}: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_report(folder: Path) -> bool:
    try:
        with (folder / "report.json").open(encoding="utf-8") as file:
            return FORMAT in file.read(200)
    except (OSError, UnicodeDecodeError):
        return False
