"""The service's configuration file, key by key as it is written, and its loading.

Read by the same strict reader as policies, with the same guarantee: every fault at once, each at its file,
line and column.
"""

import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from autoscaler.backends.actuator.protocol import INSTALLED_SOCKET
from autoscaler.backends.qmp.exposure import on_tcp
from autoscaler.policyfile.effective import Setting, settings_of
from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.strict_yaml import Document, read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.policyfile.typed import Section, read_section
from autoscaler.policyfile.values import (
    NotEmpty,
    duration,
    integer,
    one_of,
)
from autoscaler.service.connection_keys import ConnectionKeys, Located
from autoscaler.service.deadline_keys import DeadlineKeys
from autoscaler.service.host_keys import HostKeys
from autoscaler.service.record_keys import AuditKeys, JournalKeys
from autoscaler.service.settings import (
    Config,
    Connection,
    HostLimits,
    LibvirtConnection,
    Listen,
    LogFormat,
    LogLevel,
    QmpFolderConnection,
    QmpListConnection,
)
from autoscaler.service.web_keys import WebKeys
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """What came of a configuration file."""

    config: Config | None
    """None exactly when there are errors."""
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    settings: tuple[Setting, ...] = ()
    """Every setting as it holds, without secrets; empty where there are errors."""


_DEFAULT = Config(connections=())


class AgentKeys(Section):
    """How guest agents are asked."""

    timeout: Annotated[float, duration("100ms", "1m")] = _DEFAULT.agent_timeout_s
    """Longest that one command may take."""


class LogKeys(Section):
    """What the service says of itself."""

    level: Annotated[LogLevel, one_of(LogLevel)] = _DEFAULT.log_level
    """The least grave message that is logged."""
    format: Annotated[LogFormat, one_of(LogFormat)] = _DEFAULT.log_format
    """The form of its lines: text for people; logfmt, which is key=value, or json for programs."""


class ConfigKeys(Section):
    """A configuration file. A path in it that is not absolute starts from the file's own folder."""

    version: Annotated[int, integer(1, 1)]
    """Version of this format."""
    connections: Annotated[tuple[ConnectionKeys, ...], NotEmpty]
    """Where the guests are."""
    actuator: Located | None = None
    """The socket of the process that changes them; without it, the service itself does."""
    policies: Annotated[tuple[Located, ...], NotEmpty] = tuple(map(str, _DEFAULT.policies))
    """Policy files, and folders of them, in the order in which they are tried."""
    state: Located = str(_DEFAULT.state)
    """The folder of the journal, the audit log and the control socket."""
    journal: JournalKeys = JournalKeys()
    """The record of decisions and changes."""
    audit: AuditKeys = AuditKeys()
    """The log of who changed what, and why."""
    interval: Annotated[float, duration("200ms", "5m")] = _DEFAULT.interval_s
    """Between two samples of a guest."""
    agent: AgentKeys = AgentKeys()
    """How guest agents are asked."""
    host: HostKeys = HostKeys()
    """What the guests of each host may have together, and how much may change there."""
    deadlines: DeadlineKeys = DeadlineKeys()
    """After how long a change is stuck."""
    web: WebKeys = WebKeys()
    """The status page, metrics, health and the API."""
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
    settings: tuple[Setting, ...] = ()
    if document.data is not None:
        reading = read_section(ConfigKeys, document)
        errors += reading.problems
        if reading.value is not None:
            home = path.absolute().parent
            config = _config(reading.value, home)
            settings = tuple(settings_of(reading.value, document, home))
            errors += _repeated(config, document)
            warnings += (*_exposed(config, document), *_unencrypted(config, document))
            warnings += (*_readable(path, config, document), *_unguarded(config, document))
            warnings += _unasked(config, document)
    return LoadedConfig(
        config=None if errors else config,
        errors=tuple(sorted(errors)),
        warnings=tuple(warnings),
        settings=() if errors else settings,
    )


def _config(keys: ConfigKeys, home: Path) -> Config:
    return Config(
        connections=tuple(connection.at(home) for connection in keys.connections),
        actuator=None if keys.actuator is None else home / keys.actuator,
        policies=tuple(home / path for path in keys.policies),
        state=home / keys.state,
        journal_keep_s=keys.journal.keep,
        history_s=keys.journal.history,
        journal_bytes=keys.journal.most_mib << 20,
        tape_bytes=keys.journal.tape_mib << 20,
        audit=keys.audit.settings(),
        interval_s=keys.interval,
        agent_timeout_s=keys.agent.timeout,
        host=keys.host.limits(),
        deadlines=keys.deadlines.settings(),
        listen=keys.web.listen,
        web_config_file=None if keys.web.config_file is None else home / keys.web.config_file,
        web_hosts=keys.web.hosts,
        webhook=None if keys.webhook is None else keys.webhook.settings(),
        log_level=keys.log.level,
        log_format=keys.log.format,
    )


def _repeated(config: Config, document: Document) -> Iterator[Problem]:
    labels = [connection.label for connection in config.connections]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            message = f"the connection {shown(label)} is given twice; merge the two"
            yield document.problem(("connections", index), message)
    for index, policies in enumerate(config.policies):
        if policies in config.policies[:index]:
            message = f"the policies {shown(str(policies))} are given twice; leave one out"
            yield document.problem(("policies", index), message)


def _exposed(config: Config, document: Document) -> Iterator[Problem]:
    if not config.listen.is_loopback and config.web_config_file is None:
        message = (
            f"{shown(str(config.listen))} may be reached from other hosts, without a password; listen on "
            f"127.0.0.1, or state TLS and passwords in a file that web.config_file names"
        )
        yield document.problem(("web", "listen"), message)


def _unencrypted(config: Config, document: Document) -> Iterator[Problem]:
    if config.webhook is not None and config.webhook.unencrypted:
        message = "what is told there goes over the network as it is; write https:// if the receiver takes it"
        yield document.problem(("webhook", "url"), message)


def _unguarded(config: Config, document: Document) -> Iterator[Problem]:
    for index, connection in enumerate(config.connections):
        guests = connection.guests if isinstance(connection, QmpListConnection) else ()
        for number, guest in enumerate(guests):
            for key, address in (("qmp", guest.qmp), ("agent", guest.agent)):
                if address in on_tcp(guest):
                    message = (
                        f"whoever can connect to {shown(str(address))} has this guest in hand, for QEMU asks "
                        "nobody who he is; start it with a unix socket in its place, mode 0600, and write "
                        "unix:/absolute/path"
                    )
                    yield document.problem(("connections", index, "qmp", number, key), message)


def _unasked(config: Config, document: Document) -> Iterator[Problem]:
    with suppress(OSError):
        if config.actuator is None and INSTALLED_SOCKET.exists():
            message = (
                "the actuator that runs on this host is not asked, and the service would need the right to "
                f"change guests itself; add `actuator: {INSTALLED_SOCKET}`, or disable "
                "vcpu-autoscaler-actuator"
            )
            yield document.problem(("connections",), message)


def _readable(path: Path, config: Config, document: Document) -> Iterator[Problem]:
    with suppress(OSError):
        if config.webhook is not None and path.stat().st_mode & stat.S_IROTH:
            file = shlex.quote(str(path))
            message = (
                "everybody on this host can read this address, and a secret in it: "
                f"`chgrp vcpu-autoscaler {file} && chmod 640 {file}` leaves it to the service as installed"
            )
            yield document.problem(("webhook", "url"), message)
