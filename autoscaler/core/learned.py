"""All that is learned of one domain over time: its service level, its strategy's memory, and its shrinks.

This is what outlives a restart and a reload, by the same rule: the slices stay while what makes one good
does, whatever the objective; the adaptive memory stays with them; another strategy starts its memory anew.
The shrinks are not dumped: the journal has each of them before it is made, and the budget of a day must hold
for a service that is killed, too.

Invariant: whatever is handed to `restore`, a whole `Learned` comes back; a part that cannot be read starts
anew.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from autoscaler.core.adaptive import Adaptive
from autoscaler.core.dumped import branch
from autoscaler.core.policy import AdaptiveStrategy
from autoscaler.core.recommend import ByBudget, Recommender, recommender
from autoscaler.core.slo import Slo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.demand import Load
    from autoscaler.core.policy import Policy

DAY_S: Final = 86400.0


class Learned:
    """What one domain taught the service."""

    def __init__(self, policy: Policy, now_s: float, *, lag_s: float) -> None:
        """Nothing yet; `lag_s` is the time seen on this host from a decision to vCPUs online."""
        self._lag_s = lag_s
        self._policy = policy
        self.slo = Slo(policy.sla, now_s)
        self.recommender: Recommender = recommender(policy, now_s, lag_s=lag_s)
        self._shrinks_s: deque[float] = deque()

    def govern(self, policy: Policy, now_s: float) -> None:
        """Go on under this policy, keeping what means the same under it."""
        before, self._policy = self._policy, policy
        if policy.sla == before.sla and policy.strategy == before.strategy:
            return
        after = Learned.restore(policy, self.dump(now_s), now_s, away_s=0.0, lag_s=self._lag_s)
        if policy.sla != before.sla:
            self.slo = after.slo
        if policy.strategy != before.strategy or isinstance(policy.strategy, AdaptiveStrategy):
            self.recommender = after.recommender

    def take(self, load: Load | None, now_s: float, *, over_change: Load | None = None) -> int:
        """Take in what a tick measured, None: nothing; returns how many slices closed by it.

        `over_change`: what it measured over a change of the vCPUs, which only the service level goes by.
        """
        if load is not None and not load.starved:
            self.recommender.take(load, now_s)
        closed = self.slo.feed(load or over_change, now_s)
        for outcome in closed:
            self.recommender.judge(outcome, now_s)
        return len(closed)

    def shrunk(self, now_s: float) -> None:
        """A shrink begins."""
        self._shrinks_s.append(now_s)

    def shrinks(self, now_s: float) -> int:
        """How many shrinks the last 24 hours have seen."""
        while self._shrinks_s and now_s - self._shrinks_s[0] >= DAY_S:
            self._shrinks_s.popleft()
        return len(self._shrinks_s)

    def dump(self, now_s: float) -> dict[str, object]:
        """As plain JSON values; times as ages."""
        dumped: dict[str, object] = {"slo": self.slo.dump(now_s)}
        if isinstance(self.recommender, ByBudget):
            dumped["adaptive"] = self.recommender.adaptive.dump(now_s)
        return dumped

    @classmethod
    def restore(
        cls, policy: Policy, dumped: Mapping[str, object], now_s: float, *, away_s: float, lag_s: float
    ) -> Learned:
        """What was dumped `away_s` ago on the wall clock, as far as it can be read and means the same now."""
        learned = cls(policy, now_s, lag_s=lag_s)
        away_s = max(0.0, away_s)
        with suppress(ValueError):
            learned.slo = Slo.load(policy.sla, branch(dumped, "slo"), now_s, away_s)
            # Reached only where a good slice means the same now: what was learned for another is no guide.
            if isinstance(policy.strategy, AdaptiveStrategy):
                part = branch(dumped, "adaptive")
                adaptive = Adaptive.load(policy.strategy, policy.sla, part, now_s, away_s)
                learned.recommender = ByBudget(adaptive)
        return learned
