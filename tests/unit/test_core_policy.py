"""Which policy governs which domain."""

from __future__ import annotations

import pickle
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.policy import Match, Mode, Policy, PolicySet, Schedule
from tests.fakes.examples import DOMAIN, POLICY


@pytest.mark.parametrize(
    ("match", "name", "fits"),
    [
        pytest.param(Match(name=("web-*",)), "web-1", True, id="pattern"),
        pytest.param(Match(name=("web-*",)), "Web-1", False, id="case counts"),
        pytest.param(Match(name=("web-*",)), "my-web-1", False, id="the whole name"),
        pytest.param(Match(name=("db", "web-?")), "web-1", True, id="any of the patterns"),
        pytest.param(Match(name=("web-[12]",)), "web-3", False, id="set of characters"),
        pytest.param(Match(name=("*",), not_name=("web-1",)), "web-1", False, id="taken out"),
        pytest.param(Match(uuid=(DOMAIN.uuid,)), "anything", True, id="by uuid"),
        pytest.param(Match(uuid=(DOMAIN.uuid,), not_name=("any*",)), "anything", False, id="uuid taken out"),
        pytest.param(Match(), "web-1", False, id="a match of nothing fits nothing"),
        pytest.param(Match(name=("web-*",)), "web-\n\u202e" + "x" * 200, True, id="hostile name"),
    ],
)
def test_a_match_fits_by_name_or_uuid_unless_taken_out(match: Match, name: str, *, fits: bool) -> None:
    assert match.fits(name, DOMAIN.uuid, {}) is fits


GOLD = (("tier", "gold"),)


@pytest.mark.parametrize(
    ("match", "labels", "fits"),
    [
        pytest.param(Match(metadata=GOLD), {"tier": "gold"}, True, id="a label alone"),
        pytest.param(Match(metadata=GOLD), {"tier": "silver"}, False, id="another value"),
        pytest.param(Match(metadata=GOLD), {}, False, id="no such label"),
        pytest.param(Match(metadata=(("tier", "g*"),)), {"tier": "gold", "team": "a"}, True, id="a pattern"),
        pytest.param(Match(name=("web-*",), metadata=GOLD), {"tier": "gold"}, True, id="name and label"),
        pytest.param(
            Match(name=("db-*",), metadata=GOLD), {"tier": "gold"}, False, id="the name does not fit"
        ),
        pytest.param(Match(name=("web-*",), metadata=GOLD), {}, False, id="the label does not fit"),
        pytest.param(Match(metadata=GOLD, not_name=("web-1",)), {"tier": "gold"}, False, id="taken out"),
        pytest.param(
            Match(name=("web-*",), not_metadata=GOLD), {"tier": "gold"}, False, id="taken out by label"
        ),
        pytest.param(Match(name=("web-*",), not_metadata=GOLD), {"tier": "tin"}, True, id="another label"),
    ],
)
def test_labels_narrow_a_match_or_make_one(match: Match, labels: dict[str, str], *, fits: bool) -> None:
    assert match.fits("web-1", DOMAIN.uuid, labels) is fits


def test_a_domain_whose_owner_opted_out_is_left_alone_whatever_fits() -> None:
    policies = PolicySet(policies=(replace(POLICY, match=Match(name=("*",))),))
    assert policies.governing("web-1", DOMAIN.uuid, {"autoscaling": "off"}) is None
    assert policies.governing("web-1", DOMAIN.uuid, {"autoscaling": " OFF"}) is None
    assert policies.governing("web-1", DOMAIN.uuid, {"autoscaling": "on"}) is not None


def test_the_first_policy_that_fits_governs() -> None:
    first = replace(POLICY, name="first", match=Match(name=("web-1",)))
    second = replace(POLICY, name="second", match=Match(name=("*",)))
    policies = PolicySet(policies=(first, second))
    assert policies.governing("web-1", "u") is first
    assert policies.governing("web-2", "u") is second


def test_a_domain_that_no_policy_fits_is_left_alone() -> None:
    assert PolicySet(policies=(POLICY,)).governing("db", "u") is None
    assert PolicySet().governing("web-1", "u") is None


def test_a_policy_comes_whole_to_another_process() -> None:
    schedule = Schedule(
        name="nights",
        days=frozenset({5, 6}),
        from_minute=0,
        to_minute=360,
        timezone=ZoneInfo("Europe/Berlin"),
        mode=Mode.UP_ONLY,
    )
    policies = PolicySet(
        policies=(Policy(name="web", match=Match(name=("web-*",)), schedules=(schedule,)),), digest="d"
    )
    assert pickle.loads(pickle.dumps(policies)) == policies
