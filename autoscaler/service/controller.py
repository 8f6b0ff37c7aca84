"""One tick after the other: observe, decide, grant, act, verify, record. Nothing else drives core and ports.

Everything here runs on one thread. What may block goes through `Submit` and comes back as a call on that
thread, so nothing in this file waits, and one hung guest delays only itself: a tick is evaluated when every
probe is back, or at its deadline, which is short; a guest that answers later is decided when it does.

Invariants: only this thread changes state; every governed domain is decided once from tick to tick; a result
is taken only by the state that asked for it; a domain has one action out at most of its change and one of its
removal, which never waits for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.policy_changes import meaning_of
from autoscaler.service.deciding import Deciding
from autoscaler.service.narrator import Narrator
from autoscaler.service.plan import plan_of
from autoscaler.service.publisher import Publisher
from autoscaler.service.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autoscaler.core.model import DomainId, DomainView, Observation
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import PolicySet
    from autoscaler.ports import Clock
    from autoscaler.service.fleet import Fleet
    from autoscaler.service.governed import Governed
    from autoscaler.service.instruments import Instruments
    from autoscaler.service.lanes import Submit
    from autoscaler.service.recorder import Recorder
    from autoscaler.service.snapshot import Snapshot

_PATIENCE_RATIO = 0.05
"""Of the interval: how long a tick waits for its guests, and so how long a hung one may delay the others; and
the least time between two gatherings of those that answer later."""
_PUBLISH_RATIO = 0.25
"""Of the interval: least time from a snapshot to one of what was decided after it. Each is of all domains."""
_LOOK_RATIO = 0.5
"""Of the interval: least distance of a tick out of turn from the one before."""
_GRACE_RATIO = 0.9
"""Of the interval: how long a guest may take to answer before the tick goes on without it."""


class Controller:
    """Holds every governed domain and moves it on."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        recorder: Recorder,
        clock: Clock,
        submit: Submit,
        instruments: Instruments | None,
        publish: Callable[[Snapshot], None] | None,
        interval_s: float,
    ) -> None:
        """`publish` is handed every snapshot; None: nobody looks, and none is made; so with `instruments`."""
        self._fleet = fleet
        self._recorder = recorder
        self._clock = clock
        self._instruments = instruments
        self._interval_s = interval_s
        self._patience_s = _PATIENCE_RATIO * interval_s
        self._sampling = Sampling(
            tuple(fleet.hosts.values()),
            clock=clock,
            submit=submit,
            governs=lambda view: self._fleet.assignments.policy_of(view) is not None,
            wants_pressure=self._fleet.wants_pressure,
            takes_back=self._fleet.takes_back,
            grace_s=_GRACE_RATIO * interval_s,
        )
        self._ungoverned: tuple[DomainView, ...] = ()
        self._narrator = Narrator()
        self._deciding = Deciding(
            fleet,
            self._sampling,
            recorder=recorder,
            clock=clock,
            submit=submit,
            instruments=instruments,
            narrator=self._narrator,
        )
        self._publisher = publish and Publisher(
            fleet, self._sampling, recorder=recorder, clock=clock, narrator=self._narrator, publish=publish
        )
        self._round_started_s: float | None = None
        self._last_round_s = self._gathered_s = float("-inf")
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
        if self._round_started_s is None and self._sampling.straggled:
            self._gather()
        now_s = self._clock.monotonic_s()
        self._deciding.wake(now_s)
        due = list(self._deciding.wakes_s)
        if self._round_started_s is not None:
            due.append(self._round_started_s + self._patience_s)
        else:
            if self._sampling.straggled:
                due.append(self._gathered_s + self._patience_s)
            if self._unpublished:
                due.append(self._published_s + _PUBLISH_RATIO * self._interval_s)
                if due[-1] <= now_s:
                    self._publish_snapshot()
        return min(due, default=None)

    @property
    def policies(self) -> PolicySet:
        """The policies in force."""
        return self._fleet.assignments.policies

    def apply(self, policies: PolicySet) -> int:
        """Put another set in force, between two ticks; returns how many domains it governs otherwise.

        What was learned of a domain stays where it means the same under its new policy.
        """
        before = {governed.state.view.id: meaning_of(governed.state.policy) for governed in self._fleet}
        views = [governed.state.view for governed in self._fleet] + list(self._ungoverned)
        self._fleet.assignments.apply(policies)
        for view in views:
            self._govern(view)
        self._ungoverned = tuple(view for view in views if self._fleet.get(view.id) is None)
        self._see_hosts()
        self._publish_snapshot()  # Orders are judged by what it shows.
        after = {governed.state.view.id: meaning_of(governed.state.policy) for governed in self._fleet}
        return sum(before.get(view.id) != after.get(view.id) for view in views)

    def give(self, order: Order) -> bool:
        """Let an order stand from now on, between two ticks; returns whether it is on record."""
        recorded = self._fleet.give(order)
        self._look_anew()
        return recorded

    def end_order(self, domain: DomainId) -> bool:
        """Let the order for a domain, or for every one, stand no more; returns whether that is on record."""
        recorded = self._fleet.end_order(domain)
        self._look_anew()
        return recorded

    def _look_anew(self) -> None:
        """Show at once what was ordered, for the next order is judged by that, and act on it soon."""
        self._publish_snapshot()
        self.look()

    def plan(self, policies: PolicySet) -> list[dict[str, object]]:
        """What every running domain would get now under these policies; see `autoscaler.service.plan`."""
        now_s, wall_s = self._clock.monotonic_s(), self._clock.wall_s()
        return plan_of(self._fleet, self._ungoverned, policies, now_s=now_s, wall_s=wall_s)

    def flush(self) -> None:
        """Put on record what was only learned and counted since the last time."""
        self._fleet.keep_learned()
        self._recorder.flush()

    def keep_all(self) -> None:
        """Record what was learned of every domain: the service ends."""
        for governed in self._fleet:
            self._fleet.keep(governed)

    def _evaluate(self) -> None:
        """Take what this round has read, decide every governed domain, begin the moves, publish."""
        assert self._round_started_s is not None
        started_s, self._round_started_s = self._round_started_s, None
        self._fleet.orders.settle()
        readings = list(self._sampling.readings())
        present = {view.id for view, _ in readings}
        self._fleet.orders.follow(present)
        for governed in self._fleet:
            if governed.state.view.id not in present:
                self._drop(governed.state.view.id, "the domain stopped")
        self._fleet.assignments.keep_only(present)
        found = [(self._govern(view), view, observation) for view, observation in readings]
        self._ungoverned = tuple(view for governed, view, _ in found if governed is None)
        self._see_hosts()
        self._decide(found)
        self._ticks += 1
        if self._instruments is not None:
            self._instruments.tick_duration.observe(self._clock.monotonic_s() - started_s)
        self._publish_snapshot()

    def _gather(self) -> None:
        """Decide those that answered after their round, some together: the arbiter looks at a whole host."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._gathered_s + self._patience_s:
            self._gathered_s = now_s
            self._decide([(self._govern(view), view, seen) for view, seen in self._sampling.stragglers()])

    def _see_hosts(self) -> None:
        for label in self._fleet.hosts:
            self._fleet.see_host(label, self._sampling.machine(label), self._ungoverned)

    def _decide(self, found: Iterable[tuple[Governed | None, DomainView, Observation | None]]) -> None:
        """Decide those that are governed and of which something is known."""
        known = [
            (governed, view, observation)
            for governed, view, observation in found
            if governed is not None and observation is not None
        ]
        self._unpublished = self._unpublished or bool(known)
        self._deciding.decide(known)

    def _govern(self, view: DomainView) -> Governed | None:
        """The governed domain of this view, taken up if it is new; None where no policy fits."""
        governed, new = self._fleet.take_up(view)
        if governed is None:
            self._drop(view.id, "its policy let it go")
        elif new:
            self._narrator.governed(view, governed.state.policy)
        return governed

    def _drop(self, domain: DomainId, why: str) -> None:
        governed = self._fleet.let_go(domain)
        if governed is not None:
            self._deciding.let_go(governed, why)

    def _publish_snapshot(self) -> None:
        self._unpublished, self._published_s = False, self._clock.monotonic_s()
        if self._publisher is not None:
            self._publisher.publish(self._ticks, self._ungoverned)
