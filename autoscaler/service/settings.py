"""What the service is configured to do: values in their units, every path absolute.

Invariant: each default is stated here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from autoscaler.backends.address import host_with_port
from autoscaler.backends.connection import (
    Connection,
    LibvirtConnection,
    QmpFolderConnection,
    QmpListConnection,
)
from autoscaler.core.deadlines import DeadlineSettings

__all__ = [
    "Config",
    "Connection",
    "HostLimits",
    "LibvirtConnection",
    "Listen",
    "LogFormat",
    "LogLevel",
    "Occasion",
    "QmpFolderConnection",
    "QmpListConnection",
    "WebhookSettings",
]


class LogLevel(StrEnum):
    """The least grave message that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The form of a line of the log."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the web server waits for requests."""

    host: str
    """Name or IP address, an IPv6 one without its brackets."""
    port: int

    def __str__(self) -> str:
        return host_with_port(self.host, self.port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can connect, as far as the text tells."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """What the guests of one host may have together, and how much may change there."""

    overcommit: float = 4.0
    """vCPUs for each of the host's CPUs."""
    reserve: int = 0
    """vCPUs of those that no guest is given."""
    delay_below_ratio: float = 0.10
    """No guest grows while the host withholds a larger share of its guests' vCPU time; 1: no limit."""
    pressure_below_ratio: float = 0.60
    """No guest grows while tasks of the host wait for a CPU for a larger share of the time; 1: no limit."""
    operations_per_minute: int = 60
    """Most changes of guests that may begin in any minute."""
    removals_per_minute: int = 12
    """Most vCPUs that may be asked back in any minute. libvirt before 12.4 waits 5 s for each, on one of the
    few connections that changes need: so many leave three of four to growth."""


class Occasion(StrEnum):
    """What somebody wants to be told of."""

    BEGUN = "begun"
    """A change began."""
    ENDED = "ended"
    """It is over, however it ended."""
    RECOMMENDED = "recommended"
    """A change would be made, and is not: by the policy's mode, or an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How long the audit log is kept; whole files of it are forgotten, never lines."""

    keep_s: float = 365 * 86400.0
    """How long a file is kept after its last line."""
    most_bytes: int = 1024 << 20
    """That all files together may have; the oldest go first."""
    file_s: float = 30 * 86400.0
    """How long a file is written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where decisions are told."""

    url: str
    occasions: frozenset[Occasion] = frozenset({Occasion.BEGUN, Occasion.ENDED})
    timeout_s: float = 10.0
    """Longest that it may take until the receiver has answered."""
    give_up_s: float = 3600.0
    """How old something may become before it is told no more."""

    @property
    def receiver(self) -> str:
        """Who is told, without the rest of the address, which may hold a secret."""
        return urlsplit(self.url).netloc

    @property
    def unencrypted(self) -> bool:
        """Whether others on the way can read it, as far as the text tells."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not Listen(parts.hostname or "", 0).is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration."""

    connections: tuple[Connection, ...]
    """At least one; no two have the same label."""
    actuator: Path | None = None
    """The socket of the process that holds the right to change guests; None: this one does."""
    policies: tuple[Path, ...] = (Path("/etc/vcpu-autoscaler/policies"),)
    """Policy files, and folders of them."""
    state: Path = Path("/var/lib/vcpu-autoscaler")
    """The folder of the journal and of the control socket."""
    journal_keep_s: float = 90 * 86400.0
    """How long entries of the journal are kept."""
    history_s: float = 30 * 86400.0
    """How long the journal keeps what each domain wanted and had."""
    journal_bytes: int = 4096 << 20
    """That the journal may have without its tape; beyond that the oldest entries go before their time."""
    tape_bytes: int = 0
    """Most that the tape of what decisions are made from may take on the disk; 0: there is none."""
    audit: AuditSettings = field(default_factory=AuditSettings)
    interval_s: float = 5.0
    """Between two samples of a guest."""
    agent_timeout_s: float = 2.0
    """Longest that one command to a guest agent may take."""
    host: HostLimits = field(default_factory=HostLimits)
    """For each host alike."""
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    """After how long a change is stuck; the service corrects them by what it sees."""
    listen: Listen = field(default_factory=lambda: Listen("127.0.0.1", 9752))
    web_config_file: Path | None = None
    """TLS and passwords of the web server; None: neither."""
    web_hosts: tuple[str, ...] = ()
    """Names that a request may be addressed to, beside those that are always known."""
    webhook: WebhookSettings | None = None
    """None: nobody is told."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        return self.state / "journal.sqlite"

    @property
    def audit_folder(self) -> Path:
        """Where the audit log is."""
        return self.state / "audit"

    @property
    def control_socket(self) -> Path:
        """Where the running service takes orders."""
        return self.state / "control.sock"
