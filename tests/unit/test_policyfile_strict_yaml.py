"""Reading YAML text: what is refused, where, and in which words, by both parsers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from autoscaler.policyfile import strict_yaml
from autoscaler.policyfile.strict_yaml import MAX_VALUES, Document, Scalar, read_document
from autoscaler.policyfile.syntax import MAX_DEPTH, TOO_DEEP
from autoscaler.policyfile.text_file import MAX_BYTES, decode, read_text_file
from tests.fakes.as_nobody import as_nobody

if TYPE_CHECKING:
    from pathlib import Path


TAG_RULE = "is a YAML tag, which is not allowed; the key decides how a value is read"


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs over libyaml and over PyYAML's own parser; this PyYAML has both."""
    monkeypatch.setattr(strict_yaml, "LOADER", getattr(yaml, request.param))


def read(content: str | bytes) -> Document:
    return read_document(decode("f", content.encode() if isinstance(content, str) else content))


def said(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


def test_scalars_stay_the_text_that_was_written() -> None:
    document = read("[22:30, on, No, 017, 1_000, .inf, ~, 1e3, 2026-11-23, =, <<]")
    texts = ["22:30", "on", "No", "017", "1_000", ".inf", "~", "1e3", "2026-11-23", "=", "<<"]
    assert document.data == [Scalar(text, plain=True) for text in texts]
    assert not document.problems


def test_quotes_are_remembered() -> None:
    assert read("['1', \"2\", 3]").data == [
        Scalar("1", plain=False),
        Scalar("2", plain=False),
        Scalar("3", plain=True),
    ]


def test_every_key_and_value_knows_its_place() -> None:
    document = read("a: 1\nlist:\n  - {b: é, c: 2}\n")
    assert document.keys[("list", 0, "c")] == (3, 12)
    assert document.values[("list", 0, "c")] == (3, 15)
    assert document.values[("list",)] == (3, 3)
    assert document.problem(("list", 0, "absent"), "x").column == 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", "f:1:1: the file is empty", id="nothing"),
        pytest.param("# only this\n\n", "f:1:1: the file is empty", id="comment"),
        pytest.param("---\n", "f:1:1: the file is empty", id="empty document"),
        pytest.param(
            "a: 1\n---\nb: 1\n",
            "f:2:1: a second YAML document starts here; a file holds one",
            id="two documents",
        ),
        pytest.param(
            "a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is given twice, first in line 1", id="duplicate"
        ),
        pytest.param(
            "a: {b: 1, 'b': [2, {c: 3}]}\n",
            "f:1:11: the key 'b' is given twice, first in line 1",
            id="quoted twice",
        ),
        pytest.param(
            "a: &x 1\n",
            "f:1:4: '&x' is a YAML anchor, which is not allowed; write each value out",
            id="anchor",
        ),
        pytest.param(
            "a: [*-web]\n",
            "f:1:5: '*-web' is a YAML alias, which is not allowed; write the value out, or quote a pattern",
            id="alias",
        ),
        pytest.param(
            "a: [*]\n", "f:1:5: an unquoted '*' starts a YAML alias; put the value in quotes", id="bare star"
        ),
        pytest.param(
            "a: & b\n",
            "f:1:4: an unquoted '&' starts a YAML anchor; put the value in quotes",
            id="bare ampersand",
        ),
        pytest.param(
            "a: !!int 1\n",
            f"f:1:4: 'tag:yaml.org,2002:int' {TAG_RULE}",
            id="tag",
        ),
        pytest.param(
            "a: !!python/object/apply:os.system [id]\n",
            f"f:1:4: 'tag:yaml.org,2002:python/object/apply:os.system' {TAG_RULE}",
            id="python tag",
        ),
        pytest.param("a:\n\tb: 1\n", "f:2:1: a tab cannot indent in YAML; use spaces", id="tab"),
        pytest.param(
            "a:\n  \tb: 1\n", "f:2:3: a tab cannot indent in YAML; use spaces", id="tab after blanks"
        ),
        pytest.param(
            b"\xef\xbb\xbfa: 1\n",
            "f:1:1: the file starts with a byte order mark; save it as UTF-8 without BOM",
            id="BOM",
        ),
        pytest.param(
            b"a: 1\nb: \xff\n", "f:2:4: byte 0xff is not UTF-8; save the file as UTF-8", id="latin-1"
        ),
        pytest.param(
            "a: é".encode("utf-16"), "f:1:1: byte 0xff is not UTF-8; save the file as UTF-8", id="UTF-16"
        ),
        pytest.param("a: 1\nb: x\0y\n", "f:2:5: the character U+0000 is not allowed; remove it", id="NUL"),
        pytest.param("a: \x1b[31m\n", "f:1:4: the character U+001B is not allowed; remove it", id="escape"),
        pytest.param(
            "a: \u2028b\n", "f:1:4: the character U+2028 is not allowed; remove it", id="line separator"
        ),
        pytest.param("a: 1\rb: 2\r", "f:1:5: the character U+000D is not allowed; remove it", id="lone CR"),
        pytest.param(
            "a: [1\n",
            "f:1:4: the '[' opened here is not closed, or a ',' between its entries is missing",
            id="bracket",
        ),
        pytest.param(
            "a: {b: 1\n",
            "f:1:4: the '{' opened here is not closed, or a ',' between its keys is missing",
            id="brace",
        ),
        pytest.param(
            "a:\n  - [1, {\n\n", "f:2:10: the file ends within a '[' or '{'; close it", id="end in bracket"
        ),
        pytest.param("a: [1,, 2]\n", "f:1:7: a value is missing here", id="two commas"),
        pytest.param(
            'a: "b\nc: d\n', "f:1:4: the quotation mark opened here is never closed", id="quotation"
        ),
        pytest.param(
            "a: b: c\n",
            "f:1:5: a ':' cannot stand here; check the indentation, or put the text in quotes",
            id="two colons",
        ),
        pytest.param(
            "a: - b\n", "f:1:4: a list cannot start here; put '- ' on the next line", id="list in line"
        ),
        pytest.param("a: @b\n", "f:1:4: '@' cannot start a value; put the value in quotes", id="reserved"),
        pytest.param("a: 80\nb\nc: 1\n", "f:2:1: a ':' is missing after this key", id="no colon"),
        pytest.param(
            "- a: 1\n b: 2\n",
            "f:2:2: this does not continue the lines above; check indentation, quotes and"
            " the '-' of list entries",
            id="indentation",
        ),
        pytest.param(
            "a:\n - b\n  - c\n",
            "f:2:4: 'b - c' runs over several lines; check the indentation of the next line",
            id="swallowed entry",
        ),
        pytest.param("? [a]\n: 1\n", "f:1:3: a key is a single word; this one is not", id="list as key"),
        pytest.param("?\n: 1\n", "f:1:2: a key is missing before the colon", id="no key"),
        pytest.param(
            "[" * (MAX_DEPTH + 1) + "x" + "]" * (MAX_DEPTH + 1),
            f"f:1:{MAX_DEPTH + 2}: {TOO_DEEP}",
            id="a level too deep",
        ),
        pytest.param(
            "[" + "a," * MAX_VALUES + "]",
            f"f:1:{2 * MAX_VALUES}: the file has over {MAX_VALUES} values; split it into several",
            id="many",
        ),
    ],
)
def test_what_surprises_is_refused_in_one_sentence_at_its_place(content: str | bytes, expected: str) -> None:
    assert said(read(content)) == [expected]


