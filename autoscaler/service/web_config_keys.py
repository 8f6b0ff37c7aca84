"""The web server's file, key by key as it is written."""

import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from autoscaler.policyfile.problem import shown
from autoscaler.policyfile.strict_yaml import NOTHING, Scalar
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import (
    NotEmpty,
    Text,
    duration,
    integer,
    matching,
    one_of,
    said,
    written,
    wrong,
)

_MOST_USERS = 1000
_HASH = re.compile(r"\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}")
"""Of bcrypt; a higher cost would take a CPU for many seconds, over and over."""


class ClientAuth(StrEnum):
    """What is asked of a client's certificate."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """A version of TLS; older ones are not safe."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"

    @property
    def version(self) -> ssl.TLSVersion:
        """The same for Python."""
        return {TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3}[self]


class CipherSuite(StrEnum):
    """A cipher suite of TLS 1.2, by its name in the standard; those of TLS 1.3 are always allowed."""

    ECDSA_AES128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    ECDSA_AES256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    ECDSA_CHACHA = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    RSA_AES128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    RSA_AES256 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    RSA_CHACHA = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"

    @property
    def openssl(self) -> str:
        """Its name in OpenSSL."""
        words = self.removeprefix("TLS_").replace("_WITH", "").replace("AES_", "AES")
        return words.replace("POLY1305_SHA256", "POLY1305").replace("_", "-")


def _read_flag(value: object) -> bool:
    rule = "write true or false"
    text = written(value, rule).text
    if text not in {"true", "false"}:
        raise wrong(rule)
    return text == "true"


_Flag = Annotated[bool, BeforeValidator(_read_flag)]


def _refused(sentence: str) -> BeforeValidator:
    """A key of the format that this server does not take, and what to do."""

    def read(_: object) -> None:
        raise said(sentence)

    return BeforeValidator(read)


class TlsKeys(Section):
    """The server's certificate, and what is asked of clients."""

    cert_file: Text
    """Its certificate, with those between it and the authority behind it, in PEM."""
    key_file: Text
    """The key of that."""
    client_auth_type: Annotated[ClientAuth, one_of(ClientAuth)] = ClientAuth.NONE
    """What is asked of a client's certificate."""
    client_ca_file: Text | None = None
    """Who may have signed it."""
    min_version: Annotated[TlsVersion, one_of(TlsVersion)] = TlsVersion.TLS12
    """The oldest version that is spoken."""
    max_version: Annotated[TlsVersion, one_of(TlsVersion)] = TlsVersion.TLS13
    """The newest."""
    cipher_suites: Annotated[tuple[Annotated[CipherSuite, one_of(CipherSuite)], ...], NotEmpty] = ()
    """Those of TLS 1.2 that are allowed, in order; without it, those that OpenSSL takes for safe."""
    prefer_server_cipher_suites: _Flag = True
    """Whether that order counts, or the client's."""
    cert: Annotated[
        None, _refused("'cert' is not taken here: write it to a file, and name that by cert_file")
    ] = None
    key: Annotated[
        None, _refused("'key' is not taken here: write it to a file, and name that by key_file")
    ] = None
    client_ca: Annotated[
        None, _refused("'client_ca' is not taken here: write it to a file, and name that by client_ca_file")
    ] = None
    client_allowed_sans: Annotated[
        None,
        _refused("'client_allowed_sans' is not taken here: use an authority of its own in client_ca_file"),
    ] = None
    curve_preferences: Annotated[
        None, _refused("'curve_preferences' is not taken here: leave it out, OpenSSL chooses safe curves")
    ] = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.min_version > self.max_version:
            raise said("min_version is newer than max_version")
        if (self.client_auth_type is ClientAuth.NONE) is not (self.client_ca_file is None):
            raise said(
                "client_auth_type and client_ca_file go together: the one says what is asked of clients, the "
                "other who may have signed their certificates"
            )
        return self


class HeaderKeys(Section):
    """Headers of every answer."""

    csp: Text | None = Field(None, alias="Content-Security-Policy")
    """In place of the page's own."""
    frames: Annotated[str, matching("deny|sameorigin", "write deny or sameorigin")] | None = Field(
        None, alias="X-Frame-Options"
    )
    """Who may show it in a frame."""
    sniffing: Annotated[str, matching("nosniff", "write nosniff")] | None = Field(
        None, alias="X-Content-Type-Options"
    )
    """That a browser is not to guess types."""
    xss: Text | None = Field(None, alias="X-XSS-Protection")
    """For old browsers."""
    hsts: Text | None = Field(None, alias="Strict-Transport-Security")
    """That a browser is to come by TLS only."""


class HttpKeys(Section):
    """How HTTP is spoken."""

    http2: _Flag = True
    """Without effect: this server speaks HTTP/1.1."""
    headers: HeaderKeys = HeaderKeys()
    """Headers of every answer."""


class RateKeys(Section):
    """How often anybody may ask."""

    interval: Annotated[float, duration("1ms", "1h")]
    """Between two requests."""
    burst: Annotated[int, integer(1, 1_000_000)]
    """How many may come at once."""


def _read_users(value: object) -> dict[str, bytes]:
    """Names and hashes; what is refused is not repeated, for it may be a password."""
    if value == NOTHING:
        return {}
    if not isinstance(value, dict):
        raise said(
            "'basic_auth_users' takes a line for each user: the name, a colon, and the password's bcrypt hash"
        )
    if len(value) > _MOST_USERS:
        raise said(f"'basic_auth_users' takes at most {_MOST_USERS} users")
    users = {}
    for name, hashed in value.items():
        if not name or ":" in name or not name.isprintable():
            raise said(f"the user {shown(name)} cannot be: a name is printable, and has no colon")
        if not isinstance(hashed, Scalar) or not _HASH.fullmatch(hashed.text):
            raise said(
                f"the password of {shown(name)} is no bcrypt hash of a cost from 4 to 16: make one with "
                "`htpasswd -nBC 10 NAME`"
            )
        users[name] = hashed.text.encode()
    return users


class WebConfigKeys(Section):
    """The whole file."""

    tls_server_config: TlsKeys | None = None
    """TLS; none without it."""
    http_server_config: HttpKeys = HttpKeys()
    """How HTTP is spoken."""
    basic_auth_users: Annotated[Mapping[str, bytes], BeforeValidator(_read_users)] = Field({})
    """Who may ask; everybody where there is nobody."""
    rate_limit: RateKeys | None = None
    """How often anybody may ask."""
