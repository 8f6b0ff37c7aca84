"""Asks the running service over its HTTP API."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

import typer

from autoscaler.ports import AutoscalerError

_TIMEOUT_S = 10.0
_LONGEST_ANSWER = 64 * 1024 * 1024

DEFAULT_SERVER = "http://127.0.0.1:9752"


def _checked(server: str) -> str:
    try:
        scheme, host = urlsplit(server).scheme, urlsplit(server).hostname
    except ValueError:
        scheme, host = "", None
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
        help="Where the service listens (web.listen in its configuration).",
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
    """
    url = "/".join((server.rstrip("/"), "api/v1", *(quote(part, safe="") for part in path)))
    if query:
        url = f"{url}?{urlencode(query)}"
    try:
        # The service is on this host or named outright: a proxy for the web has no part in it.
        with build_opener(ProxyHandler({})).open(url, timeout=timeout_s) as answer:
            return json.loads(answer.read(_LONGEST_ANSWER))
    except HTTPError as error:
        raise ServiceUnreachable(_sentence(error)) from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServiceUnreachable(
            f"no autoscaler answers at {server} ({reason}): start it with `autoscaler run`, or say where it "
            "listens with --server URL"
        ) from error


def _sentence(error: HTTPError) -> str:
    try:
        return str(json.loads(error.read(_LONGEST_ANSWER))["error"])
    except (ValueError, KeyError, TypeError):
        return f"the service answered {error.code} to {error.url}: is it an autoscaler of this version?"
