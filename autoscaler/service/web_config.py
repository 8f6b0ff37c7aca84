"""The file that says who may speak to the web server, and how: TLS, client certificates, passwords.

Its format is that of Prometheus' exporters (``--web.config.file`` of the exporter-toolkit), so that one file
does for all exporters of a host. What that format has and this server cannot do is refused, not passed over.

Invariants: every fault is told at its file, line and column, and no password, hash or key is.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import read_bytes, read_text_file, unreadable_because
from autoscaler.policyfile.typed import read_section
from autoscaler.service.web_config_keys import ClientAuth, WebConfigKeys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from autoscaler.policyfile.strict_yaml import Document
    from autoscaler.service.web_config_keys import TlsKeys

_TLS = "tls_server_config"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """What holds for everybody who connects."""

    tls: ssl.SSLContext | None = None
    """None: whoever connects is not to speak TLS."""
    asks_certificate: bool = False
    """Whether nobody without a certificate is spoken to."""
    users: Mapping[str, bytes] = field(default_factory=dict)
    """The bcrypt hash of each one's password; empty: nobody needs one."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Of every answer."""
    between_s: float = 0.0
    """Least time from request to request, in the long run; 0: no matter."""
    burst: int = 0
    """How many may come at once all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWebConfig:
    """What came of a file."""

    config: WebConfig | None
    """None exactly when there are problems."""
    problems: tuple[Problem, ...]
    files: tuple[Path, ...]
    """All that was read, or was to be."""
    is_blank: bool
    """Whether not even a comment is in it, as a full disk may leave it."""


def load_web_config(path: Path) -> LoadedWebConfig:
    """Read the file, and the certificates that it names. Never raises for anything that they hold."""
    file = read_text_file(path)
    document = read_document(file, empty={})
    problems, files = list(document.problems), [path]
    config: WebConfig | None = None
    if document.data is not None:
        reading = read_section(WebConfigKeys, document)
        problems += reading.problems
        if (keys := reading.value) is not None:
            tls = None
            if keys.tls_server_config is not None:
                files += _files(keys.tls_server_config, path.parent).values()
                if reading.has((_TLS,)):
                    tls, found = _context(keys.tls_server_config, path.parent, document)
                    problems += found
            config = _config(keys, tls)
    return LoadedWebConfig(
        config=None if problems else config,
        problems=tuple(sorted(problems)),
        files=tuple(files),
        is_blank=not file.content.strip(),
    )


def _config(keys: WebConfigKeys, tls: ssl.SSLContext | None) -> WebConfig:
    headers = keys.http_server_config.headers.model_dump(by_alias=True)
    limit = keys.rate_limit
    return WebConfig(
        tls=tls,
        asks_certificate=tls is not None and tls.verify_mode is ssl.CERT_REQUIRED,
        users=keys.basic_auth_users,
        headers=tuple((name.lower().encode(), text.encode()) for name, text in headers.items() if text),
        between_s=0.0 if limit is None else limit.interval,
        burst=0 if limit is None else limit.burst,
    )


def _files(keys: TlsKeys, home: Path) -> dict[str, Path]:
    """The files of a section, by the key that names them."""
    named = {"cert_file": keys.cert_file, "key_file": keys.key_file, "client_ca_file": keys.client_ca_file}
    return {key: home / name for key, name in named.items() if name is not None}


def _context(keys: TlsKeys, home: Path, document: Document) -> tuple[ssl.SSLContext | None, list[Problem]]:
    """What TLS is spoken with, or what is wrong with the certificates."""
    files = _files(keys, home)
    if problems := list(_unreadable(files, document)):
        return None, problems
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = keys.min_version.version
    context.maximum_version = keys.max_version.version
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not keys.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    if keys.cipher_suites:
        context.set_ciphers(":".join(suite.openssl for suite in keys.cipher_suites))
    try:
        # Never asks at the terminal: a service has none.
        context.load_cert_chain(files["cert_file"], files["key_file"], password=lambda: "")
    except (OSError, ValueError) as error:
        return None, [_bad_pair(error, files, document)]
    if keys.client_ca_file is not None:
        try:
            context.load_verify_locations(files["client_ca_file"])
        except (OSError, ValueError) as error:
            return None, [_bad_authority(error, files, document)]
    context.verify_mode = {
        ClientAuth.NONE: ssl.CERT_NONE,
        ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
        ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
    }[keys.client_auth_type]
    return context, []


def _unreadable(files: Mapping[str, Path], document: Document) -> Iterator[Problem]:
    for key, file in files.items():
        try:
            read_bytes(file)
        except (OSError, ValueError) as error:
            message = f"{shown(str(file))} cannot be read by the service: {unreadable_because(error)}"
            yield document.problem((_TLS, key), message)


def _is_gone(error: Exception) -> bool:
    """Whether a file that could be read a moment ago cannot be any more, as while it is renewed."""
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError)


def _bad_pair(error: Exception, files: Mapping[str, Path], document: Document) -> Problem:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        message = f"{shown(str(files['key_file']))} is not the key of the certificate in cert_file"
        return document.problem((_TLS, "key_file"), message)
    pair = f"{shown(str(files['cert_file']))} and {shown(str(files['key_file']))}"
    message = f"{pair} are no certificate and key without a password, in PEM"
    if _is_gone(error):
        message = f"{pair} cannot be read by the service any more: {unreadable_because(error)}"
    return document.problem((_TLS, "cert_file"), message)


def _bad_authority(error: Exception, files: Mapping[str, Path], document: Document) -> Problem:
    message = f"{shown(str(files['client_ca_file']))} holds no certificates in PEM"
    if _is_gone(error):
        file = shown(str(files["client_ca_file"]))
        message = f"{file} cannot be read by the service any more: {unreadable_because(error)}"
    return document.problem((_TLS, "client_ca_file"), message)
