"""Freezes the whole state into a snapshot after each tick, and has the log say what is new in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.service.snapshot import HostSnapshot, Snapshot, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.ports import Clock
    from autoscaler.service.fleet import Fleet
    from autoscaler.service.narrator import Narrator
    from autoscaler.service.recorder import Recorder
    from autoscaler.service.sampling import Sampling


class Publisher:
    """Makes snapshots, on the controller's thread."""

    def __init__(
        self,
        fleet: Fleet,
        sampling: Sampling,
        *,
        recorder: Recorder,
        clock: Clock,
        narrator: Narrator,
        publish: Callable[[Snapshot], None],
    ) -> None:
        """`publish` is handed every snapshot."""
        self._fleet = fleet
        self._sampling = sampling
        self._recorder = recorder
        self._clock = clock
        self._narrator = narrator
        self._publish = publish

    def publish(self, ticks: int, ungoverned: tuple[DomainView, ...]) -> None:
        """Make a snapshot of what holds now, so many ticks being over, and hand it out."""
        now_s, wall_s = self._clock.monotonic_s(), self._clock.wall_s()
        labels = labels_of([governed.state.view for governed in self._fleet])
        domains = [governed.frozen(labels[governed.state.view.id], now_s, wall_s) for governed in self._fleet]
        hosts = tuple(self._host(label) for label in self._fleet.hosts)
        for host in hosts:
            self._narrator.of_host(host)
        policies = self._fleet.assignments.policies
        snapshot = Snapshot(
            wall_s=wall_s,
            tick=ticks,
            hosts=hosts,
            domains=tuple(sorted(domains, key=lambda domain: domain.label)),
            ungoverned=ungoverned,
            off=self._off(ungoverned),
            orders=self._fleet.orders.standing,
            policies=len(policies.policies),
            policy_digest=policies.digest,
            troubles=self._recorder.troubles,
        )
        self._narrator.left_alone(ungoverned)
        self._narrator.nothing_to_do(snapshot)
        self._narrator.of_service("journal", self._recorder.troubles)
        self._publish(snapshot)

    def _off(self, ungoverned: Iterable[DomainView]) -> dict[DomainId, str]:
        found = ((view.id, self._fleet.assignments.off_by(view)) for view in ungoverned)
        return {
            domain: f"{policy.name!r} at {policy.source}" for domain, policy in found if policy is not None
        }

    def _host(self, label: str) -> HostSnapshot:
        return HostSnapshot(
            label=label,
            libvirt=self._fleet.hosts[label].libvirt,
            trouble=self._sampling.trouble(label),
            unseen={**self._fleet.hosts[label].hypervisor.troubles(), **self._sampling.twins(label)},
            heard=self._sampling.heard(label),
            shares=self._fleet.host_shares(label),
        )
