"""One agent that attacks, and honest ones beside it, under the installed command, over real sockets.

After each attack the same three things hold: the service's memory grew by no more than a few megabytes at its
peak, the others were sampled on time all along, and the error was counted by its name.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.running_service import RunningService, running_service
from tests.fakes.scripted_agent import ANY, Fault
from tests.fakes.scripted_folder import FolderGuest

HONEST = 6
MOST_MIB = 10.0
LATEST_S = 1.6
"""Longest between two samples of an honest guest, at one a second and on a busy machine."""
ATTACK_S = 4.0
TIMEOUT_S = 0.5

SYNC, READ = "guest-sync-delimited", "guest-file-read"
FILES = {"guest-file-open", "guest-file-seek", READ, "guest-file-close"}
ZEROS = {"nice": 0, "system": 0, "irq": 0, "softirq": 0, "steal": 0, "idle": 5}

NONSENSE, SILENT, BACKWARDS = "agent-nonsense", "agent-unresponsive", "counters-backwards"


def wrong(**faults: Fault) -> Callable[[FolderGuest], None]:
    """The answers to these commands go wrong: ``sync``, ``read`` or ``everything``."""
    commands = {"sync": SYNC, "read": READ, "everything": ANY}
    return lambda guest: guest.attack({commands[name]: fault for name, fault in faults.items()})


def says(command: str, answer: object) -> Callable[[FolderGuest], None]:
    def lie(guest: FolderGuest) -> None:
        guest.guest.lies[command] = answer
        guest.guest.restart_agent()

    return lie


def holds(stat: str) -> Callable[[FolderGuest], None]:
    def lie(guest: FolderGuest) -> None:
        guest.guest.files["/proc/stat"] = stat.encode()

    return lie


def cpustats(answer: object) -> Callable[[FolderGuest], None]:
    def lie(guest: FolderGuest) -> None:
        guest.guest.blocked = FILES
        guest.guest.lies["guest-get-cpustats"] = answer
        guest.agent.hang_up()

    return lie


def shrinking(guest: FolderGuest) -> None:
    """Its counters run backwards, a second for each second, within one boot."""
    guest.guest.clock = lambda: -time.monotonic()
    guest.guest.load_vcpus = 1.0
    guest.guest._accounted_s = guest.guest.clock()
    guest.guest._busy_s = {0: 10_000.0}


def stat(cpus: int, busy: str = "100") -> str:
    vcpus = "".join(f"cpu{number} 1 0 0 1 0 0 0 0 0 0\n" for number in range(cpus))
    return f"cpu  {busy} 0 0 1000 5 0 0 0 0 0\n{vcpus}btime 1700000000\nprocs_running 1\n"


ANSWER_OF_ANOTHER = {"version": "7.2.22", "supported_commands": []}
HUGE_CHUNK = {"count": 48, "buf-b64": base64.b64encode(b"x" * 90_000).decode(), "eof": False}

ATTACKS = [
    pytest.param(wrong(read=Fault.HUGE), NONSENSE, id="64 MB in one line"),
    pytest.param(wrong(sync=Fault.HUGE), NONSENSE, id="64 MB before it is in step"),
    pytest.param(wrong(sync=Fault.ENDLESS), NONSENSE, id="garbage without end before 0xFF"),
    pytest.param(wrong(read=Fault.ENDLESS), NONSENSE, id="a reply without end"),
    pytest.param(wrong(read=Fault.DEEP), NONSENSE, id="200,000 deep"),
    pytest.param(wrong(read=Fault.BAD_UTF8), NONSENSE, id="bad UTF-8"),
    pytest.param(wrong(read=Fault.GARBAGE), NONSENSE, id="garbage"),
    pytest.param(wrong(read=Fault.NAN), NONSENSE, id="NaN"),
    pytest.param(wrong(read=Fault.LONG_INT), NONSENSE, id="an integer of 5,000 digits"),
    pytest.param(wrong(sync=Fault.WRONG_ID), SILENT, id="a wrong id"),
    pytest.param(wrong(read=Fault.HALF), SILENT, id="half a reply"),
    pytest.param(wrong(everything=Fault.HALF), SILENT, id="half of every reply"),
    pytest.param(wrong(read=Fault.TRICKLE), SILENT, id="one byte a second"),
    pytest.param(wrong(read=Fault.SLOW), SILENT, id="a reply after the time-out"),
    pytest.param(wrong(read=Fault.LATE), SILENT, id="each reply after the next question"),
    pytest.param(wrong(read=Fault.HANGS_UP), SILENT, id="it hangs up in the middle"),
    pytest.param(wrong(everything=Fault.SILENT), SILENT, id="silence"),
    pytest.param(says("guest-file-open", ANSWER_OF_ANOTHER), NONSENSE, id="an answer to another question"),
    pytest.param(says(READ, HUGE_CHUNK), NONSENSE, id="a file without end"),
    pytest.param(holds(stat(1, busy="-100")), NONSENSE, id="a negative counter"),
    pytest.param(holds(stat(1, busy="9" * 5000)), NONSENSE, id="a counter of 5,000 digits"),
    pytest.param(holds(stat(4096)), NONSENSE, id="4,096 vCPUs"),
    pytest.param(cpustats([{"cpu": 0, "user": -5, **ZEROS}]), NONSENSE, id="negative milliseconds"),
    pytest.param(
        cpustats([{"cpu": number, "user": 5, **ZEROS} for number in range(1000)]),
        NONSENSE,
        id="1,000 vCPUs in another form",
    ),
    pytest.param(shrinking, BACKWARDS, id="shrinking counters"),
]


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

    def memory_mib(self, line: str) -> float:
        status = Path(f"/proc/{self.service.process.pid}/status").read_text().splitlines()
        return next(int(found.split()[1]) for found in status if found.startswith(f"{line}:")) / 1024

    def forget_peak(self) -> float:
        """Have the kernel note the highest memory use from now on; returns the use now, in MiB."""
        Path(f"/proc/{self.service.process.pid}/clear_refs").write_text("5")
        return self.memory_mib("VmRSS")

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


@pytest.mark.parametrize(("attack", "error"), ATTACKS)
def test_an_attack_costs_nobody_else_anything(
    site: Site, request: pytest.FixtureRequest, attack: Callable[[FolderGuest], None], error: str
) -> None:
    name = f"hostile-{[param.id for param in ATTACKS].index(request.node.callspec.id)}"
    with FolderGuest(site.folder, name, slow_s=1.0) as hostile:
        site.service.wait_for(name, lambda domain: domain["load"] is not None)
        assert site.errors(name) == {}
        before_mib, since_s = site.forget_peak(), time.monotonic()

        attack(hostile)
        site.wait_for_error(name, error)
        time.sleep(max(0.0, since_s + ATTACK_S - time.monotonic()))

        assert site.memory_mib("VmHWM") - before_mib < MOST_MIB
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
        site.service.wait_for_metric('domain_condition{condition="agent-left-alone",domain="repenting"}', 1.0)
        counted = site.errors("repenting")
        time.sleep(3)
        assert site.errors("repenting") == counted, "an agent that is not asked makes no errors"

        guest.come_back()
        came_s = time.monotonic()
        site.service.wait_for("repenting", lambda domain: domain["conditions"] == {})
        site.service.wait_for("repenting", lambda domain: domain["load"] is not None)
        assert time.monotonic() - came_s < 4


def test_what_was_sent_too_late_is_never_taken_for_the_answer_to_a_later_question(site: Site) -> None:
    with FolderGuest(site.folder, "late", slow_s=1.5 * TIMEOUT_S) as guest:
        site.service.wait_for("late", lambda domain: domain["load"] is not None)
        guest.guest.load_vcpus = 0.5
        guest.attack({READ: Fault.SLOW})
        site.wait_for_error("late", SILENT)
        guest.come_back()
        found = site.service.wait_for("late", lambda domain: domain["load"] is not None)
        assert found["load"]["busy_vcpus"] == pytest.approx(0.5, abs=0.1)
        assert set(site.errors("late")) == {SILENT}


def test_the_service_is_well_after_all_that(site: Site) -> None:
    assert "hostile" not in json.dumps(site.service.get("/api/v1/domains"))
    metrics = site.service.get("/metrics")
    assert 'vcpu_autoscaler_ticks_missed_total{cause="overrun"} 0.0' in metrics
    assert "Traceback" not in site.service.log.read_text()
