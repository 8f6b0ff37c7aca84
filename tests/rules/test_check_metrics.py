"""What promtool says of the metrics themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from autoscaler.core.acpi import SlotReports
from autoscaler.core.condition import Condition
from autoscaler.core.decision import Verdict
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.reason import Reason
from autoscaler.service.daemon import registry_of
from autoscaler.service.exposition import exposition
from autoscaler.service.instruments import Instruments
from autoscaler.service.snapshot import Snapshot, Tally
from tests.fakes.examples import DOMAIN_SNAPSHOT, OPERATION, SNAPSHOT, VIEW
from tests.fakes.promtool import promtool

EVERYTHING = Tally(
    decisions={(verdict, reason): 1 for verdict in Verdict for reason in Reason},
    operations=dict.fromkeys(Direction, 1),
    failures={(direction, outcome): 1 for direction in Direction for outcome in Outcome},
    agent_errors={"agent-unresponsive": 3},
)


def metrics(snapshot: Snapshot) -> str:
    registry: CollectorRegistry = registry_of(lambda: snapshot)
    instruments = Instruments(registry)
    instruments.tick_duration.observe(0.01)
    instruments.scheduled(5.0)
    instruments.agent_asked("guest-info", 0.1)
    instruments.policies_read(in_force=True, wall_s=1.0)
    instruments.operation_ended(OPERATION.seen(present=3, online=3, now_s=100.5).relieved(101.0))
    return exposition(registry, openmetrics=False).decode()


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(Snapshot(wall_s=0.0, tick=0), id="before the first tick"),
        pytest.param(SNAPSHOT, id="a healthy domain"),
        pytest.param(
            replace(
                SNAPSHOT,
                domains=(
                    replace(
                        DOMAIN_SNAPSHOT,
                        tally=EVERYTHING,
                        conditions=dict.fromkeys(Condition, "x"),
                        view=replace(VIEW, reports=SlotReports(taken=1, dropped=1)),
                    ),
                ),
            ),
            id="everything at once",
        ),
    ],
)
def test_promtool_finds_nothing_to_say_of_the_metrics(snapshot: Snapshot) -> None:
    found = promtool("check", "metrics", stdin=metrics(snapshot))
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
