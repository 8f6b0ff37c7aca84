"""Values as plain JSON and back, for the tape: the closed set of types that reach the controller."""

from __future__ import annotations

from autoscaler import errors, ports
from autoscaler.backends.plain_values import PlainValues
from autoscaler.core import acpi, deadlines, model, operation, orders, owner, policy, reason
from autoscaler.service import sampling, settings

_VALUES = PlainValues(
    "the tape",
    (acpi, deadlines, errors, model, operation, orders, owner, policy, ports, reason, sampling, settings),
)

to_plain = _VALUES.to_plain
from_plain = _VALUES.from_plain
