"""The kernel's own files about CPUs, read strictly: /proc/stat, PSI, and the id lists of its CPU folder.

The meaning of /proc/stat is from proc(5): times are ticks of 1/100 s (USER_HZ, whatever the kernel's own HZ);
guest and guest_nice are already counted in user and nice; the ``cpu`` line sums every possible vCPU, also
those that went offline since, so it never falls when one goes, while ``cpuN`` lines list only those online.
That of /proc/pressure/cpu is from the kernel's Documentation/accounting/psi.rst: ``total`` is the stall time
since boot in microseconds, and ``some`` counts whenever at least one task waited for a CPU.

Invariant: the files come from a guest; what does not fit is `AgentNonsense`, never a smaller number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autoscaler.core.model import MOST_VCPUS
from autoscaler.errors import AgentNonsense

USER_HZ = 100
"""Ticks a second, as the kernel reports them to programs on x86 and Arm."""

_PSI_HZ = 1_000_000
_STEAL = 7
_BUSY = (0, 1, 2, 5, 6)
"""user, nice, system, irq, softirq; idle and iowait between them are not busy, steal after them neither."""

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_VCPU_LINE = re.compile(r"cpu([0-9]{1,5})", re.ASCII)
_TOTAL = re.compile(r"total=([0-9]{1,19})", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One reading of a guest's cumulative counters; the fields are those of `Sample`."""

    busy_s: float
    steal_s: float
    online: frozenset[int]
    runnable: int | None = None
    boot_s: float | None = None


def parse_proc_stat(content: bytes, *, domain_name: str) -> Counters:
    """Read a whole /proc/stat.

    One is taken off procs_running: the task that reads the file is running while it does.

    Raises:
        AgentNonsense: the content is no whole /proc/stat.
    """
    lines = _lines(content, domain_name, of="/proc/stat")
    online: set[int] = set()
    values: dict[str, list[str]] = {}
    for line in lines:
        key, _, rest = line.partition(" ")
        vcpu = _VCPU_LINE.fullmatch(key)
        if vcpu:
            online.add(_new_id(int(vcpu[1]), online, domain_name))
        elif key in {"cpu", "procs_running", "btime"}:
            if key in values:
                raise _nonsense(domain_name, f"has two {key} lines")
            values[key] = rest.split()
    if not online:
        raise _nonsense(domain_name, "lists no vCPU")
    ticks = [_number(word, domain_name) for word in values.get("cpu", [])]
    if len(ticks) <= _STEAL:
        raise _nonsense(domain_name, "has no whole cpu line")
    running, boot_s = (_single(values, key, domain_name) for key in ("procs_running", "btime"))
    return Counters(
        busy_s=sum(ticks[column] for column in _BUSY) / USER_HZ,
        steal_s=ticks[_STEAL] / USER_HZ,
        online=frozenset(online),
        runnable=None if running is None else max(0, running - 1),
        boot_s=boot_s,
    )


def parse_pressure(content: bytes, *, domain_name: str) -> float:
    """Read a whole /proc/pressure/cpu; seconds since boot in which some task waited for a CPU.

    Raises:
        AgentNonsense: the content is no such file.
    """
    of = "/proc/pressure/cpu"
    some = [words for line in _lines(content, domain_name, of=of) if (words := line.split())[:1] == ["some"]]
    if len(some) != 1:
        raise _nonsense(domain_name, "has no single line of some pressure", of=of)
    totals = [total for word in some[0] if (total := _TOTAL.fullmatch(word))]
    if len(totals) != 1:
        raise _nonsense(domain_name, "has a line of some pressure without one total", of=of)
    return int(totals[0][1]) / _PSI_HZ


def parse_id_list(content: bytes, *, domain_name: str) -> frozenset[int]:
    """Read a list of vCPU ids such as ``0-3,6``.

    Raises:
        AgentNonsense: the content is no such list, or names an id twice.
    """
    found: set[int] = set()
    text = content.decode("ascii", errors="replace").strip()
    for part in text.split(",") if text else ():
        ids = _RANGE.fullmatch(part)
        first, last = (int(ids[1]), int(ids[2] or ids[1])) if ids else (1, 0)
        if first > last or last >= MOST_VCPUS:
            raise _nonsense(domain_name, "is no list of vCPU ids", of="vCPU list")
        for vcpu in range(first, last + 1):
            found.add(_new_id(vcpu, found, domain_name, of="vCPU list"))
    return frozenset(found)


def _lines(content: bytes, domain_name: str, *, of: str) -> list[str]:
    if not content.endswith(b"\n"):
        raise _nonsense(domain_name, "breaks off", of=of)
    try:
        return content.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise _nonsense(domain_name, "is no ASCII text", of=of) from None


def _new_id(vcpu: int, seen: set[int], domain_name: str, *, of: str = "/proc/stat") -> int:
    if vcpu in seen:
        raise _nonsense(domain_name, f"lists vCPU {vcpu} twice", of=of)
    if vcpu >= MOST_VCPUS:
        raise _nonsense(domain_name, f"lists vCPU {vcpu}, beyond {MOST_VCPUS - 1}", of=of)
    return vcpu


def _single(values: dict[str, list[str]], key: str, domain_name: str) -> int | None:
    words = values.get(key)
    if words is None:
        return None
    if len(words) != 1:
        raise _nonsense(domain_name, f"has a {key} line without one number")
    return _number(words[0], domain_name)


def _number(word: str, domain_name: str) -> int:
    if not _NUMBER.fullmatch(word):
        raise _nonsense(domain_name, "has something other than a count where a count belongs")
    return int(word)


def _nonsense(domain_name: str, what: str, *, of: str = "/proc/stat") -> AgentNonsense:
    return AgentNonsense(f"the {of} that the guest of domain {domain_name} gave {what}: it is not believed")
