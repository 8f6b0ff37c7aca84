"""Prometheus' own promtool and Alertmanager's amtool, asked as a person would."""

from __future__ import annotations

import shutil
import subprocess


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it; what it found is in its exit code and in what it printed."""
    return _asked("promtool", *arguments, stdin=stdin)


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same, of who is told of which alert."""
    return _asked("amtool", *arguments)


def _asked(name: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which(name)
    assert program, f"{name} is not in PATH: sh deploy/test.sh gets it"
    return subprocess.run(
        (program, *arguments), input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
