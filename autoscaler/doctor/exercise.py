"""Adds a vCPU to one guest and takes it back, by the service's own backends, and times each stage.

Invariant: whatever goes wrong or stops it, the guest is asked to run no more vCPUs than before; and what was
plugged is asked back, unless its QEMU emulates CPUs, for that one may end over it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry

from autoscaler.backends.closing import HostClosing
from autoscaler.core.model import RunState
from autoscaler.core.policy import OPT_OUT, opted_out
from autoscaler.doctor.checks.room import raise_to
from autoscaler.doctor.finding import Fix, error, note, ok, warning
from autoscaler.errors import AgentError, AutoscalerError, Denied
from autoscaler.service.composition import connect
from autoscaler.service.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.model import DomainView, GuestVcpus
    from autoscaler.doctor.facts import DomainFacts
    from autoscaler.doctor.finding import Finding
    from autoscaler.ports import Clock
    from autoscaler.service.host import Host
    from autoscaler.service.settings import Config, Connection

_T = TypeVar("_T")

_CHECK = "exercise"
PATIENCE_S = 30.0
"""How long each stage may take."""
_EVERY_S = 0.02


class _StuckError(Exception):
    """A stage was not reached; the text is a sentence without its end."""


class _StoppedError(_StuckError):
    """Somebody wants no more of it."""


class Stop:
    """How another thread ends an exercise early, and what it would leave behind if it ended now."""

    def __init__(self) -> None:
        """Nobody has asked for it."""
        self.asked = False
        self.left_behind = ""
        """What to type to undo it, in a sentence; empty: there is nothing to undo."""


def exercised(
    connection: Connection,
    domain: DomainFacts,
    *,
    clock: Clock,
    wait: Callable[[float], object],
    config: Config,
    stop: Stop,
) -> Finding:
    """Exercise a domain over a connection of its own, made as the service makes it."""
    opened = HostClosing(clock)
    try:
        (host,) = connect(
            replace(config, connections=(connection,)), clock, Instruments(CollectorRegistry()), opened
        )
        return Exercise(host, domain, clock=clock, wait=wait, stop=stop).run()
    finally:
        opened.close()


class Exercise:
    """One of them."""

    def __init__(
        self,
        host: Host,
        domain: DomainFacts,
        *,
        clock: Clock,
        wait: Callable[[float], object],
        stop: Stop,
    ) -> None:
        """Prepare it; `wait` sleeps so many seconds."""
        self._stop = stop
        self._host = host
        self._domain = domain
        self._clock = clock
        self._wait = wait
        self._began_s = 0.0
        self._told: list[str] = []
        self._stoppable = True
        """Until it is put back, which nothing cuts short."""

    def run(self) -> Finding:
        """Do it, and say how it went."""
        try:
            view = self._until("seen", self._view)
            obstacle = _obstacle(view)
            if obstacle:
                return note(_CHECK, "it was not exercised", obstacle)
            before = self._until("asked which vCPUs it runs", lambda: self._host.cpus.vcpus(view.id))
        except _StoppedError:
            return note(_CHECK, "it was not exercised", "it was stopped, and nothing was changed")
        except (_StuckError, AutoscalerError) as problem:
            return error(_CHECK, "it was not exercised", "nothing was changed", Fix(advice=f"{problem}."))
        if view.plugged >= view.maximum and before.present <= before.online:
            full = "all that it may have is plugged, and the guest runs it"
            return warning(
                _CHECK, "it was not exercised", full, raise_to(self._domain, 2 * self._domain.maximum)
            )
        return self._grow_and_shrink(view, before)

    def _grow_and_shrink(self, view: DomainView, before: GuestVcpus) -> Finding:
        plugs = before.present <= before.online
        failure: _StuckError | AutoscalerError | None = None
        self._stop.left_behind = self._undoing(view, before, plugs=plugs)
        try:
            self._grow(view, before, plugs=plugs)
        except (_StuckError, AutoscalerError) as problem:
            failure = problem
        except BaseException:
            self._put_back(view, before, plugs=plugs)
            raise
        left = self._put_back(view, before, plugs=plugs)
        self._stop.left_behind = ""
        return self._told_of(failure, left)

    def _told_of(self, failure: _StuckError | AutoscalerError | None, left: str) -> Finding:
        seen = "; ".join(self._told) or "no stage was reached"
        if isinstance(failure, _StoppedError):
            return note(_CHECK, seen, f"it was stopped; {left or 'the guest is as it was before'}")
        if isinstance(failure, Denied) and not self._told:
            return error(
                _CHECK,
                "the hypervisor denied the vCPU, and nothing was changed",
                "the service is denied each growth of it so, too",
                Fix(advice=f"{failure}. Then try again."),
            )
        if failure is not None:
            means = "; ".join(filter(None, ("the service would fail so, too", left)))
            return error(_CHECK, seen, means, Fix(advice=f"{failure}."))
        return ok(_CHECK, seen, left)

    def _grow(self, view: DomainView, before: GuestVcpus, *, plugs: bool) -> None:
        self._begin()
        if plugs:
            self._host.hypervisor.plug(view.id, expect=view.plugged, target=view.plugged + 1)
            self._tell("plugged")
            self._until("listed by the guest", lambda: self._listed(view, before))
            self._tell("listed by the guest")
        self._until("online", lambda: self._runs(view, before.online + 1))
        self._tell("online")

    def _put_back(self, view: DomainView, before: GuestVcpus, *, plugs: bool) -> str:
        """Bring the guest to where it was, and say what is left of it; empty: nothing."""
        self._stoppable = False
        self._begin()
        try:
            if self._is_as_before(view, before):
                return ""
            self._until("offline again", lambda: self._runs(view, before.online))
            self._tell("offline again")
        except (_StuckError, AutoscalerError) as failure:
            return f"the vCPU stays online: {failure}"
        if not plugs:
            return ""
        if self._domain.build.emulated is not False:
            return "the vCPU stays plugged, for a QEMU that emulates CPUs may end over its removal"
        self._begin()
        try:
            self._host.hypervisor.unplug(view.id, expect=view.plugged + 1, target=view.plugged)
            self._until("given back", lambda: self._gone(view))
            self._tell("given back")
        except (_StuckError, AutoscalerError) as failure:
            return f"the vCPU stays plugged, which costs little: {failure}"
        return ""

    def _is_as_before(self, view: DomainView, before: GuestVcpus) -> bool:
        """Whether nothing was added; an agent that does not tell is taken for no."""
        found = self._view()
        try:
            online = self._host.cpus.vcpus(view.id).online
        except AgentError:
            return False
        return found is not None and found.plugged <= view.plugged and online <= before.online

    def _undoing(self, view: DomainView, before: GuestVcpus, *, plugs: bool) -> str:
        """How a person would bring the guest to where it is now."""
        named = self._domain.named
        offline = f"`{named.virsh('setvcpus', str(before.online), '--guest')}`"
        back = f"`{named.virsh('setvcpus', str(view.plugged), '--live')}`"
        if not named.by_libvirt:
            offline, back = "guest-set-vcpus of its agent", "device_del on its monitor"
        taking = f", and {back} takes it back" if plugs and self._domain.build.emulated is False else ""
        return f"domain {named} may run one vCPU more than before: {offline} takes it offline{taking}"

    def _view(self) -> DomainView | None:
        views = self._host.hypervisor.domains()
        return next((view for view in views if view.id.uuid == self._domain.uuid), None)

    def _listed(self, view: DomainView, before: GuestVcpus) -> bool:
        return self._host.cpus.vcpus(view.id).present > before.present

    def _runs(self, view: DomainView, count: int) -> bool:
        return self._host.cpus.set_online(view.id, target=count).online == count

    def _gone(self, view: DomainView) -> bool:
        found = self._view()
        return found is not None and found.plugged <= view.plugged

    def _begin(self) -> None:
        self._began_s = self._clock.monotonic_s()

    def _tell(self, stage: str) -> None:
        self._told.append(f"{stage} after {self._clock.monotonic_s() - self._began_s:.2f} s")

    def _until(self, stage: str, look: Callable[[], _T | None]) -> _T:
        """Look until there is something; an agent that fails is asked again."""
        end_s = self._clock.monotonic_s() + PATIENCE_S
        trouble = ""
        while self._clock.monotonic_s() < end_s:
            if self._stop.asked and self._stoppable:
                raise _StoppedError("it was stopped")
            try:
                found = look()
            except AgentError as failure:
                trouble = f": {failure}"
            else:
                if found:
                    return found
            self._wait(_EVERY_S)
        raise _StuckError(f"it was not {stage} within {PATIENCE_S:.0f} s{trouble}")


def _obstacle(view: DomainView) -> str:
    """Why a domain is not to be changed now; empty: nothing is in the way."""
    if view.state is not RunState.RUNNING:
        return f"it is {view.state}"
    if view.job:
        return f"a {view.job} holds it"
    if opted_out(view.labels):
        key, value = OPT_OUT
        return f"its owner keeps it out by the label {key}={value!r}"
    return "" if view.claimed_by is None else f"{view.claimed_by} runs it, and its vCPUs are counted there"
