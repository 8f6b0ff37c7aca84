"""Says which backends the contract was held against, so that none drops out unseen.

Invariant: a strict session (on CI) in which a chosen test did not run on its backend fails, whatever the
reason. What the user left out on the command line was not chosen.

A test's reports carry the name of its backend: where workers run the tests, reports are all that the process
hears of them which counts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIXTURE = "backend"
"""The parametrized fixture by whose value a test belongs to a backend."""


class Census:
    """A pytest plugin: counts, backend by backend, what was chosen and what ran."""

    def __init__(self, backends: Sequence[str], *, strict: bool) -> None:
        """Expect these backends; where `strict`, a test that does not run fails the session."""
        self._backends = backends
        self._strict = strict
        self._chosen: dict[str, str] = {}
        """Test -> its backend."""
        self._passed: dict[str, bool] = {}
        """Test that ran -> whether it passed."""
        self._reasons: dict[str, list[str]] = {}
        """Backend -> why tests were skipped, each reason once."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Have each test's reports say its backend."""
        for item in items:
            parameters = getattr(getattr(item, "callspec", None), "params", {})
            if FIXTURE in parameters:
                item.user_properties.append((FIXTURE, parameters[FIXTURE]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came of one phase of a test."""
        backend = dict(report.user_properties).get(FIXTURE)
        if not isinstance(backend, str):
            return
        self._chosen[report.nodeid] = backend
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reasons = self._reasons.setdefault(backend, [])
            if reason not in reasons:
                reasons.append(reason)
        elif report.when == "call" or report.failed:
            self._passed[report.nodeid] = self._passed.get(report.nodeid, True) and report.passed

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a strict session that left something out."""
        if self._strict and self._left_out and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print one line a backend, where any test of the contract was chosen."""
        if not self._chosen:
            return
        terminalreporter.section("contract backends")
        for line in self.lines():
            terminalreporter.line(line)
        if self._strict and self._left_out:
            terminalreporter.line("CI=true: a backend that did not run fails the session", red=True)

    @property
    def _left_out(self) -> Counter[str]:
        """Backend -> how many of its chosen tests did not run."""
        return Counter(backend for test, backend in self._chosen.items() if test not in self._passed)

    def lines(self) -> Iterator[str]:
        """What is to be said of each backend."""
        chosen, left_out = Counter(self._chosen.values()), self._left_out
        failed = Counter(self._chosen[test] for test, passed in self._passed.items() if not passed)
        width = max(len(backend) for backend in self._backends)
        for backend in self._backends:
            told = _told(chosen[backend], left_out[backend], failed[backend])
            reasons = "; ".join(reason.removeprefix("Skipped: ") for reason in self._reasons.get(backend, ()))
            yield f"{backend:{width}}  {told}{': ' if reasons else ''}{reasons}"


def _told(chosen: int, left_out: int, failed: int) -> str:
    if not chosen:
        return "not chosen"
    if left_out == chosen:
        return "NOT RUN"
    failures = f", {failed} FAILED" if failed else ""
    if left_out:
        return f"ran {chosen - left_out} of {chosen} tests{failures}, {left_out} NOT RUN"
    return f"ran {chosen} tests{failures}"
