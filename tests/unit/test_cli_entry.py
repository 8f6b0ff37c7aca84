"""Where the program begins: what Ctrl-C does before there is a command."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

INTERRUPTED = """
import signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, *_):
        if name == "autoscaler.cli.check":
            signal.raise_signal(signal.SIGINT)

# Who runs the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting)
from autoscaler.cli.entry import main
main()
"""
"""Ctrl-C comes amid the loading of the commands."""


def test_ctrl_c_while_the_commands_are_loading_ends_with_130_and_without_a_traceback() -> None:
    ran = subprocess.run(
        (sys.executable, "-c", INTERRUPTED), capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_the_program_that_is_installed_begins_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["autoscaler"] == "autoscaler.cli.entry:main"
    assert "from autoscaler.cli.entry import main" in (ROOT / "deploy/lib/tree.sh").read_text()
