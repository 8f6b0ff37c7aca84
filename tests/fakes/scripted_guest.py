"""A Linux guest as its agent sees it: vCPUs, a load, kernel files, open handles. No socket, no wall clock.

It answers as qemu-ga 7.2 was seen to, errors worded as it words them.
"""

from __future__ import annotations

import base64
import itertools
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Arguments = Mapping[str, object]

CPU_FOLDER = "/sys/devices/system/cpu"
_ALLOWED_WHILE_FROZEN = frozenset(
    {"guest-ping", "guest-info", "guest-sync", "guest-sync-delimited", "guest-fsfreeze-status"}
)


class Refusal(Exception):
    def __init__(self, desc: str, error_class: str = "GenericError") -> None:
        super().__init__(desc)
        self.reply = {"class": error_class, "desc": desc}


@dataclass
class OpenFile:
    path: str
    mode: str
    content: bytes = b""
    position: int = 0
    written: bytes = b""


@dataclass(kw_only=True)
class ScriptedGuest:
    """One guest and the agent in it. `execute` is the agent."""

    present: int = 1
    holes: set[int] = field(default_factory=set)
    """Numbers below its highest vCPU's that it does not list: of those that it gave back."""
    online: set[int] = field(default_factory=lambda: {0})
    self_onlining: bool = False
    """New vCPUs come online by themselves, as by a udev rule."""
    load_vcpus: float = 0.0
    steal_vcpus: float = 0.0
    clock: Callable[[], float] = time.monotonic
    boot_s: int = 1_700_000_000
    version: str = "7.2.22"
    os: dict[str, str] = field(
        default_factory=lambda: {
            "id": "debian",
            "pretty-name": "Debian GNU/Linux 12 (bookworm)",
            "kernel-release": "6.1.0-28-amd64",
        }
    )
    """What guest-get-osinfo says."""
    clock_ahead_s: float = 0.0
    """Of this host's."""
    blocked: set[str] = field(default_factory=set)
    """Commands that the agent refuses; guest-info tells of them."""
    denied: dict[str, str] = field(default_factory=dict)
    """Path -> why the kernel does not let the agent open it."""
    stubborn: set[int] = field(default_factory=set)
    """vCPUs that the kernel refuses to change."""
    fixed: set[int] = field(default_factory=lambda: {0})
    """vCPUs that are listed as ones that cannot go offline."""
    set_at_once: int = 4096
    """How many vCPUs one guest-set-vcpus gets done."""
    psi: bool = True
    """Whether its kernel tells pressure."""
    frozen: bool = False
    stale_seek: bool = False
    """A file that was sought back still gives its old content, as a buffered reader may."""
    exec_polls: int = 1
    """How many times guest-exec-status says that the process has not ended yet."""
    never_ends: set[str] = field(default_factory=set)
    """Paths whose reading by a process never ends."""
    lies: dict[str, object] = field(default_factory=dict)
    """Command -> what is returned instead of the truth."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Path -> what it holds instead of the truth."""
    chunk_bytes: int = 65536
    """Most that one guest-file-read returns."""
    open_files: dict[int, OpenFile] = field(default_factory=dict)
    processes: dict[int, int] = field(default_factory=dict)
    """Pid -> polls until it has ended."""

    def __post_init__(self) -> None:
        self._busy_s: dict[int, float] = {}
        self._steal_s: dict[int, float] = {}
        self._waited_s = 0.0
        self._accounted_s = self.clock()
        self._handles = itertools.count(1000)
        self._pids = itertools.count(200)
        self._reads: dict[int, str] = {}
        self._switches = itertools.count(1)
        self._commands = {
            "guest-info": self._info,
            "guest-ping": lambda _: {},
            "guest-sync": lambda arguments: arguments["id"],
            "guest-sync-delimited": lambda arguments: arguments["id"],
            "guest-fsfreeze-status": lambda _: "frozen" if self.frozen else "thawed",
            "guest-file-open": self._open,
            "guest-file-seek": self._seek,
            "guest-file-read": self._read,
            "guest-file-write": self._write,
            "guest-file-flush": self._flush,
            "guest-file-close": self._close,
            "guest-get-cpustats": self._cpustats,
            "guest-get-osinfo": lambda _: self.os,
            "guest-get-time": lambda _: round(1e9 * (time.time() + self.clock_ahead_s)),
            "guest-get-vcpus": self._vcpus,
            "guest-set-vcpus": self._set_vcpus,
            "guest-exec": self._exec,
            "guest-exec-status": self._exec_status,
        }

    def execute(self, command: str, arguments: Arguments) -> object:
        """Carry out one command; a `Refusal` is its error."""
        if command not in self._commands:
            raise Refusal(f"The command {command} has not been found", "CommandNotFound")
        if self.frozen and command not in _ALLOWED_WHILE_FROZEN:
            raise Refusal(
                f"Command {command} has been disabled: the agent is in frozen state", "CommandNotFound"
            )
        if command in self.blocked:
            raise Refusal(f"Command {command} has been disabled", "CommandNotFound")
        truth = self._commands[command](arguments)
        return self.lies.get(command, truth)

    def plug(self, present: int) -> None:
        """Let the guest see `present` vCPUs."""
        self._account()
        before = self.listed
        free = (number for number in itertools.count() if number not in before)
        new = set(itertools.islice(free, present - self.present))
        self._list(before | new)
        if self.self_onlining:
            self.online.update(new)

    def unplug(self, number: int | None = None) -> None:
        """Let the guest lose a vCPU, None: its highest."""
        self._account()
        number = max(self.listed) if number is None else number
        self._list(self.listed - {number})
        self.online.discard(number)

    @property
    def listed(self) -> set[int]:
        """The numbers of the vCPUs that its kernel lists."""
        return set(range(self.present + len(self.holes))) - self.holes

    def _list(self, numbers: set[int]) -> None:
        self.present, self.holes = len(numbers), set(range(max(numbers))) - numbers

    def restart_agent(self) -> None:
        """Another agent process: it has none of the files and processes of the one before."""
        self.open_files.clear()
        self.processes.clear()

    def proc_stat(self) -> bytes:
        """What /proc/stat holds now."""
        self._account()
        lines = [f"cpu  {self._columns(self._busy_s.keys() | self.online)}"]
        lines += [f"cpu{vcpu} {self._columns({vcpu})}" for vcpu in sorted(self.online)]
        lines += [
            f"intr {' '.join(['7'] + ['0'] * 60)}",
            f"ctxt {next(self._switches)}",
            f"btime {self.boot_s}",
            "processes 900",
            f"procs_running {1 + math.ceil(self.load_vcpus)}",
            "procs_blocked 0",
            "softirq 5 0 1 0 4 0 0 0 0 0 0",
        ]
        return "\n".join([*lines, ""]).encode()

    def pressure(self) -> bytes:
        """What /proc/pressure/cpu holds now: some task waits as long as more is wanted than is online."""
        self._account()
        averages = "avg10=0.00 avg60=0.00 avg300=0.00"
        return f"some {averages} total={round(1e6 * self._waited_s)}\nfull {averages} total=0\n".encode()

    def _account(self) -> None:
        now_s = self.clock()
        span_s, self._accounted_s = now_s - self._accounted_s, now_s
        if self.load_vcpus > len(self.online):
            self._waited_s += span_s
        share = min(self.load_vcpus, len(self.online)) / len(self.online)
        for vcpu in self.online:
            self._busy_s[vcpu] = self._busy_s.get(vcpu, 0.0) + share * span_s
            stolen_s = self.steal_vcpus / len(self.online) * span_s
            self._steal_s[vcpu] = self._steal_s.get(vcpu, 0.0) + stolen_s

    def _columns(self, vcpus: set[int]) -> str:
        busy = round(100 * sum(self._busy_s.get(vcpu, 0.0) for vcpu in vcpus))
        stolen = round(100 * sum(self._steal_s.get(vcpu, 0.0) for vcpu in vcpus))
        return f"{busy} 0 0 1000 5 0 0 {stolen} 0 0"

    def _info(self, _: Arguments) -> object:
        off = self.blocked
        if self.frozen:
            off = off | (self._commands.keys() - _ALLOWED_WHILE_FROZEN)
        commands = [
            {"name": name, "enabled": name not in off, "success-response": True} for name in self._commands
        ]
        return {"version": self.version, "supported_commands": commands}

    def _open(self, arguments: Arguments) -> object:
        path, mode = str(arguments["path"]), str(arguments.get("mode", "r"))
        reason = self.denied.get(path)
        content = self._content(path)
        if reason or content is None:
            said = reason or "No such file or directory"
            raise Refusal(f"failed to open file '{path}' (mode: '{mode}'): {said}")
        handle = next(self._handles)
        self.open_files[handle] = OpenFile(path, mode, content)
        return handle

    def _content(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        vcpu = path.removeprefix(f"{CPU_FOLDER}/cpu").removesuffix("/online")
        if vcpu.isdigit() and int(vcpu) in self.listed and int(vcpu) not in self.fixed:
            return b"1\n" if int(vcpu) in self.online else b"0\n"
        if path == "/proc/stat":
            return self.proc_stat()
        if path == "/proc/pressure/cpu" and self.psi:
            return self.pressure()
        lists = {
            f"{CPU_FOLDER}/present": ",".join(map(str, sorted(self.listed))) + "\n",
            f"{CPU_FOLDER}/online": ",".join(map(str, sorted(self.online))) + "\n",
        }
        return lists[path].encode() if path in lists else None

    def _file(self, arguments: Arguments) -> OpenFile:
        handle = arguments["handle"]
        assert isinstance(handle, int)
        if handle not in self.open_files:
            raise Refusal(f"handle '{handle}' has not been found")
        return self.open_files[handle]

    def _seek(self, arguments: Arguments) -> object:
        file = self._file(arguments)
        assert (arguments["offset"], arguments["whence"]) == (0, 0)
        file.position = 0
        if not self.stale_seek:
            file.content = self._content(file.path) or b""
        return {"position": 0, "eof": False}

    def _read(self, arguments: Arguments) -> object:
        file = self._file(arguments)
        asked = arguments["count"]
        assert isinstance(asked, int)
        count = min(asked, self.chunk_bytes)
        chunk = file.content[file.position : file.position + count]
        file.position += len(chunk)
        return {"count": len(chunk), "buf-b64": base64.b64encode(chunk).decode(), "eof": len(chunk) < count}

    def _write(self, arguments: Arguments) -> object:
        written = base64.b64decode(str(arguments["buf-b64"]))
        self._file(arguments).written += written
        return {"count": len(written), "eof": False}

    def _flush(self, arguments: Arguments) -> object:
        file = self._file(arguments)
        vcpu = int(file.path.removeprefix(f"{CPU_FOLDER}/cpu").removesuffix("/online"))
        if vcpu in self.stubborn:
            raise Refusal("failed to flush file: Device or resource busy")
        self._set(vcpu, online=file.written == b"1")
        return {}

    def _close(self, arguments: Arguments) -> object:
        self._file(arguments)
        handle = arguments["handle"]
        assert isinstance(handle, int)
        del self.open_files[handle]
        return {}

    def _cpustats(self, _: Arguments) -> object:
        self._account()
        zeros = dict.fromkeys(("nice", "system", "iowait", "irq", "softirq", "guest", "guestnice"), 0)
        return [
            {
                "type": "linux",
                "cpu": vcpu,
                "user": round(1000 * self._busy_s.get(vcpu, 0.0)),
                "steal": round(1000 * self._steal_s.get(vcpu, 0.0)),
                "idle": 10_000,
                **zeros,
            }
            for vcpu in sorted(self.online)
        ]

    def _vcpus(self, _: Arguments) -> object:
        return [
            {"logical-id": vcpu, "online": vcpu in self.online, "can-offline": vcpu not in self.fixed}
            for vcpu in sorted(self.listed, reverse=True)
        ]

    def _set_vcpus(self, arguments: Arguments) -> object:
        wanted = arguments["vcpus"]
        assert isinstance(wanted, list)
        done = 0
        for vcpu in wanted[: self.set_at_once]:
            if vcpu["logical-id"] in self.stubborn:
                if not done:
                    raise Refusal(f"write(/sys/devices/system/cpu/cpu{vcpu['logical-id']}/online): -1 busy")
                break
            self._set(vcpu["logical-id"], online=vcpu["online"])
            done += 1
        return done

    def _set(self, vcpu: int, *, online: bool) -> None:
        self._account()
        assert vcpu in self.listed
        if online:
            self.online.add(vcpu)
        else:
            self.online.discard(vcpu)

    def _exec(self, arguments: Arguments) -> object:
        assert arguments["path"] == "cat"
        files = arguments["arg"]
        assert isinstance(files, list)
        (path,) = files
        pid = next(self._pids)
        self.processes[pid] = sys.maxsize if path in self.never_ends else self.exec_polls
        self._reads[pid] = path
        return {"pid": pid}

    def _exec_status(self, arguments: Arguments) -> object:
        pid = arguments["pid"]
        if not isinstance(pid, int) or pid not in self.processes:
            raise Refusal("Invalid parameter 'pid'")
        if self.processes[pid]:
            self.processes[pid] -= 1
            return {"exited": False}
        del self.processes[pid]
        content = self._content(self._reads.pop(pid))
        if content is None:
            return {"exited": True, "exitcode": 1}
        return {"exited": True, "exitcode": 0, "out-data": base64.b64encode(content).decode()}
