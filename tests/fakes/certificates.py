"""Certificates as an administrator has them: an authority, and what it signed, as files in a folder."""

from __future__ import annotations

import ssl
from pathlib import Path

import bcrypt
import trustme

NAME = "localhost"


class Authority:
    """Signs certificates, and is trusted by whoever asks for `trusting`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def sign(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Files of a new certificate and its key, in place of those of that name."""
        made = self._authority.issue_cert(*(hosts or (NAME, "127.0.0.1", "::1")))
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
        return certificate, key

    def trusting(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What somebody speaks TLS with who trusts this authority, and shows this certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        if client is not None:
            context.load_cert_chain(*client)
        return context


def hashed(password: str) -> str:
    """As it stands in the file, quickly checked."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
