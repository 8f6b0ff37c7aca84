"""The job that holds a guest's QEMU: a migration, which a save is too, a backup or a snapshot.

Block jobs that go on for days by their nature, such as a mirror, hold nothing: a guest under one is scaled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.session import RefusedError

if TYPE_CHECKING:
    from autoscaler.backends.qmp.session import QmpSession

_NOT_MIGRATING = frozenset({"none", "completed", "failed", "cancelled"})
_HOLDING = {
    "backup": "backup",
    "snapshot-save": "snapshot",
    "snapshot-load": "snapshot",
    "snapshot-delete": "snapshot",
}
"""By QEMU's type of the job."""
_OVER = frozenset({"undefined", "concluded", "null"})


async def job_of(session: QmpSession) -> str:
    """The job that a guest is in, in a word; empty: none. The deadline is the caller's.

    Raises:
        LinkDownError: see `QmpSession.ask`.
    """
    try:
        migration = await session.ask("query-migrate", replies.MIGRATION)
        if migration.status not in _NOT_MIGRATING:
            return "migration"
        jobs = await session.ask("query-jobs", replies.JOBS)
    except RefusedError:
        return ""  # before QEMU 3.0 there are no such jobs
    return next((_HOLDING[job.type] for job in jobs if job.type in _HOLDING and job.status not in _OVER), "")
