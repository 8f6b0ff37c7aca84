"""Where the lab keeps what it built, and how a folder gets there whole.

Invariant: a folder in the cache is complete. It is filled under another name and renamed into place, so two
processes that build the same thing both end up with one of the two, and one that dies leaves no half.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable


def cache_folder() -> Path:
    """Return ``$VCPU_AUTOSCALER_CACHE``, else ``vcpu-autoscaler`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get("VCPU_AUTOSCALER_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "vcpu-autoscaler"


def cached(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return `folder`, calling `fill` with an empty folder beside it first where it does not exist yet.

    Raises:
        LabError: the cache cannot be written; whatever `fill` raises.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        filling = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise LabError(
            f"The cache {folder.parent} cannot be written ({error.strerror}): "
            "name another folder in VCPU_AUTOSCALER_CACHE."
        ) from error
    try:
        fill(filling)
        filling.chmod(0o755)
        _rename_unless_there(filling, folder)
    finally:
        shutil.rmtree(filling, ignore_errors=True)
    return folder


def _rename_unless_there(filling: Path, folder: Path) -> None:
    try:
        filling.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
