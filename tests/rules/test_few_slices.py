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


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A service level, and for how many of its slices it is watched until it is asked."""

    sla: Sla
    step: str
    count: int

    def rules(self, folder: Path) -> Path:
        """Rules of a policy that promises it."""
        file = folder / "rules.yaml"
        file.write_text(document((replace(WEB, sla=self.sla),), Options()))
        return file

    def story(self, bad: Collection[int], *, fire: bool) -> Case:
        """The slices with these numbers were bad."""
        spoilt = [sum(number < over for number in bad) for over in range(self.count + 1)]
        good = [over - lost for over, lost in enumerate(spoilt)]
        slices = " ".join(map(str, good)), " ".join(map(str, spoilt))
        series = promise(slices, online=2, known=f"{self.sla.objective_ratio}x{self.count}")
        at = f"{round(self.count * self.sla.slice_s)}s"
        return (fires if fire else quiet)(FAST, "", series, at, step=self.step)


SECONDS = Promise(sla=Sla(objective_ratio=0.9999, slice_s=10.0), step="10s", count=240)
"""26 of the slices of 30 days may be bad."""
MINUTES = Promise(sla=Sla(objective_ratio=0.999, slice_s=300.0), step="5m", count=300)
"""8 of them."""


@pytest.mark.parametrize(
    ("told", "bad", "fire"),
    [
        pytest.param(SECONDS, {220}, False, id="one"),
        pytest.param(SECONDS, {220, 221}, False, id="one event across a border"),
        pytest.param(SECONDS, {219, 220, 221}, True, id="three in a row"),
        pytest.param(SECONDS, {30, 220, 225}, True, id="it comes again"),
        pytest.param(SECONDS, {20, 21, 22}, False, id="three, which are over"),
        pytest.param(SECONDS, {30, 100, 220}, False, id="three in an hour, one of them of late"),
        pytest.param(MINUTES, {297}, False, id="one of 5 minutes"),
        pytest.param(MINUTES, {296, 297}, False, id="two of 5 minutes"),
        pytest.param(MINUTES, {295, 296, 297}, True, id="a quarter of an hour"),
    ],
)
def test_nobody_is_woken_up_for_what_one_event_can_spoil(
    told: Promise, bad: set[int], *, fire: bool, tmp_path: Path
) -> None:
    check(told.rules(tmp_path), tmp_path, told.story(bad, fire=fire))


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
    check(RULES, tmp_path, told.story(bad, fire=fire))


@pytest.mark.parametrize(
    ("told", "slices", "fire"),
    [
        pytest.param(MINUTES, ("0+1x290 290+1x20", "0x290 1x20"), True, id="one, an eighth of the budget"),
        pytest.param(SECONDS, ("0+30x320", "0x290 2x30"), False, id="two, less than a tenth"),
        pytest.param(SECONDS, ("0+30x320", "0x290 3x30"), True, id="three, more than a tenth"),
    ],
)
def test_what_spends_a_tenth_of_a_budget_in_a_day_is_a_warning(
    told: Promise, slices: Slices, *, fire: bool, tmp_path: Path
) -> None:
    series = promise(slices, online=2, known=f"{told.sla.objective_ratio}x320")
    check(told.rules(tmp_path), tmp_path, (fires if fire else quiet)(SLOW, "", series, "1500m", step="5m"))
