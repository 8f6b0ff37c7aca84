"""The command `autoscaler-actuator`: the process that alone may change guests."""

from __future__ import annotations

import argparse
import logging
import os
import pwd
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler import __version__
from autoscaler.actuator.bounds_file import BoundsFile
from autoscaler.actuator.held import MOST_AT_ONCE
from autoscaler.actuator.verbs import Asked, Verbs
from autoscaler.backends.actuator.protocol import INSTALLED_SOCKET, MOST_REQUEST_BYTES
from autoscaler.backends.closing import HostClosing
from autoscaler.backends.local.server import LineServer
from autoscaler.backends.reached import Reaching
from autoscaler.backends.system_clock import SystemClock
from autoscaler.backends.systemd_journal import WithPriority, graded, is_journal
from autoscaler.core.printable import printable
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.actuator.bounds import Charter

_log = logging.getLogger("autoscaler")

DEFAULT_BOUNDS = Path("/run/vcpu-autoscaler-bounds/bounds.json")
_SPARE_PLACES = 64
"""For who has not said yet which host is meant."""
_FOLLOW_S = 5.0
_LOOK_S = 2.0
"""Between two looks whether the connections are still those that it was started with."""


class UnknownUser(AutoscalerError):
    """The user who may ask does not exist."""


def main() -> None:
    """Serve until told to stop; an error that has a sentence is printed as that."""
    try:
        code = _run(sys.argv[1:])
    except AutoscalerError as error:
        said = f"autoscaler-actuator: {printable(str(error))}"
        sys.stderr.write(graded(said, logging.ERROR, sys.stderr) + "\n")
        sys.exit(1)
    logging.shutdown()
    # Python's own end would close each connection that was left to a daemon that hangs, and wait for that.
    os._exit(code)


def _run(arguments: Sequence[str]) -> int:
    told = _options().parse_args(arguments)
    log = logging.StreamHandler()
    lines = _OneLine("%(levelname)s %(message)s")
    log.setFormatter(WithPriority(lines) if is_journal(sys.stderr, os.environ) else lines)
    logging.basicConfig(level=logging.INFO, handlers=[log])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bounds = BoundsFile(told.bounds)
    return serve(bounds, told.socket, uid=_uid_of(told.user), stop=stop)


def serve(
    bounds: BoundsFile, path: Path, *, uid: int, stop: threading.Event, follow_s: float = _FOLLOW_S
) -> int:
    """Answer requests at a socket until told to stop, or until there are other connections to be held.

    Args:
        bounds: what may be done.
        path: the socket.
        uid: who may ask, beside root.
        stop: ends it.
        follow_s: see `Verbs`.

    Returns:
        The exit code: 1 where it is to be started anew, for other connections.

    Raises:
        AutoscalerError: with what to do.
    """
    begun_with = bounds.current()
    clock, asked = SystemClock(), Asked()
    with ExitStack() as opened:
        closing = HostClosing(clock)
        opened.callback(closing.close)
        hosts = [
            Reaching(
                clock=clock,
                agent_timeout_s=begun_with.agent_timeout_s,
                asked=asked.note,
                opened=closing.of(connection.label),
            ).to(connection)
            for connection in begun_with.connections
        ]
        verbs = Verbs(hosts, charter=bounds.current, clock=clock, asked=asked, follow_s=follow_s)
        server = _server(path, verbs, uid=uid, most_at_once=MOST_AT_ONCE * len(hosts) + _SPARE_PLACES)
        opened.callback(server.close)
        server.start()
        labels = ", ".join(connection.label for connection in begun_with.connections)
        _log.info("holds %s for uid %d, asked at %s", labels, uid, path)
        while not stop.wait(_LOOK_S):
            if _holds_others(begun_with, bounds.current()):
                _log.warning("the bounds name other connections: this process ends, to be started with those")
                return 1
    _log.info("stopped; every guest stays as it is")
    return 0


def _server(path: Path, verbs: Verbs, *, uid: int, most_at_once: int) -> LineServer:
    return LineServer(
        path,
        verbs.answer,
        name="actuator",
        set_by="--socket",
        admits=lambda peer: peer.uid in {0, uid},
        refusal="root and the service's user may ask, nobody else",
        most_request_bytes=MOST_REQUEST_BYTES,
        most_at_once=most_at_once,
    )


def _holds_others(before: Charter, now: Charter) -> bool:
    return (before.connections, before.agent_timeout_s) != (now.connections, now.agent_timeout_s)


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="autoscaler-actuator",
        description="Holds the right to change guests, for a service that does not have it.",
        epilog="What it may do is in the file that `autoscaler bounds` makes from the policies.",
    )
    options.add_argument("--bounds", type=Path, default=DEFAULT_BOUNDS, metavar="FILE", help="what it may do")
    options.add_argument(
        "--socket", type=Path, default=INSTALLED_SOCKET, metavar="PATH", help="where it is asked"
    )
    options.add_argument(
        "--user", default="vcpu-autoscaler", metavar="NAME", help="who may ask, beside root; a name or a uid"
    )
    options.add_argument("--version", action="version", version=f"autoscaler-actuator {__version__}")
    return options


def _uid_of(user: str) -> int:
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise UnknownUser(f"there is no user {user!r}: name the service's by --user") from None


class _OneLine(logging.Formatter):
    """Keeps a message on its line, and from steering a terminal: parts of it come from guests."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class calls it so
        """Return the line, without a traceback that may follow it."""
        return printable(super().formatMessage(record))


if __name__ == "__main__":
    main()
