"""Where a QMP or guest-agent socket is: the one form of address that every socket client takes.

Invariant: an `Address` that exists can be connected to as it stands; whatever is wrong with its text was
said by `parse_address`, so that no client has to check it again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

UNIX_PATH_BYTES = 107
"""Longest path a unix socket can be reached at: ``sun_path`` has 108 bytes, the last one a NUL."""

LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix stream socket."""

    path: str
    """Absolute."""

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port."""

    host: str
    """Name or IP address, an IPv6 one without its brackets."""
    port: int

    def __str__(self) -> str:
        return f"tcp:{host_with_port(self.host, self.port)}"


Address = UnixAddress | TcpAddress


def host_with_port(host: str, port: int) -> str:
    """``host:port``, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_host_with_port(text: str) -> tuple[str | None, int | None]:
    """Host and port of what `host_with_port` writes; None stands for one that is not as it should be."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    fits = port.isascii() and port.isdigit() and 0 < int(port) <= LAST_PORT
    return host if host and (":" in host) is bracketed else None, int(port) if fits else None


def parse_address(text: str) -> Address:
    """Read ``unix:/path``, a plain absolute path, or ``tcp:host:port`` (an IPv6 host in brackets).

    Raises:
        ValueError: the text is none of these; the message says what is wrong and what to write.
    """
    if text.startswith("tcp:"):
        return _tcp(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/"):
        raise ValueError(f"{text!r} is no socket address: write unix:/absolute/path or tcp:host:port")
    if "\0" in path:
        raise ValueError(f"{text!r} is no socket address: a path has no NUL in it")
    if len(os.fsencode(path)) > UNIX_PATH_BYTES:
        raise ValueError(
            f"the socket path {path!r} has over {UNIX_PATH_BYTES} bytes, more than a unix socket can have: "
            f"put the socket in a folder with a shorter name"
        )
    return UnixAddress(path)


def _tcp(text: str) -> TcpAddress:
    host, port = read_host_with_port(text.removeprefix("tcp:"))
    if host is None:
        raise ValueError(f"{text!r} is no socket address: write tcp:host:port, an IPv6 host in brackets")
    if port is None:
        raise ValueError(f"{text!r} has no usable port: write tcp:host:port with a port of 1 to {LAST_PORT}")
    return TcpAddress(host, port)
