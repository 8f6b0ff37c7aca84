"""The service's configuration file, key by key as it is written, and its loading.

Read by the same strict reader as policies, with the same guarantee: every fault at once, each at its file,
line and column.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from autoscaler.backends.address import Address, parse_address
from autoscaler.backends.labels import checked
from autoscaler.backends.qmp.guests import GuestList, QmpGuest
from autoscaler.core.owner import Owner
from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.strict_yaml import Document, read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.policyfile.typed import Section, read_section
from autoscaler.policyfile.values import (
    Name,
    NotEmpty,
    Text,
    Uuid,
    duration,
    integer,
    matching,
    one_of,
    read_text,
    said,
    written,
    wrong,
)
from autoscaler.service.deadline_keys import DeadlineKeys
from autoscaler.service.host_keys import HostKeys
from autoscaler.service.settings import (
    Config,
    Connection,
    HostLimits,
    LibvirtConnection,
    Listen,
    LogLevel,
    QmpFolderConnection,
    QmpListConnection,
)
from autoscaler.service.webhook_keys import WebhookKeys

__all__ = [
    "Config",
    "Connection",
    "HostLimits",
    "LibvirtConnection",
    "Listen",
    "LoadedConfig",
    "LogLevel",
    "QmpFolderConnection",
    "QmpListConnection",
    "load_config",
]

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """What came of a configuration file."""

    config: Config | None
    """None exactly when there are errors."""
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


_DEFAULT = Config(connections=())


def _read_address(value: object) -> Address:
    try:
        return parse_address(read_text(value))
    except ValueError as error:
        raise said(str(error)) from None


def _read_folder(value: object) -> str:
    return read_text(written(value, "write the path of a folder, or a list of guests"))


def _read_listen(value: object) -> Listen:
    rule = f"write HOST:PORT with a port of 1 to {_LAST_PORT}, an IPv6 host in brackets"
    host, _, port = read_text(value).rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host) is not bracketed:
        raise wrong(rule)
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT):
        raise wrong(rule)
    return Listen(host, int(port))


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
        Annotated[str, matching(r"[a-z][a-z0-9+.-]*://.*", "write a URI, such as qemu:///system")] | None
    ) = None
    """A libvirt URI, as for ``virsh -c``."""
    adopt: tuple[Annotated[Owner, one_of(Owner)], ...] = ()
    """With `libvirt`: whose domains may be governed although OpenStack Nova, oVirt or KubeVirt runs them."""
    qmp: (
        Annotated[
            Annotated[str, BeforeValidator(_read_folder), Tag("<folder>")]
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


class AgentKeys(Section):
    """How guest agents are asked."""

    timeout: Annotated[float, duration("100ms", "1m")] = _DEFAULT.agent_timeout_s
    """Longest that one command may take."""


class JournalKeys(Section):
    """The record of decisions and changes."""

    keep: Annotated[float, duration("2d", "3650d")] = _DEFAULT.journal_keep_s
    """How long its entries are kept; older ones are forgotten a little at a time."""
    history: Annotated[float, duration("1h", "3650d")] = _DEFAULT.history_s
    """How long the history of what each domain wanted and had is kept."""
    tape_mib: Annotated[int, integer(0, 65536)] = _DEFAULT.tape_bytes >> 20
    """Most MiB of all that reaches the service from its start on, kept so that `autoscaler replay --strict`
    can make its decisions again; 0: none."""


class WebKeys(Section):
    """Metrics, health and the API."""

    listen: Annotated[Listen, BeforeValidator(_read_listen)] = _DEFAULT.listen
    """``HOST:PORT`` to listen on."""


class LogKeys(Section):
    """What the service says of itself."""

    level: Annotated[LogLevel, one_of(LogLevel)] = _DEFAULT.log_level
    """The least grave message that is logged."""


class ConfigKeys(Section):
    """A configuration file. A path in it that is not absolute starts from the file's own folder."""

    version: Annotated[int, integer(1, 1)]
    """Version of this format."""
    connections: Annotated[tuple[ConnectionKeys, ...], NotEmpty]
    """Where the guests are."""
    actuator: Text | None = None
    """The socket of the process that changes them; without it, the service itself does."""
    policies: Annotated[tuple[Text, ...], NotEmpty] = tuple(map(str, _DEFAULT.policies))
    """Policy files, and folders of them, in the order in which they are tried."""
    state: Text = str(_DEFAULT.state)
    """The folder of the journal and of the control socket."""
    journal: JournalKeys = JournalKeys()
    """The record of decisions and changes."""
    interval: Annotated[float, duration("200ms", "5m")] = _DEFAULT.interval_s
    """Between two samples of a guest."""
    agent: AgentKeys = AgentKeys()
    """How guest agents are asked."""
    host: HostKeys = HostKeys()
    """What the guests of each host may have together, and how much may change there."""
    deadlines: DeadlineKeys = DeadlineKeys()
    """After how long a change is stuck."""
    web: WebKeys = WebKeys()
    """Metrics, health and the API."""
    webhook: WebhookKeys | None = None
    """Whom the service tells of its decisions; nobody unless it is there."""
    log: LogKeys = LogKeys()
    """What the service says of itself."""


def load_config(path: Path) -> LoadedConfig:
    """Read a configuration file. Never raises for anything the path or the file holds.

    Whether the paths and URIs in it lead anywhere is not looked at.
    """
    document = read_document(read_text_file(path))
    errors, warnings = list(document.problems), list[Problem]()
    config: Config | None = None
    if document.data is not None:
        reading = read_section(ConfigKeys, document)
        errors += reading.problems
        if reading.value is not None:
            config = _config(reading.value, path.absolute().parent)
            errors += _repeated(config, document)
            warnings += (*_exposed(config, document), *_unencrypted(config, document))
    return LoadedConfig(
        config=None if errors else config, errors=tuple(sorted(errors)), warnings=tuple(warnings)
    )


def _config(keys: ConfigKeys, home: Path) -> Config:
    return Config(
        connections=tuple(connection.at(home) for connection in keys.connections),
        actuator=None if keys.actuator is None else home / keys.actuator,
        policies=tuple(home / path for path in keys.policies),
        state=home / keys.state,
        journal_keep_s=keys.journal.keep,
        history_s=keys.journal.history,
        tape_bytes=keys.journal.tape_mib << 20,
        interval_s=keys.interval,
        agent_timeout_s=keys.agent.timeout,
        host=keys.host.limits(),
        deadlines=keys.deadlines.settings(),
        listen=keys.web.listen,
        webhook=None if keys.webhook is None else keys.webhook.settings(),
        log_level=keys.log.level,
    )


def _repeated(config: Config, document: Document) -> Iterator[Problem]:
    labels = [connection.label for connection in config.connections]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            message = f"the connection {shown(label)} is given twice; merge the two"
            yield document.problem(("connections", index), message)


def _exposed(config: Config, document: Document) -> Iterator[Problem]:
    if not config.listen.is_loopback:
        message = (
            f"{shown(str(config.listen))} may be reached from other hosts, without a password; "
            f"listen on 127.0.0.1 unless a firewall guards it"
        )
        yield document.problem(("web", "listen"), message)


def _unencrypted(config: Config, document: Document) -> Iterator[Problem]:
    if config.webhook is not None and config.webhook.unencrypted:
        message = "what is told there goes over the network as it is; write https:// if the receiver takes it"
        yield document.problem(("webhook", "url"), message)
