"""What the default policy makes of recorded demand, beside the other rules: the tables of README.md.

The project has no recordings. `VCPU_AUTOSCALER_TRACES` names a folder with a folder for each set of them, and
without one nothing is measured. Sets that are not listed here are read as `autoscaler replay` recognises
them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from autoscaler.replay.result import POLICY
from tests.bench.compiled import REPO, compiled
from tests.bench.figures import Figure, figure

FOLDER = "VCPU_AUTOSCALER_TRACES"
TOGETHER = {"alibaba": "minutes", "autothrottle_rps": "minutes", "crane_dsp": "minutes"}
"""Folders that are one set, by the set's name; every other folder is one of its own name."""
OPTIONS = {
    "minutes": ("--leave-out", "input15*", "--cost-per-request", "0.02"),
    "nab": ("--full-scale", "8"),
}
TERMS = ("--half", "report", "--lag", "10")
LAGS = ("--lags", "30,60,300", "--no-baselines")

Say = Callable[[str], None]


def table(say: Say) -> Iterator[Figure]:
    """Of each set and strategy: cost over the optimum's, vCPU-hours over P99.5 + 20 %, who is in its SLO."""
    for name, found in _replayed((), say):
        fixed = found["policies"]["static P99.5 + 20 %"]["vcpu_hours"]
        for strategy, row in found["policies"].items():
            at = f"table.{name}.{strategy}"
            yield figure(f"{at}.j", "optimum", [row["j_over_optimum"]])
            yield figure(f"{at}.vcpu-hours", "P99.5 + 20 %", [row["vcpu_hours"] / fixed])
            yield figure(f"{at}.in-slo", "of domains", [row["domains_in_slo_ratio"]])


def lags(say: Say) -> Iterator[Figure]:
    """Of each set, with longer from a decision to a vCPU: cost over the optimum's, and who is in its SLO."""
    for name, found in _replayed(LAGS, say):
        for row in [{"lag_s": found["lag_s"], **found["policies"][POLICY]}, *found["lags"]]:
            at = f"lags.{name}.{row['lag_s']:g}-s"
            yield figure(f"{at}.j", "optimum", [row["j_over_optimum"]])
            yield figure(f"{at}.in-slo", "of domains", [row["domains_in_slo_ratio"]])


def _replayed(options: Sequence[str], say: Say) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each set by its name, as the JSON of its replay has it."""
    found = sets_in(os.environ.get(FOLDER, ""))
    if not found:
        say(f"there is no recorded demand: {FOLDER} is to name a folder with a folder for each set of it")
        return
    tree = compiled(say)
    for name, folders in found.items():
        say(f"replaying {name}: {', '.join(folder.name for folder in folders)}")
        command = [*map(str, folders), *OPTIONS.get(name, ()), *TERMS, *options, "--output", "json"]
        ran = subprocess.run(
            [sys.executable, "-P", "-c", "from autoscaler.cli.main import main; main()", "replay", *command],
            env=os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{REPO}"},
            stdout=subprocess.PIPE,
            check=False,
        )
        if ran.returncode:
            say(f"{name} was not replayed")
            continue
        yield name, json.loads(ran.stdout)


def sets_in(traces: str) -> dict[str, list[Path]]:
    """The folders of each set; empty where there is no recorded demand."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(Path(traces).iterdir()) if traces and Path(traces).is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            found.setdefault(TOGETHER.get(folder.name, folder.name), []).append(folder)
    return found
