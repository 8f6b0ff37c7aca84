"""The service as it is installed: its guests changed by an actuator, whose bounds its own command makes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.running_actuator import RunningActuator
from tests.fakes.running_service import COMMAND, UNHURRIED, RunningService

POLICY = """\
version: 1
policies:
  - name: load
    match: {name: ["*"]}
    vcpus: {min: 1, max: 8}
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """One service, and the actuator that it asks."""

    service: RunningService
    actuator: RunningActuator | None
    """None: the service changes guests itself."""


@contextlib.contextmanager
def installed(
    folder: Path, guests: Path, *, interval_s: float, alone: bool = False, prefix: Sequence[str] = ()
) -> Iterator[Installed]:
    """Run it for the block, over a folder of guests.

    Args:
        folder: takes configuration, state, sockets and logs; an empty one with a short path.
        guests: of QMP.
        interval_s: from one sample to the next.
        alone: whether there is no actuator.
        prefix: words that go before the service's command.
    """
    actuator = RunningActuator(folder)
    service = RunningService(
        folder,
        f"qmp: {guests}",
        policy=POLICY,
        host=f"{UNHURRIED}, operations_per_minute: 600",
        interval=f"{round(1000 * interval_s)}ms",
        more="" if alone else f"actuator: {actuator.socket}\n",
        prefix=prefix,
    )
    with contextlib.ExitStack() as running:
        if not alone:
            made = (COMMAND, "bounds", "--config.file", service.config, "--output", actuator.bounds)
            subprocess.run(made, check=True)
            actuator.start()
            running.callback(actuator.stop)
        service.start()
        running.callback(service.stop)
        yield Installed(service, None if alone else actuator)
