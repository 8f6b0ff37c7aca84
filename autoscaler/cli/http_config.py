"""What the commands need to be let in by a service that asks for TLS or a password.

In the format of promtool's ``--http.config.file``. It is named by the environment, so that every command and
the shell's completion find it, and no password stands on a command line.
"""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.cli.http_config_keys import HttpConfigKeys
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.policyfile.typed import read_section

if TYPE_CHECKING:
    from autoscaler.cli.http_config_keys import BasicAuthKeys, TlsConfigKeys

HTTP_CONFIG = "VCPU_AUTOSCALER_HTTP_CONFIG"
"""The variable that names the file."""
_LONGEST_PASSWORD = 4096


class HttpConfigBroken(AutoscalerError):
    """The file cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """How a service is asked."""

    tls: ssl.SSLContext | None
    """None: TLS is not spoken."""
    authorization: str | None = None
    """The header of that name; None: there is no password."""


def http_config(*, secure: bool) -> HttpConfig:
    """What the file says; without one, whom the system trusts, and no password.

    Args:
        secure: whether TLS is spoken.

    Raises:
        HttpConfigBroken: with what to mend.
    """
    name = os.environ.get(HTTP_CONFIG)
    if not name:
        return HttpConfig(tls=ssl.create_default_context() if secure else None)
    path = Path(name)
    document = read_document(read_text_file(path))
    problems, keys = list(document.problems), None
    if document.data is not None:
        reading = read_section(HttpConfigKeys, document)
        problems, keys = [*problems, *reading.problems], reading.value
    if problems or keys is None:
        raise HttpConfigBroken("; ".join(map(str, problems)))
    try:
        return HttpConfig(
            tls=_trusting(keys.tls_config, path.parent) if secure else None,
            authorization=None if keys.basic_auth is None else _basic(keys.basic_auth, path.parent),
        )
    except (OSError, ValueError) as error:
        raise HttpConfigBroken(
            f"what {printable(name)} names cannot be used ({error}): see {HTTP_CONFIG}"
        ) from error


def _trusting(keys: TlsConfigKeys, home: Path) -> ssl.SSLContext:
    authority = None if keys.ca_file is None else str(home / keys.ca_file)
    context = ssl.create_default_context(cafile=authority)
    if keys.cert_file is not None and keys.key_file is not None:
        context.load_cert_chain(home / keys.cert_file, home / keys.key_file)
    return context


def _basic(keys: BasicAuthKeys, home: Path) -> str:
    password = keys.password
    if keys.password_file is not None:
        with (home / keys.password_file).open() as file:
            password = file.read(_LONGEST_PASSWORD).strip()
    return f"Basic {base64.b64encode(f'{keys.username}:{password}'.encode()).decode()}"
