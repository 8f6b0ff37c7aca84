"""When two policies fit one domain, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.core.policy import Match
from autoscaler.policyfile.overlaps import MOST_NAMED, overlaps
from tests.fakes.policy_files import load

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
GOLD = (("tier", "gold"),)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("earlier", "later", "shared"),
    [
        pytest.param(Match(name=("a",)), Match(name=("a",)), ("a", ""), id="same name"),
        pytest.param(Match(name=("web-?",)), Match(name=("web-?",)), ("web-1", ""), id="same pattern"),
        pytest.param(Match(name=("web-1",)), Match(name=("web-*",)), ("web-1", ""), id="name in pattern"),
        pytest.param(Match(name=("web-*",)), Match(name=("web-1",)), ("web-1", ""), id="pattern before name"),
        pytest.param(Match(name=("*-db",)), Match(name=("shop-*",)), ("shop-db", ""), id="end and start"),
        pytest.param(Match(name=("x", "b*")), Match(name=("a", "b1")), ("b1", ""), id="one of several"),
        pytest.param(
            Match(name=("web-*",)),
            Match(name=("web-*",), not_name=("web-1",)),
            ("web-", ""),
            id="left out but for others",
        ),
        pytest.param(Match(uuid=(UUID,)), Match(uuid=(UUID,)), ("", UUID), id="same UUID"),
        pytest.param(
            Match(uuid=(UUID,)), Match(name=("*",), not_name=("a",)), ("", UUID), id="nearly any name"
        ),
        pytest.param(
            Match(name=("web-*",), metadata=GOLD), Match(name=("web-*",)), ("web-1", ""), id="labels in one"
        ),
        pytest.param(Match(metadata=GOLD), Match(name=("web-*",)), ("web-1", ""), id="labels alone"),
        pytest.param(Match(metadata=GOLD), Match(metadata=(("team", "x"),)), ("1", ""), id="two labels"),
        pytest.param(
            Match(metadata=(("tier", "g*"),)),
            Match(metadata=(("tier", "*d"),)),
            ("1", ""),
            id="label patterns",
        ),
    ],
)
def test_an_overlap_is_found_with_a_domain_that_both_fit(
    earlier: Match, later: Match, shared: tuple[str, str]
) -> None:
    ((index, (overlap,)),) = overlaps([earlier, later])
    assert (index, overlap.earlier) == (1, 0)
    assert (overlap.shared.name, overlap.shared.uuid) == shared


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(Match(name=("web-*",)), Match(name=("db-*",)), id="other names"),
        pytest.param(
            Match(name=("web-canary*",)),
            Match(name=("web-*",), not_name=("web-canary*",)),
            id="left out in the later one",
        ),
        pytest.param(
            Match(name=("*",), not_name=("web-*",)), Match(name=("web-1",)), id="left out in the earlier one"
        ),
        pytest.param(
            Match(name=("*",), metadata=GOLD), Match(metadata=(("tier", "silver"),)), id="other labels"
        ),
        pytest.param(Match(uuid=(UUID,)), Match(name=("web-*",)), id="a UUID's name is not known"),
        pytest.param(
            Match(metadata=(("autoscaling", "o[f]f"),)), Match(name=("?*",)), id="domains that opted out"
        ),
    ],
)
def test_policies_that_share_no_domain_do_not_overlap(earlier: Match, later: Match) -> None:
    assert list(overlaps([earlier, later])) == []


def test_the_first_few_overlaps_of_a_policy_are_named() -> None:
    matches = [Match(name=(f"a{number}",)) for number in range(9)]
    ((index, found),) = overlaps([*matches, Match(name=("a*",))])
    assert index == 9
    assert [overlap.earlier for overlap in found] == list(range(MOST_NAMED))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "matches",
    [
        pytest.param([Match(name=(f"*{number:04}?",)) for number in range(3000)], id="no letter in common"),
        pytest.param([Match(name=("*" + "a?" * 12 + "*",))] * 3000, id="long patterns"),
        pytest.param(
            [Match(name=tuple(f"{one}*{other}" for one in range(999))) for other in range(60)], id="lists"
        ),
    ],
)
def test_comparing_ends_whatever_the_patterns(matches: list[Match]) -> None:
    assert len(list(overlaps(matches))) < len(matches)


def warnings(*policies: str) -> list[str]:
    lines = "".join(f"  - {{{policy}}}\n" for policy in policies)
    return [str(warning) for warning in load(f"version: 1\npolicies:\n{lines}").warnings]


def test_two_policies_that_fit_one_domain_are_warned_of_with_both_lines() -> None:
    (warning,) = warnings(
        "name: canary, match: {name: ['web-canary*']}", "name: web, match: {name: ['web-*']}"
    )
    assert warning == (
        "0.yaml:4:5: the policy 'web' fits domains that go to an earlier one: 'canary' at 0.yaml:3"
        " (for example 'web-canary1'); if that is meant, 'not_name' can leave them out here"
    )


def test_one_warning_names_every_label_that_the_domain_needs() -> None:
    (warning,) = warnings(
        "name: gold, match: {metadata: {tier: gold}}",
        "name: shop, match: {name: ['shop-*'], metadata: {team: 's*'}}",
    )
    assert "'gold' at 0.yaml:3 (for example 'shop-1' with 'tier=gold', 'team=s1')" in warning


def test_a_policy_for_what_all_others_leave_is_not_warned_of() -> None:
    assert warnings("name: web, match: {name: ['web-*']}", "name: rest, match: {name: ['*']}") == []


def test_a_policy_for_nearly_everything_is_warned_of_once() -> None:
    (warning,) = warnings(
        *(f"name: n{number}, match: {{name: [n{number}]}}" for number in range(5)),
        "name: rest, match: {name: ['*'], not_name: [db]}",
    )
    assert "'n0' at 0.yaml:3 (for example 'n0'), 'n1' at 0.yaml:4 (for example 'n1'), 'n2'" in warning
    assert " and others; " in warning


def test_a_policy_that_never_governs_is_not_said_to_overlap_as_well() -> None:
    (warning,) = warnings("name: all, match: {name: ['*']}", "name: web, match: {name: ['web-*']}")
    assert warning == (
        "0.yaml:4:5: the policy 'web' never governs a domain; 'all' at 0.yaml:3 comes first and fits all that"
        " this one fits"
    )


def test_a_policy_whose_match_was_refused_is_not_compared() -> None:
    assert warnings("name: a, match: {name: x}", "name: b, match: {name: [x]}") == []
