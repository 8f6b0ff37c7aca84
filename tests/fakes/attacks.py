"""What one agent can do to the service that asks it, by name, and as what each attack is counted."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.fakes.scripted_agent import ANY, Fault
from tests.fakes.scripted_folder import FolderGuest


class Attack(NamedTuple):
    """One attack."""

    begin: Callable[[FolderGuest], None]
    """Has a guest's agent attack from now on."""
    error: str
    """The name under which its errors are counted."""


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
        guest.guest.blocked = set(FILES)
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

ATTACKS = {
    "64 MB in one line": Attack(wrong(read=Fault.HUGE), NONSENSE),
    "64 MB before it is in step": Attack(wrong(sync=Fault.HUGE), NONSENSE),
    "garbage without end before 0xFF": Attack(wrong(sync=Fault.ENDLESS), NONSENSE),
    "a reply without end": Attack(wrong(read=Fault.ENDLESS), NONSENSE),
    "200,000 deep": Attack(wrong(read=Fault.DEEP), NONSENSE),
    "bad UTF-8": Attack(wrong(read=Fault.BAD_UTF8), NONSENSE),
    "garbage": Attack(wrong(read=Fault.GARBAGE), NONSENSE),
    "NaN": Attack(wrong(read=Fault.NAN), NONSENSE),
    "an integer of 5,000 digits": Attack(wrong(read=Fault.LONG_INT), NONSENSE),
    "a wrong id": Attack(wrong(sync=Fault.WRONG_ID), SILENT),
    "half a reply": Attack(wrong(read=Fault.HALF), SILENT),
    "half of every reply": Attack(wrong(everything=Fault.HALF), SILENT),
    "one byte a second": Attack(wrong(read=Fault.TRICKLE), SILENT),
    "a reply after the time-out": Attack(wrong(read=Fault.SLOW), SILENT),
    "each reply after the next question": Attack(wrong(read=Fault.LATE), SILENT),
    "it hangs up in the middle": Attack(wrong(read=Fault.HANGS_UP), SILENT),
    "silence": Attack(wrong(everything=Fault.SILENT), SILENT),
    "an answer to another question": Attack(says("guest-file-open", ANSWER_OF_ANOTHER), NONSENSE),
    "a file without end": Attack(says(READ, HUGE_CHUNK), NONSENSE),
    "a negative counter": Attack(holds(stat(1, busy="-100")), NONSENSE),
    "a counter of 5,000 digits": Attack(holds(stat(1, busy="9" * 5000)), NONSENSE),
    "4,096 vCPUs": Attack(holds(stat(4096)), NONSENSE),
    "negative milliseconds": Attack(cpustats([{"cpu": 0, "user": -5, **ZEROS}]), NONSENSE),
    "1,000 vCPUs in another form": Attack(
        cpustats([{"cpu": number, "user": 5, **ZEROS} for number in range(1000)]), NONSENSE
    ),
    "shrinking counters": Attack(shrinking, BACKWARDS),
}
