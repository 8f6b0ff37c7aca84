"""Mends a domain's definition as the doctor found it to need: shown first, made only when that is asked for.

Invariant: what is replaced is kept in a file first, for nobody but its owner: it has the domain's passwords.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING

import typer

from autoscaler.core.named import virsh
from autoscaler.core.printable import printable
from autoscaler.doctor.mending import difference, mended
from autoscaler.errors import AutoscalerError
from autoscaler.service.clock import SystemClock

if TYPE_CHECKING:
    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.report import DomainReport


def fix(domain: DomainFacts, report: DomainReport, *, yes: bool) -> bool:
    """Show what would be changed in its definition, and change it if wanted; whether that went well."""
    if not domain.by_libvirt or domain.build.transient or domain.trouble:
        _say("nothing here to fix: libvirt keeps no definition of it; what to do is said above")
        return True
    # Imported late: a host that only runs bare QEMU needs no libvirt.
    from autoscaler.backends.libvirt.definitions import LibvirtDefinitions  # noqa: PLC0415

    named = domain.named
    with closing(LibvirtDefinitions(domain.host.label, clock=SystemClock())) as definitions:
        try:
            before = definitions.read(named)
            after = mended(before, report.findings)
            if after == before:
                _say("nothing to fix in its definition: what is left to do is said above")
                return True
            for line in difference(before, after).splitlines():
                typer.echo(printable(line))
            if not (yes or _agreed()):
                _say("nothing was changed: --yes applies it")
                return True
            kept = _keep(named.uuid, before)
            _say(f"the definition that it had is kept in {kept}")
            definitions.replace(named, before=before, after=after)
        except (AutoscalerError, OSError) as error:
            _say(f"nothing was changed: {error}")
            return False
    _say("applied; it takes effect when the domain is stopped and started:")
    for command in domain.restart or (named.virsh("start"),):
        typer.echo(f"  {printable(command)}")
    _say(f"to undo it: {virsh(domain.host.label, 'define', str(kept))}")
    return True


def _agreed() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm("Apply this to its definition?")


def _keep(uuid: str, definition: str) -> Path:
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = base / "vcpu-autoscaler" / "definitions"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid}-{strftime('%Y%m%dT%H%M%SZ', gmtime())}.xml"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(definition)
        file.flush()
        os.fsync(file.fileno())
    return path


def _say(text: str) -> None:
    typer.echo(printable(text))
