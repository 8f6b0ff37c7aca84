"""What is counted of a domain, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.model import MissingReason
from autoscaler.service.tally import TallyCounter
from tests.fakes.examples import MISSING

OF_AGENT = [reason for reason in MissingReason if reason.startswith("agent-")]


@pytest.mark.parametrize("reason", MissingReason)
def test_an_error_is_the_agents_only_where_the_agent_is_at_fault(reason: MissingReason) -> None:
    tally = TallyCounter()
    for _ in range(2):
        tally.missed(replace(MISSING, reason=reason))
    assert tally.frozen().agent_errors == ({reason: 2} if reason in OF_AGENT else {})
