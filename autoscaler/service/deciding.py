"""The steps of each domain: take in what was seen, decide, have its host grant that, begin it, move it on.

Invariant: a fault in one domain's step costs that domain its state, and no other domain anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from autoscaler.service.beginning import Beginning
from autoscaler.service.driving import Driving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import TracebackType

    from autoscaler.core.arbiter import Grant
    from autoscaler.core.model import DomainView, Observation
    from autoscaler.ports import Clock
    from autoscaler.service.fleet import Fleet
    from autoscaler.service.governed import Governed
    from autoscaler.service.instruments import Instruments
    from autoscaler.service.lanes import Submit
    from autoscaler.service.narrator import Narrator
    from autoscaler.service.recorder import Recorder
    from autoscaler.service.sampling import Sampling

_log = logging.getLogger("autoscaler")


class Deciding:
    """Takes the steps of governed domains, on the controller's thread."""

    def __init__(
        self,
        fleet: Fleet,
        sampling: Sampling,
        *,
        recorder: Recorder,
        clock: Clock,
        submit: Submit,
        instruments: Instruments | None,
        narrator: Narrator,
    ) -> None:
        self._fleet = fleet
        self._sampling = sampling
        self._clock = clock
        self._narrator = narrator
        self._beginning = Beginning(fleet, recorder=recorder, clock=clock, narrator=narrator)
        self._driving = Driving(
            fleet,
            recorder=recorder,
            clock=clock,
            submit=submit,
            instruments=instruments,
            narrator=narrator,
            contained=self._contained,
        )

    @property
    def wakes_s(self) -> Collection[float]:
        """When `wake` is due, for each domain whose guest has not followed yet (`Clock.monotonic_s`)."""
        return self._driving.wakes_s

    def wake(self, now_s: float) -> None:
        """Look again at the domains whose time has come."""
        self._driving.wake(now_s)

    def decide(self, found: Iterable[tuple[Governed, DomainView, Observation]]) -> None:
        """Decide the domains of which something was observed, then begin the moves that their hosts grant."""
        decided = []
        for governed, view, observation in found:
            with self._contained(governed):
                self._observe(governed, view, observation)
            if governed in self._fleet:  # else its state was lost
                decided.append(governed)
        grants = self._fleet.grants(decided)
        asked = {governed.state.view.id for governed in decided}
        giving = (self._fleet.get(domain) for domain in grants if domain not in asked)
        for governed in (*decided, *(other for other in giving if other is not None)):
            with self._contained(governed):
                self._conclude(governed, grants.get(governed.state.view.id))

    def let_go(self, governed: Governed, why: str) -> None:
        """Close what is under way of a domain that has left the fleet: nobody will see how it goes on."""
        self._forget(governed)
        self._driving.abandon(governed, why)

    def _observe(self, governed: Governed, view: DomainView, observation: Observation) -> None:
        """Take in what was observed and decide on it, as far as the domain alone is concerned."""
        state, now_s = governed.state, self._clock.monotonic_s()
        by_hand_s = state.by_hand.since_s
        state.observe(view, observation, now_s)
        error = self._sampling.take_error(view.id)
        governed.tally.sampled(error, state.dropped, now_s, disbelieved=state.disbelieved)
        if state.closed_slices:
            governed.slice_closed()
            self._fleet.learned(view.id)
        by_others = state.by_hand.since_s != by_hand_s
        if by_others or governed.has_other_counts:  # without haste: the decision on them is an entry, too
            self._fleet.keep(governed, at_once=by_others)
        self._driving.close_operations(governed)
        state.decide(now_s, self._clock.wall_s())

    def _conclude(self, governed: Governed, grant: Grant | None) -> None:
        """Record a decision as it was granted, begin what it asks for, and move that on."""
        self._beginning.conclude(governed, grant)
        self._driving.drive(governed)
        state = governed.state
        if self._sampling.trouble(state.view.id.host) is None:  # else the host's own trouble says it all
            self._narrator.of_domain(state.view, state.conditions(self._clock.monotonic_s()))

    def _contained(self, governed: Governed) -> _Contained:
        return _Contained(self, governed)

    def start_afresh(self, governed: Governed) -> None:
        """Take a domain up anew at its next tick: its state is not to be trusted."""
        self._fleet.discard(governed.state.view.id)
        self._forget(governed)

    def _forget(self, governed: Governed) -> None:
        self._driving.forget(governed.state.view.id)
        self._narrator.forget(governed.state.view.id)


class _Contained:
    """A step of one domain; a fault in it is kept from the others, and that domain starts afresh."""

    def __init__(self, deciding: Deciding, governed: Governed) -> None:
        self._deciding = deciding
        self._governed = governed

    def __enter__(self) -> None:
        """The step begins."""

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """The step is over."""
        if fault is None or not isinstance(fault, Exception):
            return False
        # A guest that finds a fault in us must not take the others along.
        name = self._governed.state.view.name
        _log.error(
            "%s: internal error, please report it; the domain is taken up anew",
            name,
            exc_info=fault,
            extra={"domain": name},
        )
        self._deciding.start_afresh(self._governed)
        return True
