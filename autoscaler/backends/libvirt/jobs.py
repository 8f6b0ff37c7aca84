"""The jobs that hold domains of one connection: a migration, a backup, a snapshot, a save, a dump.

Statistics do not tell of jobs and no event tells that one began, so each domain of a sweep is asked, at about
a tenth of a millisecond. A domain whose monitor is busy answers late: a sweep waits for no answer longer than
`PATIENCE_S`, and what was known before stands until there is one.

Invariant: no more than one call is out, beside those of the sweeps themselves.
"""

from __future__ import annotations

import threading
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.late import LateCalls
from autoscaler.backends.libvirt.link import is_alive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_S = 0.5

_UNDER_WAY = frozenset({libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED})
_MIGRATION = "migration"
_WORDS = {
    libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE: "save",
    libvirt.VIR_DOMAIN_JOB_OPERATION_RESTORE: "restore",
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN: _MIGRATION,
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT: _MIGRATION,
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT: "snapshot",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT: "snapshot",
    libvirt.VIR_DOMAIN_JOB_OPERATION_DUMP: "dump",
    libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP: "backup",
}
_SOME_JOB = "job"
"""One that libvirt does not name, or a later one does."""
_NO_JOBS: Mapping[str, str] = MappingProxyType({})


class DomainJobs:
    """Asks for jobs, a sweep at a time."""

    def __init__(self) -> None:
        """Start with no job known."""
        self._late = LateCalls(1)
        self._known = _NO_JOBS
        self._tells = True
        """Whether this driver knows jobs at all."""

    def of(self, domains: Sequence[libvirt.virDomain]) -> Mapping[str, str]:
        """UUID -> the job in a word, of those among a sweep's domains that are in one."""
        if not self._tells:
            return _NO_JOBS
        given_up = threading.Event()
        found: dict[str, str] = {}
        try:
            self._tells = self._late.run(partial(_ask_each, domains, found, given_up), patience_s=PATIENCE_S)
            self._known = MappingProxyType(found)
        except TimeoutError:
            given_up.set()
        return self._known


def _ask_each(domains: Sequence[libvirt.virDomain], found: dict[str, str], given_up: threading.Event) -> bool:
    """Note each domain's job in `found`; returns whether the driver knows jobs."""
    for domain in domains:
        if given_up.is_set():
            break
        try:
            job = _job_of(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return False
            if not is_alive(domain.connect()):
                break
            # Of a migration only its source tells more than this.
            incoming = error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
            job = _MIGRATION if incoming else None
        if job is not None:
            found[domain.UUIDString()] = job
    return True


def _job_of(domain: libvirt.virDomain) -> str | None:
    """The job that a domain is in; None: it is in none.

    Raises:
        libvirtError: it could not be asked, or the domain has ended.
    """
    if domain.jobInfo()[0] not in _UNDER_WAY:
        return None
    return _WORDS.get(domain.jobStats().get("operation"), _SOME_JOB)
