"""The autoscaler itself: does it keep its time, does it reach what it has to, and what does it cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.frame import board, filled, link
from grafana.panels import figure, lines, states
from grafana.parts import (
    BYTES,
    NONE_IS_GOOD,
    ONE_IS_GOOD,
    PER_SECOND,
    PERCENT,
    SECONDS,
    SOME_ARE_GOOD,
    ZERO_IS_GOOD,
    Ask,
)
from grafana.queries import LATE_STEPS, RATE, SERVICE, each, of_domains, of_service, or_zero, quantile
from grafana.shared import unread, unseen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_FLEET = link("All guests", "fleet")
_DOMAIN = link("One domain: why is it this size?", "domain")
_HOST = link("The hosts", "host")
_YES_NO = {"1": ("yes", "green"), "0": ("no", "red")}
_PROCESS = f"{{{SERVICE}}}"
_MEMORY = 1024**3
"""What the unit lets the service have, in bytes."""
_YES = (
    ("Answers", "Whether Prometheus reaches every service.", f"up{_PROCESS}"),
    (
        "Policies up to date",
        "Whether the policy files are in force. If not, the last good ones are: `autoscaler check` says why.",
        of_service("policy_reload_successful"),
    ),
    (
        "Journal written",
        "Whether the journal can be written. If not, no guest is changed.",
        of_service("journal_writable"),
    ),
    (
        "Audit log written",
        "Whether the audit log can be written. If not, no guest is changed.",
        of_service("audit_writable"),
    ),
    (
        "Takes orders",
        "Whether `autoscaler pause`, `set` and `reload` reach it. If not, `autoscaler status` says why.",
        of_service("control_reachable"),
    ),
)
"""Figures that are 1 as long as all is well."""


def health() -> Dashboard:
    """The dashboard of the service as a program."""
    return filled(
        board("autoscaler", "vCPU autoscaler / Health", "Does the autoscaler itself work, and at what cost?"),
        {
            "Now": _now(),
            "Ticks": _ticks(),
            "Guests' agents and hosts": _agents(),
            "Cost": _cost(),
        },
    )


def _now() -> Sequence[AnyPanel]:
    return (
        figure(
            "Since the last tick",
            "How long ago the last tick was over, of the service that is furthest behind. A tick is one "
            "round of it: every guest is looked at and decided, each 5 s unless configured otherwise.",
            f"max(time() - {of_service('snapshot_timestamp_seconds')})",
            see=_HOST,
            unit=SECONDS,
            steps=((None, "green"), (60, "red")),
        ),
        figure(
            "Hosts reached",
            "Host connections that answered their last sweep, of all.",
            f"sum({of_service('host_connected')}) / count({of_service('host_connected')})",
            see=_HOST,
            unit=PERCENT,
            steps=ONE_IS_GOOD,
        ),
        unread(_FLEET, width=4),
        unseen(_HOST, width=4),
        figure(
            "Policies",
            "Policies in force. Without any nothing is changed.",
            f"max({of_service('policies')})",
            see=_FLEET,
            steps=SOME_ARE_GOOD,
        ),
        *(
            figure(title, text, f"min({expr})", see=_FLEET, width=width, steps=ONE_IS_GOOD, words=_YES_NO)
            for (title, text, expr), width in zip(_YES, (4, 6, 6, 6, 6), strict=True)
        ),
    )


def _ticks() -> Sequence[AnyPanel]:
    return (
        lines(
            "Duration of a tick",
            "From the start of a tick to the end of its decisions, half of them and 99 of 100 of "
            "them. It waits for "
            "guests at most 5 % of the interval.",
            [
                Ask(quantile(0.5, "tick_duration_seconds", ""), "half of them"),
                Ask(quantile(0.99, "tick_duration_seconds", ""), "99 of 100"),
            ],
            see=_HOST,
            unit=SECONDS,
            width=8,
            steps=LATE_STEPS,
            far=True,
        ),
        lines(
            "Lateness of ticks",
            "How much later than scheduled they began.",
            [
                Ask(quantile(0.5, "tick_lateness_seconds", ""), "half of them"),
                Ask(quantile(0.99, "tick_lateness_seconds", ""), "99 of 100"),
            ],
            see=_HOST,
            unit=SECONDS,
            width=8,
            steps=LATE_STEPS,
            far=True,
        ),
        lines(
            "Ticks missed",
            "`late`: the host did not run the service in time; `overrun`: the tick before was not over.",
            [Ask(f"sum by (cause) ({each(of_service('ticks_missed_total'))})", "{{cause}}")],
            see=_HOST,
            width=8,
            counts=True,
            steps=NONE_IS_GOOD,
            colors={"late": "orange", "overrun": "red"},
        ),
    )


def _agents() -> Sequence[AnyPanel]:
    return (
        lines(
            "Answer time of agents",
            "90 of 100 requests to guest agents took at most so long, by command, failed ones included. "
            "After 2 s one has failed, unless `agent.timeout` says otherwise.",
            [Ask(quantile(0.9, "guest_agent_request_duration_seconds", "command"), "{{command}}")],
            see=_DOMAIN,
            unit=SECONDS,
            width=6,
            steps=((None, "green"), (1, "yellow"), (2, "red")),
            far=True,
        ),
        lines(
            "Errors of agents",
            "Calls that agents did not answer as they should, a second, by the name of the error.",
            [
                Ask(or_zero(f"sum(rate({of_domains('guest_agent_errors_total')}{RATE}))"), "all"),
                Ask(
                    f"sum by (error) (rate({of_domains('guest_agent_errors_total')}{RATE})) > 0", "{{error}}"
                ),
            ],
            see=_DOMAIN,
            unit=PER_SECOND,
            width=6,
            steps=((None, "green"), (0.1, "yellow"), (1, "red")),
        ),
        lines(
            "Refused by the actuator",
            "Requests that the actuator refused, by why: `bounds` and `unnamed` are what its bounds forbid, "
            "`rate` and `turns` came too fast. Without an actuator there are none.",
            [
                Ask(
                    f"sum by (cause) ({each(of_service('actuator_refusals_total'))})",
                    "{{cause}}",
                )
            ],
            see=_FLEET,
            width=6,
            counts=True,
            steps=ZERO_IS_GOOD,
        ),
        states(
            "Host connections",
            "When each host answered.",
            [Ask(of_service("host_connected"), "{{instance}} {{host}}")],
            see=_HOST,
            steps=ONE_IS_GOOD,
            words={"1": ("connected", "green"), "0": ("lost", "red")},
            width=6,
        ),
    )


def _cost() -> Sequence[AnyPanel]:
    return (
        lines(
            "CPU",
            "Share of one core that the service uses.",
            [Ask(f"rate(process_cpu_seconds_total{_PROCESS}{RATE})", "{{instance}}")],
            see=_HOST,
            unit=PERCENT,
            width=8,
            steps=((None, "green"), (0.5, "yellow"), (1, "red")),
            far=True,
        ),
        lines(
            "Memory",
            "Resident memory of the service. As installed it may have 1 GiB, and is ended beyond that.",
            [Ask(f"process_resident_memory_bytes{_PROCESS}", "{{instance}}")],
            see=_HOST,
            unit=BYTES,
            width=8,
            steps=((None, "green"), (_MEMORY * 3 / 4, "yellow"), (_MEMORY, "red")),
            far=True,
        ),
        lines(
            "Decisions",
            "Decisions a second, repeated ones included: one for each guest and tick.",
            [Ask(f"sum by (instance) (rate({of_domains('decisions_total')}{RATE}))", "{{instance}}")],
            see=_FLEET,
            unit=PER_SECOND,
            width=8,
        ),
    )
