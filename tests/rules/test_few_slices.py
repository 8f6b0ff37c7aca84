"""Objectives under which few slices may be bad: nobody is woken up for one of them, or for what is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoscaler.core.policy import Match, Policy, Sla
from autoscaler.rules import Options, document
from tests.rules.asked import RULES, check
from tests.rules.rule_cases import Case, Slices, fires, promise, quiet

WEB = Policy(name="web", match=Match(name=("web-*",)))
FAST = "VcpuAutoscalerSlaBurnsFast"
SLOW = "VcpuAutoscalerSlaBurnsSlow"


def slices(bad: Collection[int], count: int) -> Slices:
    """So many slices, a step each, those with these numbers bad."""
    spoilt = [sum(number < done for number in bad) for done in range(count + 1)]
    good = [done - lost for done, lost in enumerate(spoilt)]
    return " ".join(map(str, good)), " ".join(map(str, spoilt))


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A service level, and how its slices are told to promtool."""

    sla: Sla
    step: str
    count: int
    """So many slices are over when it is asked."""

    def story(self, alert: str, bad: Collection[int], *, fire: bool) -> Case:
        known = f"{self.sla.objective_ratio}x{self.count}"
        series = promise(slices(bad, self.count), online=2, known=known)
        at = f"{round(self.count * self.sla.slice_s)}s"
        return (fires if fire else quiet)(alert, "", series, at, step=self.step)


SECONDS = Promise(sla=Sla(objective_ratio=0.9999, slice_s=10.0), step="10s", count=240)
"""26 of the slices of 30 days may be bad."""
MINUTES = Promise(sla=Sla(objective_ratio=0.999, slice_s=300.0), step="5m", count=300)
"""8 of them."""


@pytest.mark.parametrize(
    ("told", "alert", "bad", "fire"),
    [
        pytest.param(SECONDS, FAST, {220}, False, id="one"),
        pytest.param(SECONDS, FAST, {220, 221}, False, id="one event across a border"),
        pytest.param(SECONDS, FAST, {219, 220, 221}, True, id="three in a row"),
        pytest.param(SECONDS, FAST, {30, 220, 225}, True, id="it comes again"),
        pytest.param(SECONDS, FAST, {20, 21, 22}, False, id="three, which are over"),
        pytest.param(SECONDS, FAST, {30, 100, 220}, False, id="three in an hour, one of them of late"),
        pytest.param(MINUTES, FAST, {297}, False, id="one of 5 minutes"),
        pytest.param(MINUTES, FAST, {296, 297}, False, id="two of 5 minutes"),
        pytest.param(MINUTES, FAST, {295, 296, 297}, True, id="a quarter of an hour"),
        pytest.param(MINUTES, SLOW, {297}, False, id="one in a day"),
        pytest.param(MINUTES, SLOW, {100, 297}, True, id="two in a day"),
    ],
)
def test_an_alert_needs_more_bad_slices_than_one_event_spoils(
    told: Promise, alert: str, bad: set[int], *, fire: bool, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(document((replace(WEB, sla=told.sla),), Options()))
    check(rules, tmp_path, told.story(alert, bad, fire=fire))


@pytest.mark.parametrize(
    ("told", "bad", "fire"),
    [
        pytest.param(SECONDS, {220, 221}, False, id="one event across a border"),
        pytest.param(SECONDS, {219, 220, 221}, True, id="three in a row"),
        pytest.param(MINUTES, {296, 297}, False, id="two of 5 minutes"),
        pytest.param(MINUTES, {295, 296, 297}, True, id="a quarter of an hour"),
    ],
)
def test_the_shipped_rules_need_as_many(told: Promise, bad: set[int], *, fire: bool, tmp_path: Path) -> None:
    check(RULES, tmp_path, told.story(FAST, bad, fire=fire))
