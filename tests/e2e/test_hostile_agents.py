"""One agent that attacks, and honest ones beside it, under the installed command, over real sockets.

After each attack the same three things hold: the service's memory grew by no more than a few megabytes at its
peak, the others were sampled on time all along, and the error was counted by its name.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.attacks import ATTACKS, SILENT
from tests.fakes.footprint import memory_mib
from tests.fakes.running_service import RunningService, running_service
from tests.fakes.scripted_agent import ANY, Fault
from tests.fakes.scripted_folder import FolderGuest

HONEST = 6
MOST_MIB = 10.0
LATEST_S = 1.6
"""Longest between two samples of an honest guest, at one a second and on a busy machine."""
ATTACK_S = 3.0
MANY = 24
"""More than the 16 threads that probe when all is well."""
TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Site:
    """The service, its folder of guests, and the honest ones among them."""

    service: RunningService
    folder: Path
    honest: list[FolderGuest]

    def errors(self, name: str) -> dict[str, float]:
        """How many errors of a domain's agent were counted, by their name."""
        series = rf'^vcpu_autoscaler_guest_agent_errors_total{{domain="{name}",error="([^"]+)"}} (\S+)$'
        text = self.service.get("/metrics")
        return {error: float(count) for error, count in re.findall(series, text, re.MULTILINE)}

    def wait_for_error(self, name: str, error: str) -> None:
        end_s = time.monotonic() + 15
        while error not in self.errors(name):
            assert time.monotonic() < end_s, f"{name}: {self.errors(name)}\n{self.service.log.read_text()}"
            time.sleep(0.1)

    def forget_peak(self) -> float:
        """Have the kernel note the highest memory use from now on; returns the use now, in MiB."""
        Path(f"/proc/{self.service.process.pid}/clear_refs").write_text("5")
        return memory_mib(self.service.process.pid)

    def latest_s(self, since_s: float) -> float:
        """The longest that any honest guest was not sampled since then."""
        now_s = time.monotonic()
        longest_s = 0.0
        for guest in self.honest:
            moments = [since_s, *(at_s for at_s in guest.guest.sampled_s if at_s > since_s), now_s]
            longest_s = max(longest_s, *(b - a for a, b in itertools.pairwise(moments)))
        return longest_s


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-bad-"))
    guests = folder / "g"
    guests.mkdir()
    try:
        with ExitStack() as running:
            honest = [
                running.enter_context(FolderGuest(guests, f"honest-{number}")) for number in range(HONEST)
            ]
            service = running.enter_context(
                running_service(folder, f"qmp: {guests}", more=f"agent: {{timeout: {TIMEOUT_S}s}}\n")
            )
            service.wait_for_tick()
            for guest in honest:
                service.wait_for(guest.name, lambda domain: domain["load"] is not None)
            yield Site(service, guests, honest)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_costs_nobody_else_anything(site: Site, attack: str) -> None:
    name, (begin, error) = f"hostile-{list(ATTACKS).index(attack)}", ATTACKS[attack]
    with FolderGuest(site.folder, name, slow_s=1.0) as hostile:
        site.service.wait_for(name, lambda domain: domain["load"] is not None)
        assert site.errors(name) == {}
        before_mib, since_s = site.forget_peak(), time.monotonic()

        begin(hostile)
        site.wait_for_error(name, error)
        time.sleep(max(0.0, since_s + ATTACK_S - time.monotonic()))

        assert memory_mib(site.service.process.pid, "VmHWM") - before_mib < MOST_MIB
        assert site.latest_s(since_s) < LATEST_S
        assert all(site.errors(guest.name) == {} for guest in site.honest)
    site.service.wait_gone(name)


def test_an_agent_that_attacked_is_left_alone_and_used_at_once_when_it_comes_back_in_order(
    site: Site,
) -> None:
    with FolderGuest(site.folder, "repenting") as guest:
        site.service.wait_for("repenting", lambda domain: domain["load"] is not None)
        guest.attack({ANY: Fault.SILENT})
        found = site.service.wait_for("repenting", lambda domain: "agent-left-alone" in domain["conditions"])
        assert "left alone for up to 60 s" in found["conditions"]["no-sample"]
        assert "asked once a minute" in found["conditions"]["agent-left-alone"]
        site.service.wait_for_metric('domain_condition{condition="agent-left-alone",domain="repenting"}', 1)
        counted = site.errors("repenting")
        time.sleep(3)
        assert site.errors("repenting") == counted, "an agent that is not asked makes no errors"

        guest.come_back()
        came_s = time.monotonic()
        site.service.wait_for("repenting", lambda domain: domain["conditions"] == {})
        site.service.wait_for("repenting", lambda domain: domain["load"] is not None)
        assert time.monotonic() - came_s < 4


def test_more_hung_guests_than_there_are_workers_hold_up_nobody(site: Site) -> None:
    with ExitStack() as running:
        hung = [running.enter_context(FolderGuest(site.folder, f"hung-{number}")) for number in range(MANY)]
        for guest in hung:
            site.service.wait_for(guest.name, lambda domain: domain["load"] is not None)
        since_s = time.monotonic()
        for guest in hung:
            guest.attack({ANY: Fault.SILENT})
        for guest in hung:
            site.service.wait_for(guest.name, lambda domain: "agent-left-alone" in domain["conditions"])
        assert site.latest_s(since_s) < LATEST_S


def test_what_was_sent_too_late_is_never_taken_for_the_answer_to_a_later_question(site: Site) -> None:
    with FolderGuest(site.folder, "late", slow_s=1.5 * TIMEOUT_S) as guest:
        site.service.wait_for("late", lambda domain: domain["load"] is not None)
        guest.guest.load_vcpus = 0.5
        guest.attack({"guest-file-read": Fault.SLOW})
        site.wait_for_error("late", SILENT)
        guest.come_back()
        found = site.service.wait_for("late", lambda domain: domain["load"] is not None)
        assert found["load"]["busy_vcpus"] == pytest.approx(0.5, abs=0.1)
        assert set(site.errors("late")) == {SILENT}


def test_the_service_is_well_after_all_that(site: Site) -> None:
    assert "hostile" not in json.dumps(site.service.get("/api/v1/domains"))
    assert site.service.metric('ticks_missed_total{cause="overrun"}') == 0
    assert "Traceback" not in site.service.log.read_text()
