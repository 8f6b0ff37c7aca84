"""What two shell patterns have in common."""

from __future__ import annotations

import pytest

from autoscaler.policyfile.glob import common, is_literal, literal_start, may_meet, wider


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        pytest.param("web", "web", "web", id="same text"),
        pytest.param("web-*", "web-canary*", "web-canary1", id="one within the other"),
        pytest.param("web-?", "web-*", "web-1", id="one character"),
        pytest.param("*-db", "web-*", "web-db", id="start and end"),
        pytest.param("a*b", "*x*", "axb", id="text between"),
        pytest.param("a?c", "*[b-z]*", "axc", id="set within any text"),
        pytest.param("[!a]", "[!1]", "x", id="two sets of what is not"),
        pytest.param("web-[12]", "web-[2-9]", "web-2", id="sets that share one"),
        pytest.param("[é-ü]", "?", "é", id="letters of another alphabet"),
        pytest.param("[]]", "*", "]", id="bracket in a set"),
        pytest.param("a[b", "a?b", "a[b", id="bracket that is never closed"),
        pytest.param("[*]", "*", "*", id="star in a set"),
        pytest.param("*", "*", "1", id="everything"),
    ],
)
def test_a_text_that_both_patterns_fit_is_found(first: str, second: str, text: str) -> None:
    assert next(common(first, second), None) == text
    assert next(common(second, first), None) == text
    assert may_meet(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("web-*", "db-*", id="other start"),
        pytest.param("*-web", "*-db", id="other end"),
        pytest.param("web-1", "web-2", id="other text"),
        pytest.param("web-?", "web-10", id="longer text"),
        pytest.param("ab*ba", "aba", id="start and end overlap"),
        pytest.param("a*x*b", "a[yz]b", id="character that is not there"),
        pytest.param("[ab]", "[cd]", id="sets apart"),
        pytest.param("[z-a]", "*", id="set of nothing"),
        pytest.param("WEB", "web", id="capitals"),
        pytest.param("?" * 70, "*" + "?" * 70, id="too long to be worth it"),
    ],
)
def test_patterns_that_share_no_text_have_nothing_in_common(first: str, second: str) -> None:
    assert list(common(first, second)) == []
    assert list(common(second, first)) == []


def test_several_texts_are_offered_where_any_text_will_do() -> None:
    assert list(common("web-*", "*")) == ["web-1", "web-", "web-a", "web-x-1"]


@pytest.mark.parametrize(
    ("pattern", "other", "result"),
    [
        pytest.param("web-*", "web-?", True, id="any text over one character"),
        pytest.param("*", "[ab]", False, id="a set is not looked into"),
        pytest.param("web-?", "web-1", False, id="nor is one character"),
        pytest.param("a[", "a[", True, id="equal"),
        pytest.param("a", "ab", False, id="longer"),
    ],
)
def test_a_pattern_is_wider_only_where_its_form_shows_it(pattern: str, other: str, *, result: bool) -> None:
    assert wider(pattern, other) is result


def test_the_letters_before_the_first_wildcard_are_its_start() -> None:
    assert [literal_start(pattern) for pattern in ("web-*", "a?b", "a[b]", "abc", "*")] == [
        "web-",
        "a",
        "a",
        "abc",
        "",
    ]
    assert is_literal("web]")
    assert not is_literal("web*")