def test_text_that_only_nests_is_refused_in_one_sentence_wherever_the_parser_gave_up() -> None:
    (problem,) = read("[" * 100_000).problems
    assert (problem.line, problem.message) == (1, TOO_DEEP)


def test_an_unknown_backslash_is_named_in_its_line() -> None:
    (problem,) = read('a: 1\nb: "\\q"\n').problems
    assert (problem.line, problem.message) == (2, "this backslash escape is not known; use single quotes")


def test_reading_goes_on_after_what_can_be_passed_over() -> None:
    text = "a: &x 1\nb: *x\nb: {c: !t 2}\nd: [*x, 3]\n"
    assert [problem.line for problem in read(text).problems] == [1, 2, 3, 4]


def test_every_tab_is_named_and_tabs_in_comments_are_not() -> None:
    document = read("a:\n\tb: 1\n\t# c\n\n\t\n\tc: 2\n")
    assert [problem.line for problem in document.problems] == [2, 6]


def test_the_value_of_a_repeated_key_is_the_first_one() -> None:
    assert read("a: 1\na: {b: [2]}\nc: 3\n").data == {
        "a": Scalar("1", plain=True),
        "c": Scalar("3", plain=True),
    }


def test_an_alias_bomb_is_never_expanded() -> None:
    lines = [
        "a: &a [x, x]",
        *(
            f"{key}: &{key} [*{before}, *{before}]"
            for before, key in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ]
    assert len(read("\n".join(lines)).problems) == 9 + 16


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    missing = read_text_file(tmp_path / "none.yaml")
    assert [problem.message for problem in missing.problems] == [
        "the file cannot be read: No such file or directory"
    ]
    os.mkfifo(tmp_path / "fifo.yaml")
    fifo = read_text_file(tmp_path / "fifo.yaml")
    assert [problem.message for problem in fifo.problems] == [
        "the file cannot be read: it is not a regular file"
    ]


def test_a_file_that_may_not_be_read_is_a_problem_that_says_how_to_see_who_may(tmp_path: Path) -> None:
    path = tmp_path / "its own.yaml"
    path.touch(mode=0)
    with as_nobody():
        (problem,) = read_text_file(path).problems
        user = os.geteuid()
    assert "cannot be read: Permission denied" in problem.message
    assert f"`namei -l '{path}'`" in problem.message
    assert problem.message.endswith(f"user {user}")


def test_a_file_over_the_limit_is_refused_and_one_at_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES, b"x"))
    assert read_document(read_text_file(path)).data == {"a": Scalar("1", plain=True)}
    path.write_bytes(b"a: 1 #".ljust(MAX_BYTES + 1, b"x"))
    assert [problem.message for problem in read_text_file(path).problems] == [
        "the file has over 1048576 bytes; split it into several"
    ]
