"""The command `top`: all domains on one screen, over and over."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from rich.console import Console
from rich.live import Live

from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ServiceUnreachable, ask
from autoscaler.cli.keys import pressed_keys
from autoscaler.cli.top_view import WHOLE, Order, Sight, picture

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
_PAGE = 10
_END = 1 << 30


def top(
    *,
    sort: Annotated[Order, typer.Option("--sort", help="What comes first.")] = Order.TROUBLE,
    wanted: Annotated[
        str, typer.Option("--filter", metavar="TEXT", help="Only what has this in name, policy or state.")
    ] = "",
    every_s: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.2, max=3600, help="Between two looks.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Show all governed domains, in trouble, at risk, then the busiest first, until q is pressed.

    On: vCPUs that the guest runs; Plug: that QEMU has; Want: the target; Max: the most that its policy
    allows; Kept: how much of what was measured kept the promise; Budget left: of the time that may be bad in
    a whole SLO window. A narrow terminal leaves out Plug, then Budget left, Kept, Max, Want and Used. Beneath
    a domain in trouble or at risk is what that is. s sorts by something else, r turns the order round, /
    filters, the arrows scroll. Where the output is no terminal it is printed once, with every name whole.
    NO_COLOR is respected.
    """
    console = Console(highlight=False)
    sight = Sight(order=sort, wanted=wanted)
    if once or not console.is_terminal:
        status, domains = _look(server)
        if not console.is_terminal:
            console.width = WHOLE
        # Up to four lines a domain, so that all are shown.
        height = 4 * len(domains) + len(status["hosts"]) + _PAGE
        console.print(picture(status, domains, sight, width=console.width, height=height, trouble=""))
        return
    with suppress(KeyboardInterrupt):
        _watch(console, server, sight, every_s)


def _look(server: str) -> tuple[Json, list[Json]]:
    return cast("Json", ask(server, "status")), cast("list[Json]", ask(server, "domains"))


def _watch(console: Console, server: str, sight: Sight, every_s: float) -> None:
    status: Json | None = None
    domains: list[Json] = []
    trouble, due_s = "", 0.0
    signal.signal(signal.SIGTERM, _end)
    with pressed_keys() as key_within, Live(console=console, screen=True, auto_refresh=False) as shown:
        while True:
            if time.monotonic() >= due_s:
                try:
                    status, domains = _look(server)
                    trouble = ""
                except ServiceUnreachable as error:
                    trouble = str(error)
                due_s = time.monotonic() + every_s
            width, height = console.size
            shown.update(
                picture(status, domains, sight, width=width, height=height, trouble=trouble), refresh=True
            )
            key = _wait(key_within, due_s)
            if key in {"q", "Q"} and not sight.typing:
                return
            sight = pressed(sight, key, rows=len(domains))


def _end(number: int, _frame: object) -> NoReturn:
    """Leave as `q` does, so that the terminal is given back."""
    sys.exit(128 + number)


def _wait(key_within: Callable[[float], str], due_s: float) -> str:
    return key_within(max(0.0, due_s - time.monotonic()))


def pressed(sight: Sight, key: str, *, rows: int) -> Sight:
    """What is looked at after a key was pressed."""
    if sight.typing:
        return _typed(sight, key)
    moves = {"up": -1, "down": 1, "page-up": -_PAGE, "page-down": _PAGE, "home": -_END, "end": _END}
    if key in moves:
        return replace(sight, first=min(max(sight.first + moves[key], 0), max(rows - 1, 0)))
    if key == "s":
        orders = list(Order)
        return replace(sight, order=orders[(orders.index(sight.order) + 1) % len(orders)], first=0)
    if key == "r":
        return replace(sight, backwards=not sight.backwards, first=0)
    if key in {"/", "escape"}:
        return replace(sight, typing=key == "/", wanted="", first=0)
    return sight


def _typed(sight: Sight, key: str) -> Sight:
    if key == "enter":
        return replace(sight, typing=False)
    if key == "escape":
        return replace(sight, typing=False, wanted="")
    if key == "backspace":
        return replace(sight, wanted=sight.wanted[:-1])
    return replace(sight, wanted=sight.wanted + key) if len(key) == 1 and key.isprintable() else sight
