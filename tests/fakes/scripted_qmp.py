"""A QMP server over a real unix socket, with the vCPUs of one guest behind it and faults on demand.

It behaves as QEMU 7.2, or as 4.2 with ``cpu-add``, was seen to: one client at a time with a backlog of one,
slots listed backwards, topology ids checked, errors worded as QEMU words them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

Reply = Mapping[str, object]

AGENT_PORT_ID = "agent0"
NAMELESS_PORT = "device[1]"
AGENT_CHARDEV = "qga0"
MODERN = (7, 2, 22)
BEFORE_5_2 = (4, 2, 0)
_DRIVER = "qemu64-x86_64-cpu"


class Fault(Enum):
    """What goes wrong with one command. All but `REFUSES` carry the command out."""

    SILENT = auto()
    """No answer ever comes."""
    HANGS_UP = auto()
    """The connection ends in the middle of the answer."""
    REFUSES = auto()
    SLOW = auto()
    """The answer takes `ScriptedQmp.slow_s`."""
    NONSENSE = auto()
    """The answer is well-formed and means nothing."""


class Refusal(Exception):
    def __init__(self, desc: str, error_class: str = "GenericError") -> None:
        super().__init__(desc)
        self.reply = {"error": {"class": error_class, "desc": desc}}


@dataclass
class _Slot:
    props: dict[str, int]
    device: str | None = None
    """Device id of a hot-added vCPU."""
    plugged: bool = False


@dataclass(kw_only=True)
class ScriptedQmp:
    """One guest's QEMU. Use it as a context manager, or call `start` and `stop`."""

    path: Path
    plugged_at_boot: int = 1
    maximum: int = 4
    version: tuple[int, int, int] = MODERN
    """Before 5.2 it offers ``cpu-add`` as well."""
    uuid: str = "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11"
    threads_per_slot: int = 1
    hotplug: bool = True
    kvm: bool = True
    chardevs: tuple[str, ...] = ("compat_monitor0", "qga0")
    agent_ports: tuple[str, ...] = (AGENT_PORT_ID,)
    """Of devices with an id, where `AGENT_PORT_ID` is the agent's; without it, a nameless one is."""
    agent_listens: bool = True
    """Whether the guest's agent has its port open."""
    acpi_is_up: bool = True
    """Whether the guest listens to ACPI, as one does that has booted."""
    on_unplug: Callable[[int], None] = lambda _slot: None
    """Called with each slot that is asked for: the place to let a guest follow."""
    on_plug: Callable[[int], None] = lambda _plugged: None
    """Called with the new count after each vCPU is plugged: the place to let a guest see it."""
    thread_id: Callable[[int], int] = lambda _number: 0
    """Host thread of vCPU `number`; 0 stands for one that cannot be seen."""
    slow_s: float = 0.2
    refusal: str = "refused by the script"
    status: str = "running"
    migration: str | None = None
    """What query-migrate says; None: there never was a migration."""
    jobs: list[Reply] = field(default_factory=list)
    """What query-jobs lists."""
    faults: dict[str, Fault] = field(default_factory=dict)
    """Command -> what goes wrong with it, for as long as it stands here; ``greeting`` is one too."""
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Command -> what happens once, right after it was carried out and before its answer is sent."""
    heard: list[tuple[str, Reply]] = field(default_factory=list)
    """Every command that came, with its arguments."""

    def __post_init__(self) -> None:
        threads = self.threads_per_slot
        self._slots = [
            _Slot({"socket-id": 0, "core-id": number, "thread-id": 0})
            for number in range(self.maximum // threads)
        ]
        for number in range(self.plugged_at_boot // threads):
            self._slots[number].plugged = True
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def plugged(self) -> int:
        return sum(slot.plugged for slot in self._slots) * self.threads_per_slot

    @property
    def plugged_slots(self) -> list[int]:
        return [number for number, slot in enumerate(self._slots) if slot.plugged]

    def start(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)
        self._listener.bind(str(self.path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), name="scripted-qmp")
        self._thread.start()

    def stop(self) -> None:
        """End as a killed QEMU does: the socket's file stays, and nobody listens."""
        listener, self._listener = self._listener, None
        if not listener or not self._thread:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self._thread.join()
        listener.close()

    def hang_up(self) -> None:
        """End the conversation; the next client is served."""
        with self._lock:
            if self._client is not None:
                with contextlib.suppress(OSError):
                    self._client.shutdown(socket.SHUT_RDWR)

    @property
    def greeting(self) -> Reply:
        """What it says first."""
        major, minor, micro = self.version
        version = {"qemu": {"major": major, "minor": minor, "micro": micro}, "package": ""}
        return {"QMP": {"version": version, "capabilities": ["oob"]}}

    def reply(self, command: str, arguments: Reply) -> dict[str, object]:
        """Carry out one command; returns the answer to it, the request's id left out."""
        try:
            return {"return": self._execute(command, arguments)}
        except Refusal as refusal:
            return dict(refusal.reply)

    def emit(self, event: str, data: Reply | None = None, *, times: int = 1) -> None:
        """Send an event to the client, if there is one."""
        message = {"event": event, "timestamp": {"seconds": 1}, **({} if data is None else {"data": data})}
        self._send(line_of(message), times=times)

    def plug_next(self) -> None:
        """Fill the lowest free slot, as another hand does."""
        self._plug(len(self.plugged_slots), "another-hand")

    def unplug(self, number: int) -> None:
        """Take the vCPU out of a slot, as the guest does when it ejects one."""
        slot = self._slots[number]
        device, slot.plugged, slot.device = slot.device, False, None
        self.emit("DEVICE_DELETED", {"path": f"/machine/peripheral/{device}/lapic"})
        self.emit("DEVICE_DELETED", {"path": f"/machine/peripheral/{device}", "device": device})

    def report(self, number: int, status: int, *, source: int = 0x103, times: int = 1) -> None:
        """Have the guest's firmware report of a slot."""
        device = self._slots[number].device
        named = {} if device is None else {"device": device}
        info = {**named, "source": source, "status": status, "slot": str(number), "slot-type": "CPU"}
        self.emit("ACPI_DEVICE_OST", {"info": info}, times=times)

    def _serve(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                with self._lock:
                    self._client = client
                    if self._listener is not listener:
                        return
                with contextlib.suppress(OSError):
                    self._converse(client)
                with self._lock:
                    self._client = None

    def _converse(self, client: socket.socket) -> None:
        requests = Requests()
        if self.faults.get("greeting") is not Fault.SILENT:
            self._send(line_of(self.greeting))
        while chunk := client.recv(65536):
            for request in requests.of(chunk):
                command, arguments = request["execute"], request.get("arguments", {})
                self.heard.append((command, arguments))
                if not self._answer(request.get("id"), command, arguments):
                    return

    def _answer(self, request_id: object, command: str, arguments: Reply) -> bool:
        fault = self.faults.get(command)
        reply = self.reply(command, arguments)
        self.meanwhile.pop(command, lambda: None)()
        if fault is Fault.SILENT:
            return True
        if fault is Fault.SLOW:
            time.sleep(self.slow_s)
        if fault is Fault.NONSENSE:
            reply = {"return": {"nonsense": [None]}}
        text = line_of({**reply, "id": request_id})
        if fault is Fault.HANGS_UP:
            self._send(text[: len(text) // 2])
            return False
        self._send(text)
        return True

    def _send(self, line: bytes, *, times: int = 1) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._client is not None:
                self._client.sendall(line * times)

    def _execute(self, command: str, arguments: Reply) -> object:
        if self.faults.get(command) is Fault.REFUSES:
            raise Refusal(self.refusal)
        commands: dict[str, Callable[[], object]] = {
            "qmp_capabilities": dict,
            "query-status": lambda: {"status": self.status, "running": self.status == "running"},
            "query-migrate": lambda: {} if self.migration is None else {"status": self.migration},
            "query-jobs": lambda: self.jobs,
            "query-uuid": lambda: {"UUID": self.uuid},
            "query-chardev": lambda: [
                {"label": label, "frontend-open": label != AGENT_CHARDEV or self.agent_listens}
                for label in self.chardevs
            ],
            "query-cpus-fast": self._cpus,
            "query-hotpluggable-cpus": self._slot_list,
            "query-commands": lambda: [{"name": name} for name in commands],
            "qom-list": lambda: self._ports(str(arguments["path"])),
            "qom-get": lambda: self._property(str(arguments["path"]), str(arguments["property"])),
            "query-kvm": lambda: {"enabled": self.kvm, "present": True},
            "device_add": lambda: self._device_add(dict(arguments)),
            "device_del": lambda: self._device_del(str(arguments["id"])),
            "query-acpi-ospm-status": self._ospm_status,
        }
        if self._is_old:
            commands["cpu-add"] = lambda: self._cpu_add(arguments["id"])
        if command not in commands:
            raise Refusal(f"The command {command} has not been found", "CommandNotFound")
        return commands[command]()

    def _ports(self, folder: str) -> list[Reply]:
        nameless = folder.endswith("-anon")
        ports = (NAMELESS_PORT,) if nameless else self.agent_ports
        return [{"name": port, "type": "child<virtserialport>"} for port in ports]

    def _property(self, path: str, name: str) -> str:
        return "pc-q35-7.2-machine" if path == "/machine" else self._port(path)[name]

    def _port(self, path: str) -> dict[str, str]:
        agents = AGENT_PORT_ID if AGENT_PORT_ID in self.agent_ports else NAMELESS_PORT
        if path.endswith(f"/{agents}"):
            return {"name": "org.qemu.guest_agent.0", "chardev": AGENT_CHARDEV}
        return {"name": "lab.load.0", "chardev": "load"}

    @property
    def _is_old(self) -> bool:
        return self.version < (5, 2)

    def _cpus(self) -> list[Reply]:
        era = {"arch": "x86"} if self._is_old else {}
        threads = self.threads_per_slot
        indexes = [first * threads + thread for first in self.plugged_slots for thread in range(threads)]
        return [
            {**era, "cpu-index": index, "thread-id": self.thread_id(index), "target": "x86_64"}
            for index in indexes
        ]

    def _slot_list(self) -> list[Reply]:
        if not self.hotplug:
            raise Refusal("The feature 'query-hotpluggable-cpus' is not enabled")
        slots: list[Reply] = []
        for number, slot in enumerate(self._slots):
            place = f"unattached/device[{number}]" if slot.device is None else f"peripheral/{slot.device}"
            taken = {"qom-path": f"/machine/{place}"} if slot.plugged else {}
            slots.append(
                {"props": slot.props, "vcpus-count": self.threads_per_slot, "type": _DRIVER, **taken}
            )
        return slots[::-1]

    def _device_add(self, arguments: dict[str, object]) -> Reply:
        if arguments.pop("driver", None) != _DRIVER:
            raise Refusal("'driver' is not a valid device model name")
        device = str(arguments.pop("id"))
        if device in [slot.device for slot in self._slots]:
            raise Refusal(f"Duplicate device ID '{device}'")
        for number, slot in enumerate(self._slots):
            if slot.props == arguments:
                self._plug(number, device)
                return {}
        raise Refusal(
            f"Invalid CPU core-id: {arguments.get('core-id')} must be in range 0:{self.maximum - 1}"
        )

    def _device_del(self, device: str) -> Reply:
        for number, slot in enumerate(self._slots):
            if slot.device == device:
                if not self.acpi_is_up:
                    raise Refusal(f"acpi: device unplug request for not supported device type: {_DRIVER}")
                self.on_unplug(number)
                return {}
        raise Refusal(f"Device '{device}' not found", "DeviceNotFound")

    def _ospm_status(self) -> list[Reply]:
        if not self.acpi_is_up:
            return []
        return [
            {"slot": str(number), "slot-type": "CPU", "source": 0, "status": 0}
            for number in range(len(self._slots))
        ]

    def _cpu_add(self, number: object) -> Reply:
        if not isinstance(number, int) or not 0 <= number < self.maximum:
            raise Refusal(
                f"Invalid CPU [socket: {number}, die: 0, core: 0, thread: 0] with APIC ID {number}, "
                f"valid index range 0:{self.maximum - 1}"
            )
        self._plug(number, None)
        return {}

    def _plug(self, number: int, device: str | None) -> None:
        slot = self._slots[number]
        if slot.plugged:
            raise Refusal(f"CPU[{number}] with APIC ID {number:x} exists")
        slot.plugged, slot.device = True, device
        self.on_plug(self.plugged)


class Requests:
    """Takes apart what a client sends: JSON, one a line or, as the library does, one after the other."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder()
        self._text = ""

    def of(self, chunk: bytes) -> list[dict[str, Any]]:
        """The requests that are whole with this chunk."""
        text, found = self._text + chunk.decode(), []
        while text := text.lstrip():
            try:
                request, end = self._decoder.raw_decode(text)
            except json.JSONDecodeError:
                break
            text = text[end:]
            found.append(request)
        self._text = text
        return found


def line_of(message: Reply) -> bytes:
    """A message as QEMU sends it."""
    return json.dumps(message).encode() + b"\r\n"
