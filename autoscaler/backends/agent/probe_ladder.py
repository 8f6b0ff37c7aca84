"""Chooses, guest by guest, the best way in which its agent tells CPU load.

Invariant: a rung that failed is not tried again until guest-info was asked anew, so that a guest which blocks
the best one is not asked in vain at each sample; and the best one is shut for at most `RECHECK_S` at a time,
so that it is found when it is allowed again. PSI is an extra: nothing that is wrong with it costs a sample,
and a guest that has none is not asked for it until guest-info was asked anew.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from autoscaler.backends.agent import files as agent_files
from autoscaler.backends.agent.kernel_files import EXEC, Cat, KeptFiles
from autoscaler.backends.agent.probe_rungs import CpuStats, ProcFiles
from autoscaler.core.model import CpuSource
from autoscaler.errors import AgentBlocked, AgentRefused, AutoscalerError

if TYPE_CHECKING:
    from autoscaler.backends.agent.files import GuestFiles
    from autoscaler.backends.agent.probe_rungs import Rung
    from autoscaler.backends.agent.proc_stat import Counters
    from autoscaler.backends.agent.session import AgentInfo, AgentSession

RECHECK_S = 60.0


class ProbeLadder:
    """The rungs of one guest, and which of them are shut."""

    def __init__(self, session: AgentSession, files: GuestFiles) -> None:
        self._session = session
        self._files = KeptFiles(session, files)
        rungs: tuple[Rung, ...] = (
            ProcFiles(CpuSource.PROC_STAT, agent_files.READ, session, self._files),
            CpuStats(session),
            ProcFiles(CpuSource.EXEC, EXEC, session, Cat(session)),
        )
        self._rungs = {rung.source: rung for rung in rungs}
        self._shut: set[CpuSource] = set()
        self._tells_pressure = True
        self._info: AgentInfo | None = None
        self._asked_at_s = 0.0

    def read(self, now_s: float) -> tuple[CpuSource, Counters]:
        """Read by the best rung that works.

        Raises:
            AgentBlocked: none does.
            AutoscalerError: as `AgentSession.ask`.
        """
        if CpuSource.PROC_STAT in self._shut and now_s - self._asked_at_s >= RECHECK_S:
            self._session.forget_info()
        self._look_anew(now_s)
        for source, rung in self._rungs.items():
            if source not in self._shut:
                try:
                    return source, rung.read()
                except (AgentBlocked, AgentRefused) as error:
                    self._session.check_not_frozen()
                    if isinstance(error, AgentBlocked):
                        self._session.forget_info()
                        self._look_anew(now_s)
                    self._shut.add(source)
        raise AgentBlocked(
            f"the agent of domain {self._session.name} allows nothing that tells CPU load: by BLOCK_RPCS or "
            f"ALLOW_RPCS of qemu-guest-agent in the guest, allow guest-get-cpustats, or guest-file-open, "
            f"-seek, -read and -close"
        )

    def pressure_s(self, source: CpuSource) -> float | None:
        """PSI by the rung that the counters came from a moment ago; None where it is not said, for any cause.

        A guest's nonsense is not said either: an SLA that is measured by it then counts nothing.
        """
        if not self._tells_pressure:
            return None
        try:
            return self._rungs[source].pressure_s()
        except (AgentBlocked, AgentRefused):
            with suppress(AutoscalerError):
                self._session.check_not_frozen()
                self._tells_pressure = False
        except AutoscalerError:
            pass
        return None

    def release(self) -> None:
        """Leave nothing open in the guest."""
        self._files.release()

    def _look_anew(self, now_s: float) -> None:
        """Where guest-info is not the one that was looked at last, shut the rungs that it rules out."""
        info = self._session.info()
        if info is self._info:
            return
        shut = {source for source, rung in self._rungs.items() if not info.allows(rung.commands)}
        if len(shut) == len(self._rungs):
            # A frozen agent lists nearly everything as blocked.
            self._session.check_not_frozen()
        self._info, self._shut, self._asked_at_s = info, shut, now_s
        self._tells_pressure = True
