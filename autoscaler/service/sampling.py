"""Observe: sweep every host, probe every governed guest, each on its own, and gather what comes back.

Invariants: at most one sweep per host and one probe per domain is out; what is still out from an earlier
round is not waited for again; every view that is handed on has an observation, if only a `Missing` with the
reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.model import DomainView, HostView, Missing, MissingReason, Observation, RunState, Sample
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentError,
    AgentLeftAlone,
    AgentNonsense,
    AutoscalerError,
    DomainBusy,
    DomainFrozen,
    DomainGone,
)
from autoscaler.service.lanes import Lane
from autoscaler.service.twins import Twins

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from autoscaler.core.model import DomainId
    from autoscaler.ports import Clock
    from autoscaler.service.host import Host
    from autoscaler.service.lanes import Submit

_REASONS: tuple[tuple[type[AutoscalerError], MissingReason], ...] = (
    (AgentAbsent, MissingReason.AGENT_ABSENT),
    (AgentBlocked, MissingReason.AGENT_BLOCKED),
    (AgentLeftAlone, MissingReason.AGENT_LEFT_ALONE),
    (AgentNonsense, MissingReason.AGENT_NONSENSE),
    (AgentError, MissingReason.AGENT_UNRESPONSIVE),
    (DomainGone, MissingReason.DOMAIN_GONE),
    (DomainFrozen, MissingReason.FROZEN),
    (DomainBusy, MissingReason.NOT_RUNNING),
    (AutoscalerError, MissingReason.BACKEND_UNAVAILABLE),
)
"""First fit, most special first."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep of a host found."""

    domains: Sequence[DomainView]
    machine: HostView | None
    """None: the host's own state could not be read, which hides no domain."""


def _sweep(host: Host, *, takes_back: bool) -> Sweep:
    """List a host's domains and look at the host itself; may block."""
    domains = host.hypervisor.domains()
    if takes_back:
        # Where it cannot be heard, a removal fails for the same reason, and says so.
        with suppress(AutoscalerError):
            host.hypervisor.hear_firmware()
    try:
        return Sweep(domains, host.machine.view())
    except AutoscalerError:
        return Sweep(domains, None)


def _does_not_run(view: DomainView) -> str:
    named = view.named
    resuming = f"`{named.virsh('resume')}`" if named.by_libvirt else "the command cont on its monitor"
    if view.state is RunState.PAUSED:
        return f"domain {view.name!r} is paused: {resuming} lets it go on"
    if view.state is RunState.IO_ERROR:
        naming = f"`{named.virsh('domblkerror')}`" if named.by_libvirt else "query-block on its monitor"
        return (
            f"domain {view.name!r} was paused by QEMU, for the image of a disk cannot be read or written (is "
            f"its file system full?): {naming} names the disk; mend that, then {resuming} lets it go on"
        )
    looking = "the command query-status on its monitor"
    if named.by_libvirt:
        looking = f"`{named.virsh('domstate', '--reason')}`"
    return f"domain {view.name!r} does not run now: see {looking}"


