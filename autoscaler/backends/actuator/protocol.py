"""What is said to the actuator and by it; `autoscaler.backends.local.wire` is how.

A request is ``{"verb": ..., ...}`` with the keys that `KEYS` names, each a text, a number, true or false. An
answer is ``{"ok": VALUE}`` or ``{"error": "one sentence", "kind": "the class of the error"}``; both may have
``asked``, the commands that a guest's agent was asked meanwhile, each with its seconds. An error without
``kind`` says that the request was not looked at; one that is a refusal of the actuator's own has ``refused``,
one of `Refusal`.

Invariants: these five verbs are all that can be asked for; no request is deeper than one object, or longer
than `MOST_REQUEST_BYTES`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from autoscaler import errors
from autoscaler.backends.plain_values import PlainValues
from autoscaler.core import acpi, model, owner
from autoscaler.errors import AutoscalerError

INSTALLED_SOCKET = Path("/run/vcpu-autoscaler-actuator/socket")
"""Where the actuator of an installation is asked."""
MOST_REQUEST_BYTES = 2048
MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Of a few thousand domains, all that is known."""


class Verb(StrEnum):
    """What can be asked for."""

    PLUG = "plug"
    UNPLUG = "unplug"
    ONLINE = "online"
    """Bring the guest's online vCPUs up to a count; never down."""
    OFFLINE = "offline"
    """Bring them down to a count; never up."""
    READ = "read"


class Reading(StrEnum):
    """What can be read."""

    SAMPLE = "sample"
    """A guest's load, by its agent."""
    VCPUS = "vcpus"
    """A guest's vCPUs, by its agent."""
    DOMAINS = "domains"
    """The domains of a connection that has no read-only one, and why some are not shown."""
    REPORTS = "reports"
    """What the firmware of a connection's guests reported of their slots."""


class Refusal(StrEnum):
    """Why the actuator refused a request. A closed set, for its values are labels of a metric."""

    FORM = "form"
    """It is none of the five verbs in its form."""
    UNNAMED = "unnamed"
    """No policy names the domain."""
    BOUNDS = "bounds"
    """The count is outside what the domain's policy allows."""
    RATE = "rate"
    """The domain had as many requests as a minute may have."""
    TURNS = "turns"
    """Too many requests are under way."""


OF_DOMAIN = frozenset({"host", "uuid"})
KEYS: dict[Verb, frozenset[str]] = {
    Verb.PLUG: OF_DOMAIN | {"expect", "target"},
    Verb.UNPLUG: OF_DOMAIN | {"expect", "target"},
    Verb.ONLINE: OF_DOMAIN | {"target"},
    Verb.OFFLINE: OF_DOMAIN | {"target"},
}
"""The keys of a request beside ``verb``: all of them, and no other.

A plug whose ``target`` is below its ``expect`` is refused: it would take vCPUs away.
"""
KEYS_OF_READING: dict[Reading, frozenset[str]] = {
    Reading.SAMPLE: OF_DOMAIN | {"what", "pressure"},
    Reading.VCPUS: OF_DOMAIN | {"what"},
    Reading.DOMAINS: frozenset({"what", "host"}),
    Reading.REPORTS: frozenset({"what", "host"}),
}
"""The same of a ``read``."""

VALUES = PlainValues("the actuator's answer", (acpi, model, owner))

ERRORS: dict[str, type[AutoscalerError]] = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, AutoscalerError)
}
"""The closed set of errors that are told as what they are."""
