"""What a set of policies that takes another's place changes."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.policy import Policy, PolicySet, Schedule, TargetStrategy
from autoscaler.core.policy_changes import PolicyChanges, differences
from tests.fakes.examples import POLICY

WEB, DB, OLD = (replace(POLICY, name=name) for name in ("web", "db", "old"))


def changes(before: tuple[Policy, ...], after: tuple[Policy, ...]) -> PolicyChanges:
    return differences(PolicySet(before, "one"), PolicySet(after, "two"))


@pytest.mark.parametrize(
    ("before", "after", "expected", "sentence"),
    [
        pytest.param((), (), PolicyChanges(), "nothing changed", id="nothing"),
        pytest.param((WEB, DB), (WEB, DB), PolicyChanges(), "nothing changed", id="the same"),
        pytest.param((), (WEB,), PolicyChanges(added=("web",)), "web added", id="added"),
        pytest.param((WEB,), (), PolicyChanges(removed=("web",)), "web removed", id="removed"),
        pytest.param(
            (WEB,),
            (replace(WEB, source="other.yaml:9"),),
            PolicyChanges(),
            "nothing changed",
            id="only written elsewhere",
        ),
        pytest.param(
            (WEB, OLD),
            (DB, replace(WEB, max_vcpus=8)),
            PolicyChanges(added=("db",), removed=("old",), changed=("web",), keys={"web": ("vcpus",)}),
            "web changed in vcpus, db added, old removed",
            id="one of each",
        ),
        pytest.param(
            (WEB, DB, OLD),
            (DB, WEB, OLD),
            PolicyChanges(reordered=True),
            "their order changed",
            id="another order",
        ),
        pytest.param(
            (WEB, DB), (OLD, WEB, DB), PolicyChanges(added=("old",)), "old added", id="one put in front"
        ),
        pytest.param(
            (WEB,),
            (replace(WEB, strategy=TargetStrategy(utilization_ratio=0.5)),),
            PolicyChanges(changed=("web",), keys={"web": ("strategy",)}),
            "web changed in strategy",
            id="deep inside",
        ),
    ],
)
def test_sets_differ_by_what_their_policies_mean(
    before: tuple[Policy, ...], after: tuple[Policy, ...], expected: PolicyChanges, sentence: str
) -> None:
    assert changes(before, after) == expected
    assert str(changes(before, after)) == sentence


def test_many_changes_are_counted_and_not_named() -> None:
    many = tuple(replace(POLICY, name=f"web-{number}") for number in range(11))
    assert str(changes((OLD,), many)) == "11 added, 1 removed"


def test_a_schedule_read_again_is_the_same() -> None:
    def scheduled() -> Policy:
        schedule = Schedule(
            name="office hours",
            days=frozenset({0}),
            from_minute=480,
            to_minute=1080,
            timezone=ZoneInfo("Europe/Berlin"),
            min_vcpus=4,
        )
        return replace(WEB, schedules=(schedule,))

    assert changes((scheduled(),), (scheduled(),)) == PolicyChanges()
