"""The command `run`: the service in the foreground, until it is told to stop."""

from __future__ import annotations

import logging
import signal

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.policyfile.problem import printable
from autoscaler.service.daemon import Service


def run(
    config_file: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run the service: watch the guests, hold their policies, serve metrics.

    SIGHUP reads the policies again; SIGTERM and SIGINT stop it and leave every guest as it is. Exit code 2
    where the configuration has errors, 1 where the service cannot start.
    """
    config = read_config(config_file, command="run")
    log = logging.StreamHandler()
    log.setFormatter(_OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=config.log_level.upper(), handlers=[log])
    service = Service(config)
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()


class _OneLine(logging.Formatter):
    """Keeps a message on its line, and from steering a terminal: parts of it come from guests and files."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class calls it so
        """Return the line, without a traceback that may follow it."""
        return printable(super().formatMessage(record))
