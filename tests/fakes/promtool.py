"""Prometheus' own promtool, asked as a person would."""

from __future__ import annotations

import shutil
import subprocess


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it; what it found is in its exit code and in what it printed."""
    program = shutil.which("promtool")
    assert program, "promtool is not in PATH: sh deploy/test.sh gets it"
    return subprocess.run(
        (program, *arguments), input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
