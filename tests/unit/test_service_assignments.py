"""Which policy governs which domain is looked up once, and of domains that are gone nothing is kept."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.model import DomainId
from autoscaler.core.policy import Match, Mode, Policy, PolicySet
from autoscaler.service.assignments import Assignments
from tests.fakes.examples import VIEW

WEB = Policy(name="web", match=Match(name=("web-*",)))


def test_a_policy_of_mode_off_governs_nobody_and_is_told() -> None:
    off = replace(WEB, mode=Mode.OFF)
    assignments = Assignments(PolicySet(policies=(off,)))
    assert assignments.policy_of(VIEW) is None
    assert assignments.off_by(VIEW) is off
    assert assignments.off_by(replace(VIEW, name="other")) is None


def test_domains_that_are_gone_are_forgotten_whether_a_policy_fitted_them_or_not() -> None:
    assignments = Assignments(PolicySet(policies=(WEB,)))
    passing = [replace(VIEW, name=f"run-{n}", id=DomainId(VIEW.id.host, f"{n}")) for n in range(100)]
    for view in (VIEW, *passing):
        assignments.policy_of(view)
    assignments.keep_only({VIEW.id})
    assert set(assignments._known) == {VIEW.id}
    assert assignments.policy_of(VIEW) is WEB
