"""The jobs that hold domains of one connection: a migration, a backup, a snapshot, a save, a dump.

Statistics do not tell of jobs and no event tells that one began, so each domain of a sweep is asked, at about
a fifth of a millisecond. A domain whose monitor is busy answers late: a sweep waits for the answers no longer
than `PATIENCE_S`, and what was known before stands until they are there.

Invariant: no more than one call is out, beside those of the sweeps themselves.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.late import LateCalls
from autoscaler.backends.libvirt.link import is_alive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_S = 0.5

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
        self.known = _NO_JOBS
        """What was told last."""
        self._tells = True
        """Whether this driver knows jobs at all."""

    def of(self, domains: Sequence[libvirt.virDomain]) -> Mapping[str, str]:
        """UUID -> the job in a word, of those among a sweep's domains that are in one."""
        if self._tells:
            with suppress(TimeoutError):
                self._late.run(partial(self._ask, domains), patience_s=PATIENCE_S)
        return self.known

    @property
    def waits(self) -> bool:
        """Whether a call is out that has not come back in time."""
        return self._late.out > 0

    def _ask(self, domains: Sequence[libvirt.virDomain]) -> None:
        found: dict[str, str] = {}
        for domain in domains:
            try:
                job = _job_of(domain)
            except libvirt.libvirtError as error:
                code = error.get_error_code()
                if code == libvirt.VIR_ERR_NO_SUPPORT:
                    self._tells = False
                    return
                if not is_alive(domain.connect()):
                    return
                # Of a migration only its source tells more than this.
                job = _MIGRATION if code == libvirt.VIR_ERR_OPERATION_INVALID else None
            if job is not None:
                found[domain.UUIDString()] = job
        self.known = MappingProxyType(found)


def _job_of(domain: libvirt.virDomain) -> str | None:
    """The job that a domain is in; None: it is in none.

    Raises:
        libvirtError: it could not be asked, or the domain has ended.
    """
    # One that is completed, or failed, holds the domain until libvirt has ended it.
    if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
        return None
    return _WORDS.get(domain.jobStats().get("operation"), _SOME_JOB)
