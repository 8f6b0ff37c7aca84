"""The commands are let in by a service that asks for TLS and passwords, by a file that a variable names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from autoscaler.cli.client import ServiceUnreachable, ask
from autoscaler.cli.http_config import HTTP_CONFIG, HttpConfigBroken
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.fakes.certificates import Authority, hashed
from tests.fakes.examples import SNAPSHOT

WEB_FILE = f"""
tls_server_config:
  cert_file: web.crt
  key_file: web.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users:
  alice: {hashed("s3cret")}
"""
TRUST = "tls_config: {ca_file: ca.pem, cert_file: me.crt, key_file: me.key}\n"
ALICE = "basic_auth: {username: alice, password_file: password}\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    authority = Authority(tmp_path)
    authority.sign("web")
    authority.sign("me")
    (tmp_path / "web.yaml").write_text(WEB_FILE)
    (tmp_path / "password").write_text("s3cret\n")
    sources = Sources(
        newest=lambda: SNAPSHOT, registry=CollectorRegistry(), journal=tmp_path, healthy=lambda: None
    )
    with closing(WebServer(sources, host="127.0.0.1", port=0, config_file=tmp_path / "web.yaml")) as server:
        server.start()
        yield server


@pytest.fixture
def http_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "http.yaml"
    monkeypatch.setenv(HTTP_CONFIG, str(path))
    return path


@pytest.mark.parametrize("user", [ALICE, "basic_auth: {username: alice, password: s3cret}\n"])
def test_a_command_is_let_in_with_certificate_and_password(
    server: WebServer, http_file: Path, user: str
) -> None:
    http_file.write_text(TRUST + user)
    assert ask(server.url, "status")["ticks"] == SNAPSHOT.tick  # type: ignore[index]


def test_without_a_password_it_is_told_where_to_write_one(server: WebServer, http_file: Path) -> None:
    http_file.write_text(TRUST)
    with pytest.raises(ServiceUnreachable, match=f"password are needed.*{HTTP_CONFIG}"):
        ask(server.url, "status")


def test_whom_it_cannot_trust_it_gives_no_password_and_says_where_trust_is_stated(
    server: WebServer, http_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_file.write_text(ALICE)
    with pytest.raises(ServiceUnreachable, match=f"see tls_config in the file that {HTTP_CONFIG} names"):
        ask(server.url, "status")
    monkeypatch.delenv(HTTP_CONFIG)
    with pytest.raises(ServiceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        ask(server.url, "status")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("basic_auth: {username: alice}\n", "http.yaml:1:13: write exactly one of"),
        ("tls_config: {cert_file: me.crt}\n", "http.yaml:1:13: cert_file and key_file go together"),
        ("tls_config: {ca: x}\n", "http.yaml:1:14: the key 'ca' is not known"),
        ("tls_config: {ca_file: none.pem}\n", "http.yaml names cannot be used"),
        ("basic_auth: {username: alice, password_file: none}\n", "http.yaml names cannot be used"),
        ("basic_auth: {username: alice, password: [s3cret]}\n", "takes some text"),
    ],
)
def test_a_mistake_in_the_file_is_told_without_a_secret(
    server: WebServer, http_file: Path, text: str, told: str
) -> None:
    http_file.write_text(text)
    with pytest.raises(HttpConfigBroken) as error:
        ask(server.url, "status")
    assert told in str(error.value)
    assert "s3cret" not in str(error.value)
