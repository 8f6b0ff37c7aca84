"""The summary of backends: what it prints, and when it fails the session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

CONFTEST = """\
import os
import pytest
from tests.contract.census import Census

def pytest_configure(config):
    config.pluginmanager.register(Census(("near", "far"), strict=os.environ.get("CI") == "true"))

@pytest.fixture(scope="session", params=["near", "far"])
def backend(request):
    if request.param == "far":
        pytest.skip("the far one needs a ship")
    return request.param
"""
SUITE = """\
def test_one(backend): pass
def test_two(backend): pass
"""
OTHERS = """\
def test_of_something_else(): pass
"""


def session(folder: Path, *arguments: str, suite: str = SUITE, strict: bool) -> tuple[int, str]:
    """Run a small suite over two backends, one of which is not here; exit code and output."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_suite.py").write_text(suite)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "CI": "true" if strict else ""}
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, str(folder)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("strict", "code"), [pytest.param(True, 1, id="fails on CI"), pytest.param(False, 0, id="is told")]
)
def test_a_backend_that_did_not_run_with_its_reason(tmp_path: Path, code: int, *, strict: bool) -> None:
    exit_code, output = session(tmp_path, strict=strict)

    assert exit_code == code
    assert "near  ran 2 tests" in output
    assert "far   NOT RUN: the far one needs a ship" in output


def test_a_backend_that_the_user_left_out_fails_nothing(tmp_path: Path) -> None:
    exit_code, output = session(tmp_path, "-k", "near", strict=True)

    assert exit_code == 0
    assert "far   not chosen" in output


def test_a_single_test_that_did_not_run_is_counted_and_fails_on_ci(tmp_path: Path) -> None:
    suite = SUITE + "    import pytest; pytest.skip('not today')\n"
    exit_code, output = session(
        tmp_path,
        "-k",
        "near",
        suite=suite.replace("test_two(backend): pass", "test_two(backend):"),
        strict=True,
    )

    assert exit_code == 1
    assert "near  ran 1 of 2 tests, 1 NOT RUN: not today" in output


def test_what_workers_ran_is_counted_as_one(tmp_path: Path) -> None:
    exit_code, output = session(tmp_path, "-p", "xdist", "--numprocesses", "2", strict=True)

    assert exit_code == 1
    assert "near  ran 2 tests" in output
    assert "far   NOT RUN: the far one needs a ship" in output


def test_failures_are_counted_apart(tmp_path: Path) -> None:
    exit_code, output = session(tmp_path, "-k", "near", suite=SUITE.replace("pass", "assert 0"), strict=False)

    assert exit_code == 1
    assert "near  ran 2 tests, 2 FAILED" in output


@pytest.mark.parametrize(
    ("arguments", "suite"),
    [
        pytest.param((), OTHERS, id="other tests"),
        pytest.param(("--collect-only",), SUITE, id="collecting only"),
    ],
)
def test_nothing_is_said_where_nothing_was_to_run(
    tmp_path: Path, arguments: tuple[str, ...], suite: str
) -> None:
    exit_code, output = session(tmp_path, *arguments, suite=suite, strict=True)

    assert exit_code == 0
    assert "contract backends" not in output
