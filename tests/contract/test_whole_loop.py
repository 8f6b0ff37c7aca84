"""The service over each backend whose guests can be asked: from one vCPU to three under load, and back."""

from __future__ import annotations

from pathlib import Path

from autoscaler.core.operation import Direction, Outcome
from autoscaler.service.snapshot import DomainSnapshot
from tests.contract.abilities import on_backends_whose_guests_give_back, on_backends_with_agent
from tests.contract.backend import BOOT_PLUGGED, Backend, eventually
from tests.fakes.quick_policy import quick_policy

POLICY = quick_policy(match="loop", max_vcpus=3, utilization="10%")
LOAD = 0.27
"""Wants three vCPUs at 10 %, and so little of the host that they seldom wait for its CPUs: growth would
rightly be held back while they do."""
PATIENCE_S = 60.0


@on_backends_with_agent
def test_a_loaded_guest_is_grown_relieved_and_shrunk_again(backend: Backend, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with backend.booted("loop") as inhabited, backend.serving(policy, tmp_path) as newest:

        def seen(*, online: int) -> DomainSnapshot | None:
            return next((domain for domain in newest().domains if domain.online == online), None)

        idle = eventually(lambda: seen(online=BOOT_PLUGGED), within_s=PATIENCE_S)
        assert idle.view.plugged == BOOT_PLUGGED

        inhabited.guest.load(LOAD)
        grown = eventually(lambda: seen(online=3), within_s=PATIENCE_S)
        assert inhabited.domain.vcpus()[0] == 3
        assert grown.source is not None

        inhabited.guest.load(0)
        small = eventually(lambda: seen(online=1), within_s=PATIENCE_S)
        assert inhabited.domain.vcpus()[0] == small.view.plugged == 3, "kept plugged, for the next growth"
        done = eventually(lambda: newest().domains[0].last_operation)
        assert (done.direction, done.outcome) == (Direction.DOWN, Outcome.DONE)
        assert small.tally.operations[Direction.UP] >= 1
        assert not small.tally.failures


@on_backends_whose_guests_give_back
def test_vcpus_that_are_not_needed_go_back_to_the_host_and_come_again(
    backend: Backend, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("cooldown: 1s}", "cooldown: 1s, reclaim: unplug}"))
    with backend.booted("loop") as inhabited, backend.serving(policy, tmp_path) as newest:

        def seen(*, plugged: int, online: int) -> DomainSnapshot | None:
            found = (domain for domain in newest().domains if domain.online == online)
            return next((domain for domain in found if domain.view.plugged == plugged), None)

        for _ in range(2):
            inhabited.guest.load(LOAD)
            eventually(lambda: seen(plugged=3, online=3), within_s=PATIENCE_S)
            inhabited.guest.load(0)
            small = eventually(lambda: seen(plugged=1, online=1), within_s=PATIENCE_S)
            assert inhabited.domain.vcpus()[0] == 1

        done = eventually(lambda: newest().domains[0].last_removal)
        assert (done.direction, done.outcome) == (Direction.UNPLUG, Outcome.DONE)
        assert small.tally.operations[Direction.UNPLUG] == 4
        assert not small.tally.failures
        assert not small.conditions
