"""Which vCPUs a guest's kernel runs: read and changed through its agent.

Invariant: vCPU 0 is never taken offline, nor one that the guest says cannot go; and a change is believed only
once the guest was asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.agent import files as agent_files
from autoscaler.backends.agent.proc_stat import parse_id_list
from autoscaler.core.model import MOST_VCPUS, GuestVcpu, GuestVcpus
from autoscaler.errors import AgentBlocked, AgentNonsense, AgentRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.backends.agent.answer import Answer
    from autoscaler.backends.agent.files import GuestFiles
    from autoscaler.backends.agent.session import AgentSession

_FOLDER = "/sys/devices/system/cpu"
_MOST_REFUSALS = 4
"""How many vCPUs may refuse, each passed over for the next, before a change is given up."""


class OnlineLadder:
    """One guest's vCPUs, by guest-get-vcpus and guest-set-vcpus, else by the kernel's files."""

    def __init__(self, session: AgentSession, files: GuestFiles) -> None:
        self._session = session
        self._files = files

    def vcpus(self) -> GuestVcpus:
        """List the vCPUs as the guest's kernel sees them.

        Raises:
            AutoscalerError: as `AgentSession.ask`.
        """
        if self._session.info().allows({"guest-get-vcpus"}):
            try:
                return self._listed()
            except AgentBlocked:
                self._session.check_not_frozen()
                self._session.forget_info()
        self._check_allowed(agent_files.READ, "guest-get-vcpus")
        return self._from_files()

    def set_online(self, target: int) -> GuestVcpus:
        """Bring the online vCPUs to `target` as far as the guest allows, and return what it has then.

        Raises:
            AgentRefused: the guest refused, and nothing was changed.
            AutoscalerError: as `AgentSession.ask`; some vCPUs may have been changed.
        """
        before = self.vcpus()
        wanted = abs(target - before.online)
        if not wanted:
            return before
        online = target > before.online
        candidates = _candidates(before, online=online)
        if candidates:
            self._change(candidates, wanted, online=online)
        return self.vcpus()

    def _change(self, candidates: Sequence[int], wanted: int, *, online: bool) -> None:
        """Change the first `wanted` of `candidates` that do not refuse."""
        by_command = self._session.info().allows({"guest-set-vcpus"})
        done = 0
        refusals: list[AgentRefused] = []
        while candidates and done < wanted:
            try:
                if by_command:
                    count = self._set(candidates[: wanted - done], online=online)
                else:
                    count = self._write(candidates[0], online=online)
            except AgentBlocked:
                self._session.check_not_frozen()
                if not by_command:
                    raise
                self._session.forget_info()
                by_command = False
            except AgentRefused as refused:
                self._session.check_not_frozen()
                refusals.append(refused)
                if len(refusals) == _MOST_REFUSALS:
                    break
                candidates = candidates[1:]
            else:
                done += count
                candidates = candidates[count:]
        if refusals and not done:
            raise refusals[0]

    def _set(self, vcpus: Sequence[int], *, online: bool) -> int:
        """Set vCPUs by command, in order, and return how many the agent did; it stops at one that fails."""
        request = [{"logical-id": vcpu, "online": online} for vcpu in vcpus]
        done = self._session.ask("guest-set-vcpus", {"vcpus": request}).count(below=len(vcpus) + 1)
        if not done:
            raise AgentRefused(f"the agent of domain {self._session.name} set none of the vCPUs asked for")
        return done

    def _write(self, vcpu: int, *, online: bool) -> int:
        self._check_allowed(agent_files.WRITE, "guest-set-vcpus")
        self._files.write(f"{_FOLDER}/cpu{vcpu}/online", b"1" if online else b"0")
        return 1

    def _listed(self) -> GuestVcpus:
        entries = self._session.ask("guest-get-vcpus").items(at_most=MOST_VCPUS)
        return self._believed([_vcpu(entry) for entry in entries])

    def _from_files(self) -> GuestVcpus:
        name = self._session.name
        present = parse_id_list(self._files.read(f"{_FOLDER}/present"), domain_name=name)
        online = parse_id_list(self._files.read(f"{_FOLDER}/online"), domain_name=name)
        # Which can go offline is not in these files: that shows when one is told to.
        return self._believed(
            [GuestVcpu(logical_id=vcpu, online=vcpu in online, can_offline=vcpu != 0) for vcpu in present]
        )

    def _believed(self, vcpus: list[GuestVcpu]) -> GuestVcpus:
        ids = {vcpu.logical_id for vcpu in vcpus}
        if len(ids) != len(vcpus) or not any(vcpu.online for vcpu in vcpus):
            raise AgentNonsense(
                f"the agent of domain {self._session.name} listed a vCPU twice, or none that is online: it "
                f"is not believed"
            )
        return GuestVcpus(tuple(sorted(vcpus, key=lambda vcpu: vcpu.logical_id)))

    def _check_allowed(self, commands: frozenset[str], command: str) -> None:
        if not self._session.info().allows(commands):
            self._session.check_not_frozen()
            raise AgentBlocked(
                f"the agent of domain {self._session.name} allows neither {command} nor "
                f"{', '.join(sorted(commands))}: see BLOCK_RPCS or ALLOW_RPCS of qemu-guest-agent in it"
            )


def _vcpu(entry: Answer) -> GuestVcpu:
    can_offline = entry.optional("can-offline")
    return GuestVcpu(
        logical_id=entry.field("logical-id").vcpu_id(),
        online=entry.field("online").flag(),
        can_offline=can_offline is not None and can_offline.flag(),
    )


def _candidates(vcpus: GuestVcpus, *, online: bool) -> list[int]:
    """The vCPUs that could change, in the order in which they are to be: lowest up, highest down first."""
    if online:
        return [vcpu.logical_id for vcpu in vcpus.vcpus if not vcpu.online]
    return [
        vcpu.logical_id
        for vcpu in reversed(vcpus.vcpus)
        if vcpu.online and vcpu.can_offline and vcpu.logical_id != 0
    ]
