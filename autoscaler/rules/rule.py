"""What a rule file is made of, as values: recordings, alerts, groups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.core.condition import Condition
    from autoscaler.core.reason import Reason

PREFIX = "vcpu_autoscaler"
ONE_DOMAIN = "on (job, instance, domain)"
"""By what the series of one domain are joined: `domain` is unique within one service."""


WITH_HOST = f"* {ONE_DOMAIN} group_left (host) {PREFIX}_domain_info"
"""Gives the series of a domain the label of its host; one service may have several."""


def command(verb: str) -> str:
    """A command about the alert's domain, to be pasted into a shell as it is, whatever its name."""
    name = """{{ reReplaceAll "'" "'\\\\''" $labels.domain }}"""
    return f"`autoscaler {verb} '{name}'`"


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    """Now."""
    WARNING = "warning"
    """On a working day."""
    INFO = "info"
    """It is good to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An expression whose values are kept under a name."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An expression that is to have no value; the texts are templates of Prometheus."""

    name: str
    expr: str
    for_s: float
    """How long it has to have one before anybody is told."""
    severity: Severity
    summary: str
    """What is the case, of whom."""
    description: str
    """What that means and what to do first."""
    policy: str = ""
    """The policy whose promise it is about; empty: no certain one."""


Rule = Recording | Alert


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Rule, ...]


def quoted(text: str) -> str:
    """A string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def one_of(label: str, *values: Condition | Reason) -> str:
    """A matcher of series that have one of these values of a label."""
    return f"{label}{'=~' if len(values) > 1 else '='}{quoted('|'.join(values))}"


def span(seconds: float) -> str:
    """A duration of PromQL, in the largest unit that divides it: ``6h``, ``90s``."""
    whole = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"
