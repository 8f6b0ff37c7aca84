"""What is seen of one QEMU process, from the first look at it to its end.

Invariant: its sums and its log of reports begin with the process and end with it. A link that broke and was
made again to the same one goes on with them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autoscaler.backends.acpi_reports import ReportLog
from autoscaler.backends.descriptors import DescriptorWatch
from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.changes import run_state
from autoscaler.backends.qmp.jobs import job_of
from autoscaler.backends.qmp.threads import VcpuThreads
from autoscaler.core.model import DomainView

if TYPE_CHECKING:
    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.backends.qmp.identity import QemuIdentity
    from autoscaler.backends.qmp.session import QmpSession
    from autoscaler.ports import Clock


class QemuProcess:
    """One process, and what was heard and counted of it so far."""

    def __init__(self, pid: int) -> None:
        """Begin with a process of this pid namespace; 0 stands for one that cannot be seen."""
        self.reports = ReportLog()
        """What its guest's firmware told; the link hears it."""
        self._threads = VcpuThreads(pid)
        self._descriptors = DescriptorWatch(partial(int, pid))

    def is_still(self, other: QemuProcess) -> bool:
        """Whether the other is the same process, looked at anew."""
        return self._threads.process == other._threads.process

    async def view(
        self, session: QmpSession, identity: QemuIdentity, guest: QmpGuest, clock: Clock
    ) -> DomainView:
        """Look at its domain. The deadline is the caller's.

        Raises:
            LinkDownError, RefusedError: see `QmpSession.ask`.
        """
        status = await session.ask("query-status", replies.STATUS)
        job = await job_of(session)
        # Before they are counted: what is newer than this view may not be in it.
        now_s = clock.monotonic_s()
        cpus = await session.ask("query-cpus-fast", replies.CPUS)
        times = self._threads.read(cpu.thread_id for cpu in cpus)
        # Where vCPUs share a thread, they wait for each other unseen.
        apart = len({cpu.thread_id for cpu in cpus}) == len(cpus)
        return DomainView(
            id=identity.domain,
            name=guest.name,
            state=run_state(status.status),
            plugged=len(cpus),
            maximum=len(cpus) if identity.maximum is None else identity.maximum,
            slots=frozenset(cpu.cpu_index for cpu in cpus),
            reports=self.reports.reports,
            descriptors=self._descriptors.at(now_s),
            emulated=identity.emulated,
            at_s=now_s,
            vcpu_time_s=times.run_s if times else None,
            vcpu_delay_s=times.delay_s if times and apart else None,
            labels=guest.labels,
            job=job,
        )


async def agent_listens(session: QmpSession, identity: QemuIdentity) -> bool | None:
    """Whether something in the guest has its agent channel open now; None: QEMU knows no such channel.

    Raises:
        LinkDownError, RefusedError: see `QmpSession.ask`.
    """
    labels = set(identity.agent_ports.values())
    if not labels:
        return None
    chardevs = await session.ask("query-chardev", replies.CHARDEVS)
    return any(chardev.frontend_open for chardev in chardevs if chardev.label in labels)
