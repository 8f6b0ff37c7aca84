"""The clock of the service."""

from autoscaler.backends.system_clock import SystemClock

__all__ = ["SystemClock"]
