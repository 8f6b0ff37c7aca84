"""One tick after the other: observe, decide, act, verify, record. The only driver of the core and the ports.

Everything here runs on one thread. What may block goes through `Submit` and comes back as a call on that
thread, so nothing in this file waits, and one hung guest delays only itself: a tick is evaluated when every
probe is back, or at its deadline, which is short; a guest that answers later is decided when it does.

Invariants: only this thread changes state; every governed domain is decided once from tick to tick; a result
is taken only by the state that asked for it; a domain has one action out at most; a fault in one domain's
step costs that domain its state, and no other domain anything.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.domain_state import DomainState
from autoscaler.core.operation import Wait
from autoscaler.core.policy import Mode
from autoscaler.service.acting import carry_out, take_in
from autoscaler.service.governed import Governed
from autoscaler.service.lanes import Lane
from autoscaler.service.narrator import Narrator
from autoscaler.service.sampling import Sampling
from autoscaler.service.snapshot import HostSnapshot, Snapshot, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.model import DomainId, DomainView, GuestVcpus, Observation
    from autoscaler.core.operation import Action
    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.ports import AutoscalerError, Clock
    from autoscaler.service.host import Host
    from autoscaler.service.instruments import Instruments
    from autoscaler.service.lanes import Submit
    from autoscaler.service.recorder import Recorder

_log = logging.getLogger("autoscaler")


_PATIENCE_RATIO = 0.05
"""Of the interval: how long a tick waits for its guests, and so how long a hung one may delay the others."""
_LOOK_RATIO = 0.5
"""Of the interval: least distance of a tick out of turn from the one before."""
_GRACE_RATIO = 0.9
"""Of the interval: how long a guest may take to answer before the tick goes on without it."""


class Controller:
    """Holds every governed domain and moves it on."""

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        policies: PolicySet,
        recorder: Recorder,
        clock: Clock,
        submit: Submit,
        instruments: Instruments,
        publish: Callable[[Snapshot], None],
        interval_s: float,
    ) -> None:
        self._hosts = {host.label: host for host in hosts}
        self._policies = policies
        self._recorder = recorder
        self._clock = clock
        self._submit = submit
        self._instruments = instruments
        self._publish = publish
        self._interval_s = interval_s
        self._patience_s = _PATIENCE_RATIO * interval_s
        self._sampling = Sampling(
            hosts,
            clock=clock,
            submit=submit,
            governs=lambda view: self._policy_of(view) is not None,
            grace_s=_GRACE_RATIO * interval_s,
        )
        self._governed: dict[DomainId, Governed] = {}
        self._wakes: dict[DomainId, float] = {}
        """When to look again at a domain whose guest has not followed yet."""
        self._acting: set[DomainId] = set()
        """Domains with an action out, though the state that asked for it may be gone."""
        self._ungoverned: tuple[DomainView, ...] = ()
        self._narrator = Narrator()
        self._round_started_s: float | None = None
        self._last_round_s = float("-inf")
        self._ticks = 0
        self._unpublished = False
        self._published_s = float("-inf")

    def tick(self) -> None:
        """Begin a tick; where one is waiting for its probes already, that one serves."""
        if self._round_started_s is None:
            self._round_started_s = self._last_round_s = self._clock.monotonic_s()
            self._sampling.begin()

    def look(self) -> None:
        """Begin a tick out of turn, unless one is not long over: the next one is near then.

        So a domain that comes and goes in a loop cannot make the others' samples too short to judge by.
        """
        if self._clock.monotonic_s() >= self._last_round_s + _LOOK_RATIO * self._interval_s:
            self.tick()

    def settle(self) -> float | None:
        """Do whatever is due: to be called after every call that came back and at the time it returns.

        Returns:
            When to call again at the latest (`Clock.monotonic_s`), or None: not before something comes back.
        """
        if self._round_started_s is not None and (
            self._sampling.complete or self._clock.monotonic_s() >= self._round_started_s + self._patience_s
        ):
            self._evaluate()
        if self._round_started_s is None:
            for view, observation in self._sampling.stragglers():
                self._take(view, observation)
        now_s = self._clock.monotonic_s()
        for domain in [domain for domain, wake_s in self._wakes.items() if wake_s <= now_s]:
            self._contained(self._governed[domain], partial(self._drive, self._governed[domain]))
        due = list(self._wakes.values())
        if self._round_started_s is not None:
            due.append(self._round_started_s + self._patience_s)
        elif self._unpublished:
            due.append(self._published_s + self._patience_s)
            if due[-1] <= now_s:
                self._publish_snapshot()
        return min(due, default=None)

    def apply(self, policies: PolicySet) -> None:
        """Put another set of policies in force, between two ticks."""
        self._policies = policies
        for domain, governed in list(self._governed.items()):
            policy = self._policy_of(governed.state.view)
            if policy is None:
                self._drop(domain, "its policy let it go")
            else:
                governed.state.policy = policy

    def _policy_of(self, view: DomainView) -> Policy | None:
        policy = self._policies.governing(view.name, view.id.uuid)
        return None if policy is None or policy.mode is Mode.OFF else policy

    def _evaluate(self) -> None:
        """Take what this round has read, decide every governed domain, begin the moves, publish."""
        assert self._round_started_s is not None
        started_s, self._round_started_s = self._round_started_s, None
        readings = list(self._sampling.readings())
        present = {view.id for view, _ in readings}
        for domain in [domain for domain in self._governed if domain not in present]:
            self._drop(domain, "the domain stopped")
        self._ungoverned = tuple(view for view, observation in readings if not self._take(view, observation))
        self._ticks += 1
        self._instruments.tick_duration.observe(self._clock.monotonic_s() - started_s)
        self._publish_snapshot()

    def _take(self, view: DomainView, observation: Observation | None) -> bool:
        """Decide a domain on what was observed, if anything was yet; False where no policy governs it."""
        governed = self._govern(view)
        if governed is not None and observation is not None:
            self._unpublished = True
            self._contained(governed, partial(self._decide, governed, view, observation))
        return governed is not None

    def _govern(self, view: DomainView) -> Governed | None:
        """The governed domain of this view, made if it is new; None where no policy fits."""
        policy = self._policy_of(view)
        if policy is None:
            self._drop(view.id, "its policy let it go")
            return None
        governed = self._governed.get(view.id)
        if governed is None:
            state = DomainState(view, policy, self._clock.monotonic_s())
            governed = self._governed[view.id] = Governed(state, self._hosts[view.id.host])
            self._narrator.governed(view, policy)
        governed.state.policy = policy
        return governed

    def _drop(self, domain: DomainId, why: str) -> None:
        governed = self._forget(domain)
        if governed is not None:
            governed.state.actuation.abandon(why)
            self._close_operations(governed)

    def _forget(self, domain: DomainId) -> Governed | None:
        self._wakes.pop(domain, None)
        self._narrator.forget(domain)
        return self._governed.pop(domain, None)

    def _contained(self, governed: Governed, step: Callable[[], None]) -> None:
        """Take a step of one domain; a fault in it is kept from the others, and that domain starts afresh."""
        try:
            step()
        except Exception:  # noqa: BLE001 - a guest that finds a fault in us must not take the others along
            view = governed.state.view
            _log.exception("%s: internal error, please report it; the domain is taken up anew", view.name)
            self._forget(view.id)

    def _decide(self, governed: Governed, view: DomainView, observation: Observation) -> None:
        state, now_s = governed.state, self._clock.monotonic_s()
        state.observe(view, observation, now_s)
        if state.missing is not None:
            governed.tally.missed(state.missing)
        self._close_operations(governed)
        decision = state.decide(now_s)
        governed.tally.decided(decision)
        wall_s = self._clock.wall_s()
        decision_id = self._recorder.decided(decision, wall_s=wall_s, digest=self._policies.digest)
        if decision.act:
            operation = state.actuation.begin(decision, decision_id, now_s)
            self._recorder.begun(decision, operation, wall_s=wall_s)
            governed.tally.begun(operation)
            self._narrator.begun(decision, operation)
        self._drive(governed)
        if self._sampling.trouble(view.id.host) is None:  # else the host's own trouble says it all
            self._narrator.of_domain(view, state.conditions)

    def _drive(self, governed: Governed) -> None:
        """Hand out the next action of a domain, or note when to look again."""
        domain, actuation = governed.state.view.id, governed.state.actuation
        self._wakes.pop(domain, None)
        self._close_operations(governed)
        action = actuation.next_action(self._clock.monotonic_s())
        if isinstance(action, Wait):
            self._wakes[domain] = action.until_s
        elif action is not None and domain not in self._acting:
            self._acting.add(domain)
            actuation.started(action)
            work = partial(carry_out, governed.host, domain, action)
            self._submit(Lane.ACT, work, partial(self._acted, governed, action))

    def _acted(self, governed: Governed, action: Action, result: GuestVcpus | AutoscalerError | None) -> None:
        """Take in how an action came out; one of a domain that was dropped meanwhile only clears the way."""
        domain = governed.state.view.id
        self._acting.discard(domain)
        now = self._governed.get(domain)
        if now is None:
            return
        if now is governed:
            self._contained(now, partial(take_in, now.state, action, result, self._clock.monotonic_s()))
        if self._governed.get(domain) is now:
            self._contained(now, partial(self._drive, now))

    def _close_operations(self, governed: Governed) -> None:
        for operation in governed.state.actuation.take_closed():
            self._recorder.ended(operation)
            self._instruments.operation_ended(operation)
            governed.tally.ended(operation)
            governed.last_operation = operation
            self._narrator.ended(governed.state.view.name, operation)

    def _publish_snapshot(self) -> None:
        self._unpublished, self._published_s = False, self._clock.monotonic_s()
        wall_minus_monotonic_s = self._clock.wall_s() - self._clock.monotonic_s()
        hosts = tuple(
            HostSnapshot(
                label=label,
                trouble=self._sampling.trouble(label),
                unseen=host.hypervisor.troubles(),
                heard=self._sampling.heard(label),
            )
            for label, host in self._hosts.items()
        )
        for host in hosts:
            self._narrator.of_host(host)
        labels = labels_of([domain.state.view for domain in self._governed.values()])
        domains = [
            governed.frozen(labels[domain], wall_minus_monotonic_s)
            for domain, governed in self._governed.items()
        ]
        snapshot = Snapshot(
            wall_s=self._clock.wall_s(),
            tick=self._ticks,
            hosts=hosts,
            domains=tuple(sorted(domains, key=lambda domain: domain.label)),
            ungoverned=self._ungoverned,
            policies=len(self._policies.policies),
            policy_digest=self._policies.digest,
            troubles=self._recorder.troubles,
        )
        self._narrator.nothing_to_do(snapshot)
        self._narrator.of_service("journal", self._recorder.troubles)
        self._publish(snapshot)
