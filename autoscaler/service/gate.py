"""Stands before every address of the web server: who is let in, by which name, and how often.

Invariant: no request reaches a page that did not pass all that is asked for here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from autoscaler.service.passwords import Passwords
from autoscaler.service.target_form import in_origin_form
from autoscaler.service.turns import Crowded, come_again

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from autoscaler.service.web_config import WebConfig
    from autoscaler.service.web_rules import WebRules


class Gate:
    """The application behind the gate."""

    def __init__(self, app: ASGIApp, rules: WebRules, hosts: Iterable[str] | None) -> None:
        """Nothing is asked yet.

        Args:
            app: what is behind it.
            rules: what holds now.
            hosts: names that a request may be addressed to, beside localhost, this host's and IP addresses;
                None: any. A page of elsewhere that gives its own name this host's address is so kept out.
        """
        self._app = app
        self._rules = rules
        self._hosts = None if hosts is None else {_plain(name) for name in (*hosts, *_own_names())}
        self._passwords = Passwords()
        self._spent_s = 0.0
        """When everything that was let in would have come, one by one; see `_too_soon`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        config = self._rules.config
        headers = Headers(scope=scope)
        asked = in_origin_form(scope)
        answer = self._misdirected(headers, asked) or self._too_soon(config)
        answer = answer or await self._unknown(config, headers.get("authorization", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and config.headers:
                named = {name for name, _ in config.headers}
                others = [(name, text) for name, text in message["headers"] if name not in named]
                message = {**message, "headers": [*others, *config.headers]}
            await send(message)

        await (answer or self._app)(asked or scope, receive, send_with_headers)

    def _misdirected(self, headers: Headers, asked: Scope | None) -> Response | None:
        """Refused where it is addressed to another host, as by a page that wants to look in here.

        A proxy's request names a host twice, the same one; here neither may be another's.
        """
        if asked is None:
            return _refusal(400, "an address that is asked for as a whole is http://HOST[:PORT]/PATH")
        if all(self._is_own(found.get("host", "")) for found in (headers, Headers(scope=asked))):
            return None
        return _refusal(
            421, "this service goes by another name: add this one to web.hosts in its configuration"
        )

    def _is_own(self, host: str) -> bool:
        """Whether it is a name of this service, with or without a port, or no name at all."""
        name = _plain(host if host.endswith("]") else host.rpartition(":")[0] or host)
        return self._hosts is None or not name or name in self._hosts or _is_address(name)

    def _too_soon(self, config: WebConfig) -> Response | None:
        """Refused where requests come faster than allowed."""
        if not config.between_s:
            return None
        now_s = asyncio.get_running_loop().time()
        if self._spent_s > now_s + (config.burst - 1) * config.between_s:
            return _refusal(429, "requests come faster than rate_limit allows: ask again later")
        self._spent_s = max(self._spent_s, now_s) + config.between_s
        return None

    async def _unknown(self, config: WebConfig, authorization: str) -> Response | None:
        if not config.users:
            return None
        name, password = _named(authorization)
        try:
            if name and await self._passwords.is_right(config.users, name, password):
                return None
        except Crowded:
            return come_again()
        answer = _refusal(401, "a user's name and password are needed")
        answer.headers["www-authenticate"] = 'Basic realm="vcpu-autoscaler", charset="UTF-8"'
        return answer


def _named(authorization: str) -> tuple[str, bytes]:
    """Name and password as they were given; an empty name: none were."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, colon, password = base64.b64decode(given.strip(), validate=True).partition(b":")
        return (name.decode() if colon else ""), password
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", b""


def _refusal(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status, {"cache-control": "no-store"})


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _own_names() -> set[str]:
    name = socket.gethostname()
    return {"localhost", name, name.partition(".")[0]}


def _is_address(name: str) -> bool:
    """Whether it is an IP address, which no page of elsewhere can have as its name."""
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
