"""A policy under which a guest grows at once and shrinks within seconds, for tests that cannot wait."""

from __future__ import annotations


def quick_policy(*, match: str = "*", max_vcpus: int = 4, utilization: str = "70%") -> str:
    """The text of a policy file."""
    return f"""\
version: 1
policies:
  - name: quick
    match: {{name: ["{match}"]}}
    vcpus: {{min: 1, max: {max_vcpus}}}
    strategy: {{target: {{utilization: {utilization}, tolerance: 10%, hold: 3s}}}}
    limits: {{up: {{cooldown: 0s}}, down: {{step: 1, cooldown: 1s}}}}
    missing: {{stale_after: 10s}}
"""


QUICK_POLICY = quick_policy()
"""For every guest."""
