"""What the command `doctor` looks at, and what it finds there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from autoscaler.cli.configured import DEFAULT_CONFIG, is_missing, read_config
from autoscaler.cli.uris import default_uri
from autoscaler.doctor.facts import DomainFacts, HostFacts, Way
from autoscaler.doctor.gather_qmp import gather_qmp
from autoscaler.doctor.report import DomainReport, HostReport, report_of
from autoscaler.errors import BackendUnavailable
from autoscaler.policyfile import load_policies
from autoscaler.service.clock import SystemClock
from autoscaler.service.settings import Config, Connection, LibvirtConnection, QmpFolderConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from autoscaler.core.policy import PolicySet
    from autoscaler.doctor.asking import Request

_FALLBACK = "qemu:///system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One connection, and what was found behind it."""

    connection: Connection
    domains: Sequence[DomainFacts]
    report: HostReport
    """Its domains are those above, in the same order."""

    def with_domains(self, change: Callable[[DomainFacts, DomainReport], DomainReport]) -> Examined:
        """The same with something done to each domain's report."""
        pairs = zip(self.domains, self.report.domains, strict=True)
        return replace(self, report=replace(self.report, domains=tuple(change(*pair) for pair in pairs)))


def examined(connections: Sequence[Connection], request: Request) -> list[Examined]:
    """Look at all of them at once, so that one that hangs holds up no other; in their order."""
    with ThreadPoolExecutor(len(connections)) as pool:
        return list(pool.map(lambda connection: _examined(connection, request), connections))


def _examined(connection: Connection, request: Request) -> Examined:
    host, domains = _gather(connection, request)
    return Examined(connection=connection, domains=domains, report=report_of(host, domains))


def chosen_config(file: Path | None, uri: str | None, folder: Path | None) -> Config:
    """What to look at; a connection that was named is looked at without policies."""
    if file is not None and (uri is not None or folder is not None):
        typer.echo("autoscaler doctor: give --config.file, or a connection by -c or --qmp", err=True)
        raise typer.Exit(2)
    named: list[Connection] = []
    if uri is not None:
        named.append(LibvirtConnection(uri))
    if folder is not None:
        named.append(QmpFolderConnection(folder.absolute()))
    if named:
        return Config(connections=tuple(named), policies=())
    if file is not None or not is_missing(DEFAULT_CONFIG):
        return read_config(file or DEFAULT_CONFIG, command="doctor")
    fallback = LibvirtConnection(default_uri() or _FALLBACK)
    return Config(connections=(fallback,), policies=())


def policies_of(config: Config) -> PolicySet | None:
    """All that govern; None: they are not known, or have errors, which is said."""
    if not config.policies:
        return None
    loaded = load_policies(config.policies)
    if loaded.policy_set is None:
        typer.echo(
            "autoscaler doctor: the policies have errors, so domains are looked at without them; see "
            "`autoscaler check`",
            err=True,
        )
        return None
    return loaded.policy_set


def _gather(connection: Connection, request: Request) -> tuple[HostFacts, Sequence[DomainFacts]]:
    clock = SystemClock()
    if not isinstance(connection, LibvirtConnection):
        return gather_qmp(connection, request, clock)
    try:
        # Imported late: a host that only runs bare QEMU needs no libvirt.
        from autoscaler.doctor.gather_libvirt import gather_libvirt  # noqa: PLC0415
    except BackendUnavailable as error:
        return HostFacts(label=connection.label, way=Way.LIBVIRT, trouble=str(error)), ()
    return gather_libvirt(connection, request, clock)
