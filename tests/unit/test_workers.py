"""How workers share the tests out: what stays together, and what waits for what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.workers import room, turn

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("test", "its_room"),
    [
        ("tests/e2e/test_lab.py::test_a_guest[qemu-qmp]", "tests/e2e/test_lab.py"),
        ("tests/e2e/debian/test_deb.py::test_purge", "tests/e2e/debian"),
        ("tests/contract/test_census.py::test_failures", "tests/contract/test_census.py"),
        ("tests/contract/test_sight.py::test_a_pause[qemu-qmp]", "qemu-qmp"),
        ("tests/contract/test_sight.py::test_every_call[scripted-qmp-plug]", "scripted-qmp"),
        ("tests/contract/test_guest.py::test_load[plug-scripted-qmp-before-5.2]", "scripted-qmp-before-5.2"),
    ],
)
def test_a_module_stays_together_and_so_does_what_shares_guests_or_a_machine(
    test: str, its_room: str
) -> None:
    assert room(test) == its_room


@pytest.fixture
def item(request: pytest.FixtureRequest) -> Callable[..., pytest.Item]:
    """Makes a test with these markers."""

    def make(*markers: str) -> pytest.Item:
        made = pytest.Function.from_parent(request.node.parent, name="made", callobj=lambda: None)
        for marker in markers:
            made.add_marker(marker)
        return made

    return make


@pytest.mark.parametrize(
    ("ours", "theirs", "beside_each_other"),
    [
        pytest.param({"guest"}, {"guest"}, True, id="two with guests"),
        pytest.param({"guest", "whole_host"}, {"guest"}, False, id="ours needs the whole host"),
        pytest.param({"guest"}, {"guest", "whole_host"}, False, id="theirs needs it"),
        pytest.param({"guest", "whole_host"}, set(), True, id="theirs has no guest"),
    ],
)
def test_a_test_that_needs_the_whole_host_runs_beside_no_other_with_a_guest(
    item: Callable[..., pytest.Item],
    tmp_path: Path,
    ours: set[str],
    theirs: set[str],
    *,
    beside_each_other: bool,
) -> None:
    entered = Event()

    def enter() -> None:
        with turn(item(*theirs), tmp_path):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with turn(item(*ours), tmp_path):
            pool.submit(enter)
            assert entered.wait(5.0 if beside_each_other else 0.5) is beside_each_other
        assert entered.wait(5.0)
