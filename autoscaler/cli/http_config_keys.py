"""The file by which the commands are let in, key by key as it is written."""

from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from autoscaler.policyfile.strict_yaml import Scalar
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import Text, said


def _read_password(value: object) -> str:
    """Any text; it is not repeated where it is refused."""
    if not isinstance(value, Scalar):
        raise said("'password' takes some text, or name a file that holds it by password_file")
    return value.text


class BasicAuthKeys(Section):
    """A user and the password."""

    username: Text
    """Who asks."""
    password: Annotated[str, BeforeValidator(_read_password)] | None = None
    """The password itself; or better: name a file."""
    password_file: Text | None = None
    """The file that holds it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.password is None) is (self.password_file is None):
            raise said("write exactly one of the keys password and password_file")
        return self


class TlsConfigKeys(Section):
    """Whom to trust, and the certificate to show."""

    ca_file: Text | None = None
    """Who signed the service's certificate, in PEM; without it, whom the system trusts."""
    cert_file: Text | None = None
    """The certificate to show, in PEM."""
    key_file: Text | None = None
    """Its key."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) is not (self.key_file is None):
            raise said("cert_file and key_file go together")
        return self


class HttpConfigKeys(Section):
    """The whole file."""

    basic_auth: BasicAuthKeys | None = None
    """A user and the password."""
    tls_config: TlsConfigKeys = TlsConfigKeys()
    """Whom to trust, and the certificate to show."""