class Sampling:
    """The observations of the round under way and the views of the last good sweeps."""

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        clock: Clock,
        submit: Submit,
        governs: Callable[[DomainView], bool],
        wants_pressure: Callable[[DomainId], bool],
        takes_back: Callable[[str], bool],
        grace_s: float,
    ) -> None:
        """Remember whom to ask.

        Args:
            hosts: those to sweep.
            clock: stamps what is missing.
            submit: gets the sweeps and probes done.
            governs: whether a domain is to be probed.
            wants_pressure: whether its pressure is to be read.
            takes_back: whether guests of a host are going to be asked for vCPUs.
            grace_s: how long an answer may take before its lack is a fact.
        """
        self._hosts = {host.label: host for host in hosts}
        self._clock = clock
        self._submit = submit
        self._governs = governs
        self._wants_pressure = wants_pressure
        self._takes_back = takes_back
        self._grace_s = grace_s
        self._twins = Twins(hosts)
        self._found: dict[str, dict[DomainId, DomainView]] = {}
        """All that the last good sweeps found, by host."""
        self._views: dict[str, dict[DomainId, DomainView]] = {}
        """The same without domains that are left to another connection."""
        self._machines: dict[str, HostView] = {}
        self._troubles: dict[str, str] = {}
        self._observed: dict[DomainId, Observation] = {}
        self._failed: dict[DomainId, Missing] = {}
        """What the last probe that came back of a domain said, where it gave no sample."""
        self._errors: dict[DomainId, AutoscalerError] = {}
        """Errors of probes that nobody has counted yet."""
        self._sweeping: dict[str, float] = {}
        """Hosts whose sweep is out, and since when."""
        self._probing: dict[DomainId, float] = {}
        """Domains whose probe is out, and since when."""
        self._waiting: set[str | DomainId] = set()

    @property
    def complete(self) -> bool:
        """Whether everything that this round waits for is back."""
        return not self._waiting

    def begin(self) -> None:
        """Start a round: sweep every host that is not still being swept."""
        self._waiting.clear()
        for label, host in self._hosts.items():
            if label not in self._sweeping:
                self._sweeping[label] = self._clock.monotonic_s()
                self._waiting.add(label)
                sweep = partial(_sweep, host, takes_back=self._takes_back(label))
                self._submit(Lane.SWEEP, sweep, partial(self._swept, host), host=label)

    @property
    def straggled(self) -> bool:
        """Whether something has come back that was not handed over."""
        return bool(self._observed)

    def readings(self) -> Iterator[tuple[DomainView, Observation | None]]:
        """Close the round: every active domain with what is known of its guest.

        None stands for a domain that may still answer in time: see `stragglers`.
        """
        self._waiting.clear()
        observed, self._observed = self._observed, {}
        for label, views in self._views.items():
            for domain, view in views.items():
                observation = observed.get(domain)
                if observation is None and not self._straggles(label, domain):
                    observation = self._silence(label, view)
                yield view, observation

    def stragglers(self) -> Iterator[tuple[DomainView, Observation]]:
        """What has come back since the round was closed; each is handed over once."""
        observed, self._observed = self._observed, {}
        for domain, observation in observed.items():
            view = self._views[domain.host].get(domain)
            if view is not None:
                yield view, observation

    def take_error(self, domain: DomainId) -> AutoscalerError | None:
        """How the domain's last probe failed, told once; None: it did not, or that was told."""
        return self._errors.pop(domain, None)

    def views(self, label: str) -> Iterable[DomainView]:
        """The domains of the host's last good sweep."""
        return self._views.get(label, {}).values()

    def twins(self, label: str) -> Mapping[str, str]:
        """Name -> why, of the host's domains that are left to another connection to the same machine."""
        return self._twins.left(label)

    def machine(self, label: str) -> HostView | None:
        """The host itself as last seen; None: it never was."""
        return self._machines.get(label)

    def heard(self, label: str) -> bool:
        """Whether the host has ever answered a sweep."""
        return label in self._views

    def trouble(self, label: str) -> str | None:
        """Why the host could not be swept the last time, or None."""
        if label in self._sweeping and not self._in_grace(self._sweeping[label]):
            return self._unanswered(label)
        return self._troubles.get(label)

    def _straggles(self, label: str, domain: DomainId) -> bool:
        """Whether an answer is out that may still come in time."""
        swept_s, probed_s = self._sweeping.get(label), self._probing.get(domain)
        sweep_straggles = swept_s is not None and self._in_grace(swept_s) and label not in self._troubles
        return sweep_straggles or (probed_s is not None and self._in_grace(probed_s))

    def _in_grace(self, since_s: float) -> bool:
        return self._clock.monotonic_s() < since_s + self._grace_s

    def _unanswered(self, label: str) -> str:
        """Why a sweep is still out when its round is over: what was wrong before says more, if anything."""
        return self._troubles.get(
            label,
            f"{label} has not answered yet: if it stays so, see whether its daemon hangs "
            "(`systemctl status libvirtd virtqemud`) or this host is overloaded",
        )

    def _silence(self, label: str, view: DomainView) -> Missing:
        """Why there is no observation of a domain."""
        now_s = self._clock.monotonic_s()
        trouble = self.trouble(label)
        if trouble is not None:
            return Missing(at_s=now_s, reason=MissingReason.BACKEND_UNAVAILABLE, detail=trouble)
        if view.state is not RunState.RUNNING:
            return Missing(at_s=now_s, reason=MissingReason.NOT_RUNNING, detail=_does_not_run(view))
        failed = self._failed.get(view.id)
        if failed is not None:
            # Being asked again says less than what was wrong a moment ago.
            return replace(failed, at_s=now_s)
        detail = (
            f"the agent of domain {view.name!r} has not answered yet: if it stays so, restart "
            "qemu-guest-agent in the guest"
        )
        return Missing(at_s=now_s, reason=MissingReason.LATE, detail=detail)

    def _swept(self, host: Host, result: Sweep | AutoscalerError) -> None:
        label = host.label
        self._sweeping.pop(label, None)
        waited_for = label in self._waiting
        self._waiting.discard(label)
        if isinstance(result, AutoscalerError):
            self._troubles[label] = str(result)
            return
        self._troubles.pop(label, None)
        if result.machine is not None:
            self._machines[label] = result.machine
        self._found[label] = {view.id: view for view in result.domains}
        twins = self._twins.among(self._found)
        for other in self._found if twins else (label,):
            self._show(other, twins)
        now_s = self._clock.monotonic_s()
        for domain, view in self._views[label].items():
            if view.state is RunState.RUNNING and domain not in self._probing and self._governs(view):
                self._probing[domain] = now_s
                if waited_for:
                    self._waiting.add(domain)
                sample = partial(host.probe.sample, view)
                if self._wants_pressure(domain):
                    sample = partial(host.probe.sample, view, pressure=True)
                self._submit(Lane.PROBE, sample, partial(self._probed, domain), host=label)

    def _show(self, label: str, twins: Collection[DomainId]) -> None:
        """Take what was found of a host for what is there of it, without those that are another's."""
        before, found = self._views.get(label, {}), self._found[label]
        self._views[label] = now = {domain: found[domain] for domain in found if domain not in twins}
        for domain in before.keys() - now.keys():
            self._observed.pop(domain, None)
            self._failed.pop(domain, None)
            self._errors.pop(domain, None)
            self._hosts[label].forget(domain)

    def _probed(self, domain: DomainId, result: Sample | AutoscalerError) -> None:
        self._probing.pop(domain, None)
        self._waiting.discard(domain)
        if domain not in self._views.get(domain.host, {}):
            return
        if isinstance(result, AutoscalerError):
            reason = next(reason for error, reason in _REASONS if isinstance(result, error))
            missing = Missing(at_s=self._clock.monotonic_s(), reason=reason, detail=str(result))
            self._observed[domain] = self._failed[domain] = missing
            self._errors[domain] = result
        else:
            self._observed[domain] = result
            self._failed.pop(domain, None)
