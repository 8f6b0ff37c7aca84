"""The web server's file: what it may hold, and that every fault is told at its place, without a secret."""

from __future__ import annotations

import os
import ssl
import threading
import time
from pathlib import Path

import pytest

from autoscaler.service.web_config import LoadedWebConfig, WebConfig, load_web_config
from tests.fakes.certificates import Authority, hashed

TLS = "tls_server_config: {cert_file: web.crt, key_file: web.key"
HASH = hashed("s3cret")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority = Authority(tmp_path)
    authority.sign("web")
    authority.sign("other")
    (tmp_path / "empty").touch()
    return tmp_path


def load(folder: Path, text: str) -> LoadedWebConfig:
    path = folder / "web.yaml"
    path.write_text(text)
    return load_web_config(path)


def said(loaded: LoadedWebConfig) -> list[str]:
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in loaded.problems]


def test_the_whole_format_is_read(folder: Path) -> None:
    loaded = load(
        folder,
        f"""
tls_server_config:
  cert_file: web.crt
  key_file: {folder}/web.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "0"
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
  "0": {HASH}
rate_limit: {{interval: 100ms, burst: 20}}
""",
    )
    assert said(loaded) == []
    config = loaded.config
    assert config is not None
    assert config.tls is not None
    assert config.tls.verify_mode is ssl.CERT_REQUIRED
    assert config.tls.maximum_version is ssl.TLSVersion.TLSv1_2
    assert config.asks_certificate
    assert config.users == {"alice": HASH.encode(), "0": HASH.encode()}
    assert dict(config.headers)[b"strict-transport-security"] == b"max-age=31536000"
    assert (config.between_s, config.burst) == (0.1, 20)
    assert set(loaded.files) == {folder / name for name in ("web.yaml", "web.crt", "web.key", "ca.pem")}


def test_without_keys_of_a_kind_nothing_of_that_kind_is_asked(folder: Path) -> None:
    config = load(folder, "http_server_config: {http2: true}\n").config
    assert config is not None
    assert (config.tls, config.users, config.headers, config.between_s) == (None, {}, (), 0.0)
    tls = load(folder, TLS + "}\n").config
    assert tls is not None
    assert tls.tls is not None
    assert tls.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not tls.asks_certificate


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "{}\n", "basic_auth_users:\n"])
def test_where_nothing_is_written_nothing_is_asked(folder: Path, text: str) -> None:
    loaded = load(folder, text)
    assert (said(loaded), loaded.config) == ([], WebConfig())
    assert loaded.is_blank is (text.strip() == "")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("tls_server_config: ^{cert_file: web.crt}", "key 'key_file' is missing", id="half"),
        pytest.param(TLS + ", min_version: ^TLS10}", "'TLS10'; write one of TLS12, TLS13", id="old"),
        pytest.param(
            TLS.replace(" {", " ^{") + ", min_version: TLS13, max_version: TLS12}",
            "newer than max_version",
            id="no version",
        ),
        pytest.param(
            TLS.replace(" {", " ^{") + ", client_ca_file: ca.pem}",
            "go together",
            id="an authority for nothing",
        ),
        pytest.param(
            TLS.replace(" {", " ^{") + ", client_auth_type: RequireAndVerifyClientCert}",
            "go together",
            id="no authority",
        ),
        pytest.param(TLS + ", client_auth_type: ^RequireAnyClientCert}", "write one of", id="any one"),
        pytest.param(TLS + ", cert: ^PEM}", "name that by cert_file", id="inline"),
        pytest.param(TLS + ", client_allowed_sans: ^[a]}", "is not taken here", id="names"),
        pytest.param(TLS + ", cipher_suites: [^RC4]}", "'RC4'; write one of", id="cipher"),
        pytest.param(TLS + ", ^colour: red}", "the key 'colour' is not known here", id="unknown"),
        pytest.param(
            "tls_server_config: {cert_file: ^none.crt, key_file: web.key}",
            "cannot be read by the service: No such file",
            id="no file",
        ),
        pytest.param(
            "tls_server_config: {cert_file: web.crt, key_file: ^other.key}",
            "is not the key of the certificate",
            id="another key",
        ),
        pytest.param(
            "tls_server_config: {cert_file: ^empty, key_file: web.key}", "no certificate", id="empty"
        ),
        pytest.param(
            TLS + ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: ^empty}",
            "holds no certificates",
            id="empty authority",
        ),
        pytest.param(
            "http_server_config: {headers: {X-Frame-Options: ^maybe}}",
            "deny or sameorigin",
            id="frames",
        ),
        pytest.param("http_server_config: {headers: {^Set-Cookie: x}}", "not known here", id="header"),
        pytest.param("http_server_config: {http2: ^perhaps}", "write true or false", id="flag"),
        pytest.param("rate_limit: {interval: ^5, burst: 2}", "with its unit", id="no unit"),
        pytest.param("basic_auth_users: ^{a:b: x}", "has no colon", id="colon"),
        pytest.param("basic_auth_users: ^[alice]", "a line for each user", id="list"),
        pytest.param("^users: {alice: x}", "not known here", id="another key of the file"),
    ],
)
def test_a_mistake_is_told_at_its_place(folder: Path, text: str, part: str) -> None:
    """The place is where ``^`` stands, which is not written to the file."""
    loaded = load(folder, text.replace("^", "") + "\n")
    assert loaded.config is None
    (problem,) = said(loaded)
    assert problem.startswith(f"1:{text.index('^') + 1}: ")
    assert part in problem


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("hunter2", id="the password itself"),
        pytest.param("$2y$99$" + "x" * 53, id="a cost that there is not"),
        pytest.param("$2y$20$" + "x" * 53, id="a cost that takes minutes"),
        pytest.param(HASH[:-1], id="one letter short"),
        pytest.param("[hunter2]", id="a list"),
        pytest.param("$1$hunter2", id="another kind"),
    ],
)
def test_what_is_no_hash_is_refused_and_not_repeated(folder: Path, written: str) -> None:
    loaded = load(folder, f"basic_auth_users: {{alice: {written}}}\n")
    (problem,) = said(loaded)
    assert "the password of 'alice' is no bcrypt hash" in problem
    assert "hunter2" not in problem


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(folder: Path) -> None:
    (folder / "web.key").write_text(
        (folder / "web.key")
        .read_text()
        .replace("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)
    )
    (problem,) = said(load(folder, TLS + "}\n"))
    assert "without a password" in problem


ASKING = TLS + ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem}\n"


@pytest.mark.parametrize("name", ["web.crt", "web.key", "ca.pem"])
def test_a_certificate_that_goes_and_comes_while_it_is_read_is_a_problem_at_worst(
    folder: Path, name: str
) -> None:
    file, kept, over = folder / name, folder / "kept", threading.Event()
    os.link(file, kept)

    def renew() -> None:
        while not over.is_set():
            file.unlink()
            time.sleep(0.0002)
            os.link(kept, file)
            time.sleep(0.0002)

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        found = {problem for _ in range(1500) for problem in said(load(folder, ASKING))}
    finally:
        over.set()
        renewing.join()
    assert found
    assert all("cannot be read by the service" in problem for problem in found)


@pytest.mark.parametrize("name", ["web.crt", "web.key", "ca.pem"])
def test_what_is_no_file_is_refused_and_waited_for_by_nobody(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    (problem,) = said(load(folder, ASKING))
    assert problem.startswith(f"1:{ASKING.index(name) + 1}: ")
    assert problem.endswith("cannot be read by the service: it is not a regular file")
