"""Asks the running service over its HTTP API."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import typer

from autoscaler.cli.http_config import HTTP_CONFIG, http_config
from autoscaler.errors import AutoscalerError
from autoscaler.service.control_client import START_IT

_TIMEOUT_S = 10.0
_UNAUTHORIZED = 401
_LONGEST_ANSWER = 64 * 1024 * 1024

DEFAULT_SERVER = "http://127.0.0.1:9752"


def _checked(server: str) -> str:
    try:
        scheme, host = urlsplit(server).scheme, urlsplit(server).hostname
        named = "@" in urlsplit(server).netloc
    except ValueError:
        scheme, host, named = "", None, False
    if named:
        # What stands there may be a password, and is not shown.
        raise typer.BadParameter(
            f"no user and password go into the address: write them to a file, and name that by {HTTP_CONFIG}"
        )
    if scheme not in {"http", "https"} or not host:
        raise typer.BadParameter(f"{server!r} is no address such as {DEFAULT_SERVER}")
    return server


ServerOption = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="URL",
        callback=_checked,
        envvar="VCPU_AUTOSCALER_SERVER",
        help="Where the service can be read, also from another host (web.listen in its configuration), "
        f"https:// where it speaks TLS; the file that {HTTP_CONFIG} names has whom to trust, and a user's "
        "password.",
    ),
]


class ServiceUnreachable(AutoscalerError):
    """The running service did not give an answer."""


def ask(server: str, *path: str, **query: str | int) -> object:
    """GET a path of the API and return its JSON.

    Raises:
        ServiceUnreachable: with what to do.
    """
    return ask_within(_TIMEOUT_S, server, *path, **query)


def ask_within(timeout_s: float, server: str, *path: str, **query: str | int) -> object:
    """The same, with so much patience.

    Raises:
        ServiceUnreachable: with what to do.
        HttpConfigBroken: the file by which it is let in cannot be used.
    """
    config = http_config(secure=urlsplit(server).scheme == "https")
    url = "/".join((server.rstrip("/"), "api/v1", *(quote(part, safe="") for part in path)))
    if query:
        url = f"{url}?{urlencode(query)}"
    try:
        request = Request(url)  # noqa: S310 - checked as the option is read
        if config.authorization is not None:
            # Not for whom the answer may redirect to.
            request.add_unredirected_header("Authorization", config.authorization)
        # The service is on this host or named outright: a proxy for the web has no part in it.
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=config.tls))
        with opener.open(request, timeout=timeout_s) as answer:
            return json.loads(answer.read(_LONGEST_ANSWER))
    except HTTPError as error:
        with error:
            raise ServiceUnreachable(_sentence(error)) from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServiceUnreachable(
            f"no autoscaler answers at {server} ({getattr(reason, 'strerror', None) or reason}): "
            f"{_advice(reason)}"
        ) from error


def _advice(reason: object) -> str:
    if isinstance(reason, ssl.SSLError):
        return f"see tls_config in the file that {HTTP_CONFIG} names"
    return f"{START_IT}, or say where it listens with --server URL"


def _sentence(error: HTTPError) -> str:
    hint = f": write them to a file, and name that by {HTTP_CONFIG}" if error.code == _UNAUTHORIZED else ""
    try:
        return str(json.loads(error.read(_LONGEST_ANSWER))["error"]) + hint
    except (ValueError, KeyError, TypeError):
        return f"the service answered {error.code} to {error.url}: is it an autoscaler of this version?"
