"""The service as the Debian package installs it on a machine, and how a test looks at it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.debian_machine import DebianMachine

UNIT = "vcpu-autoscaler.service"
ACTUATOR = "vcpu-autoscaler-actuator.service"
BOUNDS = "vcpu-autoscaler-bounds.service"
CONFIG = "/etc/vcpu-autoscaler/config.yaml"
OBSERVE = "/etc/vcpu-autoscaler/policies/zz-observe.yaml"
OWN = "/etc/vcpu-autoscaler/policies/web.yaml"
STATE = "/var/lib/vcpu-autoscaler"
POLICY = 'version: 1\npolicies:\n  - {name: web, match: {name: ["web-*"]}}\n'


NEXT = "9.0.0"
"""The version of what `make_next` makes."""


def make_next(code: Path, config: Path) -> None:
    """Make the package `autoscaler` at `code` and the configuration that comes with it a next release's,
    which adds to the journal.
    """
    (code / "__init__.py").write_text(f'"""A next release."""\n\n__version__ = "{NEXT}"\n')
    config.write_text(f"{config.read_text()}# what a next release says\n")
    schema = code / "service" / "journal_schema.py"
    step = '_STEPS = (*_STEPS, "CREATE TABLE of_the_next (id INTEGER) STRICT;")\n'
    schema.write_text(schema.read_text().replace("SCHEMA_VERSION = ", f"{step}SCHEMA_VERSION = ", 1))
    for changed in (code / "__init__.py", schema):
        for compiled in changed.parent.glob(f"__pycache__/{changed.stem}.*"):
            compiled.unlink()


def schema_of(machine: DebianMachine) -> int:
    """The schema that the journal has."""
    asked = f"sqlite3.connect('{STATE}/journal.sqlite').execute('PRAGMA user_version').fetchone()[0]"
    return int(machine.say("python3", "-c", f"import sqlite3; print({asked})"))


def install(machine: DebianMachine, package: Path) -> None:
    """Install or upgrade as apt does where nobody is there to ask."""
    machine.run("dpkg", "--force-confdef", "--force-confold", "--install", machine.copied(package))


def active(machine: DebianMachine, unit: str = UNIT) -> bool:
    """Whether it runs and is ready."""
    return machine.run("systemctl", "--quiet", "is-active", unit, check=False).returncode == 0


def shown(machine: DebianMachine, name: str, unit: str = UNIT) -> str:
    """A property of its unit."""
    return machine.say("systemctl", "show", "--value", f"--property={name}", unit)


def left_of_it(machine: DebianMachine) -> set[str]:
    """Every file with the service's name, but what dpkg keeps for itself, libvirt of a guest of the lab that
    runs, and the root for its next run; and every user and group.
    """
    kept = ("/var/lib/dpkg/", "/var/lib/libvirt/", "/var/cache/")
    found = machine.say(
        *("find", "/", "/run", "-xdev", "-path", "/proc", "-prune", "-o", "-name", "*autoscaler*", "-print")
    )
    known = machine.say("cat", "/etc/passwd", "/etc/group").splitlines()
    names = {entry.partition(":")[0] for entry in known}
    return {path for path in found.splitlines() if not path.startswith(kept)} | {
        name for name in names if "autoscaler" in name
    }


def wait_active(machine: DebianMachine, *, but_process: str = "0", patience_s: float = 60) -> None:
    """Wait until the service is ready, as another process than that one."""
    end_s = time.monotonic() + patience_s
    while not active(machine) or shown(machine, "MainPID") == but_process:
        assert time.monotonic() < end_s, machine.say("journalctl", "--unit", UNIT, check=False)
        time.sleep(0.1)
