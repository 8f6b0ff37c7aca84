"""The key `connections` of the configuration: where the guests are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from autoscaler.backends.address import Address, parse_address
from autoscaler.backends.labels import checked
from autoscaler.backends.qmp.guests import GuestList, QmpGuest
from autoscaler.backends.uri import WHY_REFUSED, has_secret
from autoscaler.core.owner import Owner
from autoscaler.policyfile.effective import Shown
from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.strict_yaml import Scalar
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import (
    Name,
    NotEmpty,
    Text,
    Uuid,
    matching,
    one_of,
    read_text,
    said,
    written,
    wrong,
)
from autoscaler.service.settings import Connection, LibvirtConnection, QmpFolderConnection, QmpListConnection


def _read_address(value: object) -> Address:
    try:
        return parse_address(read_text(value))
    except ValueError as error:
        raise said(str(error)) from None


def _read_folder(value: object) -> str:
    return _whole(read_text(written(value, "write the path of a folder, or a list of guests")))


def _whole(path: str) -> str:
    if path.startswith("~"):
        raise said(f"the path {shown(path)} begins with ~, which only a shell knows; write it whole, from /")
    return path


def _from_home(path: str, home: Path) -> str:
    return str(home / path)


def _without_secret(value: object) -> object:
    if isinstance(value, Scalar) and has_secret(value.text):
        raise said(f"'libvirt' {WHY_REFUSED}")
    return value


Located = Annotated[Text, AfterValidator(_whole), Shown(_from_home)]
"""A path that starts from the file's folder."""


def _as_labels(value: object) -> object:
    if not isinstance(value, dict):
        raise wrong("write keys with a value each, such as {tier: gold}")
    return value


def _fit(labels: Mapping[str, str]) -> Mapping[str, str]:
    try:
        return checked(labels)
    except ValueError as error:
        raise said(str(error)) from None


class GuestKeys(Section):
    """One guest that QEMU runs without libvirt."""

    name: Name
    """What policies match, and people read."""
    qmp: Annotated[Address, BeforeValidator(_read_address)]
    """Socket of QEMU's monitor: ``unix:/absolute/path`` or ``tcp:host:port``."""
    agent: Annotated[Address, BeforeValidator(_read_address)] | None = None
    """Socket of the guest agent's channel; without it, the guest's load is seen from the host only."""
    uuid: Uuid | None = None
    """UUID that QEMU must have, or that stands for a QEMU started without one."""
    labels: Annotated[Mapping[str, Text], BeforeValidator(_as_labels), AfterValidator(_fit)] = Field({})
    """By which policies match, as a libvirt domain has them in its metadata."""


def _distinct(guests: tuple[GuestKeys, ...]) -> tuple[GuestKeys, ...]:
    try:
        GuestList(_guest(guest) for guest in guests)
    except ValueError as error:
        raise said(str(error)) from None
    return guests


def _guest(keys: GuestKeys) -> QmpGuest:
    return QmpGuest(name=keys.name, qmp=keys.qmp, agent=keys.agent, uuid=keys.uuid, labels=keys.labels)


def _branch(value: object) -> str:
    """Which form the guests of a `qmp` connection are written in."""
    return "<guests>" if isinstance(value, list | tuple) else "<folder>"


class ConnectionKeys(Section):
    """One source of guests: either `libvirt` or `qmp`."""

    libvirt: (
        Annotated[
            str,
            matching(r"[a-z][a-z0-9+.-]*://.*", "write a URI, such as qemu:///system"),
            # Looked at first: whatever else is wrong is shown with the URI.
            BeforeValidator(_without_secret),
        ]
        | None
    ) = None
    """A libvirt URI, as for ``virsh -c``."""
    adopt: tuple[Annotated[Owner, one_of(Owner)], ...] = ()
    """With `libvirt`: whose domains may be governed although OpenStack Nova, oVirt or KubeVirt runs them."""
    qmp: (
        Annotated[
            Annotated[str, BeforeValidator(_read_folder), Shown(_from_home), Tag("<folder>")]
            | Annotated[tuple[GuestKeys, ...], NotEmpty, AfterValidator(_distinct), Tag("<guests>")],
            Discriminator(_branch),
        ]
        | None
    ) = None
    """A folder with ``NAME/qmp.sock`` and ``NAME/agent.sock`` for each guest, or a list of guests."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.libvirt is None) is (self.qmp is None):
            raise said("a connection takes exactly one of the keys libvirt and qmp")
        if self.adopt and self.libvirt is None:
            raise said("'adopt' goes with libvirt: only its domains say that somebody else runs them")
        return self

    def at(self, home: Path) -> Connection:
        """What this means in a configuration that lies in the folder `home`."""
        if self.libvirt is not None:
            return LibvirtConnection(self.libvirt, frozenset(self.adopt))
        if isinstance(self.qmp, str):
            return QmpFolderConnection(home / self.qmp)
        return QmpListConnection(tuple(_guest(guest) for guest in self.qmp or ()))
