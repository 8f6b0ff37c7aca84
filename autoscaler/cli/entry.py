"""Where the program begins: Ctrl-C while its modules are still loading ends it as quietly as later on."""

import sys


def main() -> None:
    """Load the commands and run the one that was asked for."""
    try:
        from autoscaler.cli.main import main as run  # noqa: PLC0415 - what takes its time, and can be interrupted

        run()
    except KeyboardInterrupt:
        sys.exit(130)
