"""The same source, compiled as a user would have it, in a folder of the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from autoscaler.lab.cache import cache_folder, cached

REPO = Path(__file__).parents[2]


def compiled(say: Callable[[str], None]) -> Path:
    """A folder to import `autoscaler` from; made when there is none of this source and interpreter yet."""
    made_for = hashlib.sha256(f"{REPO} {sys.version} {sys.prefix}".encode()).hexdigest()[:8]
    folder = cache_folder() / "compiled" / f"{made_for}-{_source_digest()}"
    if not folder.is_dir():
        for outdated in folder.parent.glob(f"{made_for}-*"):
            shutil.rmtree(outdated)
        say("compiling what a step of a replay goes through; that takes some minutes, once")
    return cached(folder, _install)


def _source_digest() -> str:
    digest = hashlib.sha256()
    sources = sorted((REPO / "autoscaler").rglob("*.py"))
    for path in (*sources, REPO / "pyproject.toml", REPO / "deploy/lib/compiled.py"):
        digest.update(f"{path.relative_to(REPO)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _install(folder: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--target",
        str(folder),
    ]
    subprocess.run(
        [*pip, str(REPO)],
        env=os.environ | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"},
        stdout=sys.stderr,
        check=True,
    )
