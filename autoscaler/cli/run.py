"""The command `run`: the service in the foreground, until it is told to stop."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys

from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, read_config
from autoscaler.service.daemon import Service
from autoscaler.service.log_lines import begin_logging

FILES = 65536
"""Most files that it may have open, where that is allowed; as in its systemd unit."""


def run(
    config_file: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run the service: watch the guests, hold their policies, serve metrics.

    SIGHUP reads the policies again; SIGTERM and SIGINT stop it and leave every guest as it is. Exit code 2
    where the configuration has errors, 1 where the service cannot start.
    """
    config = read_config(config_file, command="run")
    begin_logging(config.log_level, config.log_format, stream=sys.stderr, environment=os.environ)
    _allow_files()
    service = Service(config)
    signal.signal(signal.SIGHUP, lambda *_: service.reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()
    logging.shutdown()
    # Python's own end would close each connection that was left to a daemon that hangs, and wait for that.
    os._exit(0)


def _allow_files() -> None:
    """Have as many files open as its unit allows: each guest over QMP takes two, and shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
