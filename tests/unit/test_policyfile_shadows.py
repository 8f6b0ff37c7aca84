"""When a policy can never be reached."""

from __future__ import annotations

import pytest

from autoscaler.core.policy import Match
from autoscaler.policyfile.shadows import shadowed

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
GOLD = (("tier", "gold"),)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(Match(name=("a",)), Match(name=("a",)), id="same name"),
        pytest.param(Match(name=("a?", "b")), Match(name=("a?",)), id="same pattern"),
        pytest.param(Match(name=("web-*",)), Match(name=("web-1",)), id="name within pattern"),
        pytest.param(Match(name=("web-*",)), Match(name=("web-?-*",)), id="pattern within pattern"),
        pytest.param(Match(name=("a*", "b*")), Match(name=("b1", "a1")), id="two within two"),
        pytest.param(Match(name=("a",)), Match(name=("a",), not_name=("b",)), id="later leaves out more"),
        pytest.param(Match(uuid=(UUID,)), Match(uuid=(UUID,)), id="same UUID"),
        pytest.param(Match(name=("*",)), Match(uuid=(UUID,)), id="everything"),
        pytest.param(Match(name=("a", "*")), Match(name=("b",), uuid=(UUID,)), id="everything and UUID"),
        pytest.param(Match(name=("a*",)), Match(name=("a1",), metadata=GOLD), id="later asks for labels"),
        pytest.param(Match(metadata=GOLD), Match(name=("a",), metadata=GOLD), id="any name with a label"),
        pytest.param(
            Match(metadata=(("tier", "g*"),)), Match(metadata=(*GOLD, ("team", "x"))), id="wider label"
        ),
    ],
)
def test_a_match_within_an_earlier_one_is_shadowed(earlier: Match, later: Match) -> None:
    assert list(shadowed([Match(name=("other",)), earlier, later])) == [(2, 1)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(Match(name=("a",)), Match(name=("a", "b")), id="more names"),
        pytest.param(Match(name=("a",)), Match(name=("a",), uuid=(UUID,)), id="more by UUID"),
        pytest.param(Match(name=("a",), not_name=("b",)), Match(name=("a",)), id="leaves out less"),
        pytest.param(Match(name=("web-?",)), Match(name=("web-*",)), id="narrower wildcard"),
        pytest.param(Match(name=("web-?",)), Match(name=("web-10",)), id="longer name"),
        pytest.param(Match(name=("a*x*b",)), Match(name=("a[xy]b",)), id="set of characters"),
        pytest.param(Match(uuid=(UUID,)), Match(name=("*",)), id="name after UUID"),
        pytest.param(Match(name=("WEB",)), Match(name=("web",)), id="capitals"),
        pytest.param(Match(name=("a*",), metadata=GOLD), Match(name=("a1",)), id="asks for labels"),
        pytest.param(
            Match(metadata=GOLD), Match(name=("a",), metadata=(("tier", "silver"),)), id="other label"
        ),
        pytest.param(Match(name=("a",)), Match(metadata=GOLD), id="labels alone"),
    ],
)
def test_a_match_that_reaches_further_is_not_shadowed(earlier: Match, later: Match) -> None:
    assert list(shadowed([earlier, later])) == []


def test_the_first_of_several_covering_matches_is_named() -> None:
    matches = [Match(name=("*",)), Match(name=("a*",)), Match(name=("a",))]
    assert list(shadowed(matches)) == [(1, 0), (2, 0)]
