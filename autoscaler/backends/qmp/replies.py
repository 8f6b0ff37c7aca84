"""The shapes of the QMP replies that the backend reads, checked once where they arrive.

Invariant: past this module nothing indexes into a decoded reply. Members that are not named here are
passed over, since every QEMU release adds some.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", alias_generator=_dashed)


class Cpu(_Reply):
    """One entry of ``query-cpus-fast``: a plugged vCPU."""

    cpu_index: int = Field(ge=0)
    thread_id: int = Field(ge=0)
    """The vCPU's host thread, in QEMU's pid namespace."""


class Slot(_Reply):
    """One entry of ``query-hotpluggable-cpus``: a place for one vCPU, or for a core of several."""

    type: str
    """The driver that ``device_add`` wants."""
    vcpus_count: int = Field(ge=1)
    props: dict[str, int]
    """Topology ids; they go back to QEMU word for word."""
    qom_path: str | None = None
    """None: the slot is free."""


class Status(_Reply):
    """``query-status``."""

    status: str


class Migration(_Reply):
    """``query-migrate``."""

    status: str = "none"
    """Not said where there never was one."""


class Job(_Reply):
    """One entry of ``query-jobs``."""

    type: str
    status: str


class Uuid(_Reply):
    """``query-uuid``."""

    uuid: str = Field(alias="UUID")


class Chardev(_Reply):
    """One entry of ``query-chardev``."""

    label: str
    frontend_open: bool
    """For a guest's serial port: whether something in the guest has it open."""


class Named(_Reply):
    """One entry of ``query-commands`` or of ``qom-list``."""

    name: str
    type: str = ""


class Kvm(_Reply):
    """``query-kvm``."""

    enabled: bool


class OspmStatus(_Reply):
    """One entry of ``query-acpi-ospm-status``: there are none while the guest's ACPI is not up."""

    slot: str


CPUS: Final = TypeAdapter(list[Cpu])
SLOTS: Final = TypeAdapter(list[Slot])
OSPM_STATUS: Final = TypeAdapter(list[OspmStatus])
STATUS: Final = TypeAdapter(Status)
MIGRATION: Final = TypeAdapter(Migration)
JOBS: Final = TypeAdapter(list[Job])
KVM: Final = TypeAdapter(Kvm)
UUID: Final = TypeAdapter(Uuid)
CHARDEVS: Final = TypeAdapter(list[Chardev])
NAMES: Final = TypeAdapter(list[Named])
TEXT: Final = TypeAdapter(str)
ANYTHING: Final = TypeAdapter(object)
"""For commands whose reply says no more than that they were carried out."""
