"""Hosts: what they have to give, what they withhold, what is changed there, and whether it is in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction
from grafana.frame import board, filled, link
from grafana.panels import figure, levels, lines, states
from grafana.parts import ONE_IS_GOOD, PERCENT, SECONDS, VCPUS, ZERO_IS_GOOD, Ask
from grafana.queries import LATE_STEPS, NONE, STAGE_STEPS, of_domains, of_service, quantile, stages, vcpus
from grafana.shared import changes_begun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_FLEET = link("All guests", "fleet")
_DOMAIN = link("One domain: why is it this size?", "domain")
_SERVICE = link("The autoscaler itself", "autoscaler")
_NAMED = "{{instance}} {{host}}"
_STOPPED = "growth stopped"
_COMMITTED = of_service("host_vcpus", ', state="committed"')
_CAPACITY = of_service("host_vcpus", ', state="capacity"')
_FULL = ((None, "green"), (0.8, "yellow"), (1, "red"))


def host() -> Dashboard:
    """The dashboard of one host or several."""
    return filled(
        board(
            "host", "vCPU autoscaler / Host", "What the hosts have to give, and what keeps guests from it."
        ),
        {
            "Now": _now(),
            "Capacity": _capacity(),
            "Guests on it": _guests(),
            "Changes": _changes(),
            "Looked at in time": _ticks(),
        },
    )


def _now() -> Sequence[AnyPanel]:
    return (
        figure(
            "Connected",
            "Whether every host connection answered its last sweep.",
            f"min({of_service('host_connected')})",
            see=_SERVICE,
            steps=ONE_IS_GOOD,
            words={"1": ("yes", "green"), "0": ("no", "red")},
        ),
        figure(
            "Committed of capacity",
            "vCPUs that all guests run or grow to, of those that they may run together.",
            f"sum({_COMMITTED}) / sum({_CAPACITY})",
            see=_FLEET,
            unit=PERCENT,
            steps=_FULL,
        ),
        figure(
            "vCPUs per CPU",
            (
                "Overcommitment: vCPUs committed for each logical CPU of the host. `host.overcommit` is "
                "its limit."
            ),
            f"sum({_COMMITTED}) / sum({of_service('host_cpus')})",
            see=_FLEET,
        ),
        figure(
            "Steal",
            "Share of its guests' vCPU time that the host withheld, at the worst host.",
            f"max({of_service('host_steal_ratio')})",
            see=_DOMAIN,
            unit=PERCENT,
            steps=((None, "green"), (0.05, "yellow"), (0.1, "red")),
        ),
        figure(
            "Growth stopped",
            "Whether a host withholds so much, or waits so much itself, that no guest of it may grow.",
            f"max({of_service('host_growth_stopped')})",
            see=_FLEET,
            steps=ZERO_IS_GOOD,
            words={"0": ("no", "green"), "1": ("yes", "red")},
        ),
        figure(
            "Cannot be seen",
            "Domains that are configured and cannot be seen: `autoscaler status` says why.",
            f"sum({of_service('host_unseen_domains')})",
            see=_SERVICE,
            steps=ZERO_IS_GOOD,
        ),
    )


def _stage(stage: str) -> str:
    return f', stage="{stage}"'


def _and_when_stopped(metric: str) -> list[Ask]:
    """A ratio of each host, and the same again where growth was stopped there, 0 where it was not.

    Its limit is each host's own, and not all that it takes; so the outcome is shown.
    """
    ratio = of_service(metric)
    return [
        Ask(ratio, _NAMED),
        Ask(f"{ratio} * {of_service('host_growth_stopped')}", f"{_NAMED} {_STOPPED}"),
    ]


def _capacity() -> Sequence[AnyPanel]:
    return (
        lines(
            "vCPUs committed and capacity",
            "vCPUs that guests run or are growing to, those without a policy included, and the most "
            "that they may. "
            "Where the lines meet, the host is full and the higher priority is served first.",
            [
                Ask(_COMMITTED, f"{_NAMED} committed"),
                Ask(_CAPACITY, f"{_NAMED} capacity"),
                Ask(of_service("host_cpus"), f"{_NAMED} CPUs"),
            ],
            see=_FLEET,
            unit=VCPUS,
            stairs=["committed"],
            dashed=["capacity", "CPUs"],
        ),
        lines(
            "Steal over time",
            "Share of its guests' vCPU time that the host withheld. Above host.delay_below, 10 % "
            "unless configured otherwise, no guest grows: red while growth is stopped, for whichever reason.",
            _and_when_stopped("host_steal_ratio"),
            see=_DOMAIN,
            unit=PERCENT,
            width=6,
            widths={_STOPPED: 0},
            areas=[_STOPPED],
            colors={_STOPPED: "red"},
        ),
        lines(
            "Pressure over time",
            "Share of 10 s in which tasks of the host waited for a CPU. Above host.pressure_below, "
            "60 % unless configured otherwise, no guest grows, if the guests feel it: red while growth "
            "is stopped, for whichever reason.",
            _and_when_stopped("host_pressure_ratio"),
            see=_DOMAIN,
            unit=PERCENT,
            width=6,
            widths={_STOPPED: 0},
            areas=[_STOPPED],
            colors={_STOPPED: "red"},
        ),
        states(
            "When growth was stopped",
            "When no guest of a host could grow, for what the host withheld or waited itself.",
            [Ask(of_service("host_growth_stopped"), _NAMED)],
            see=_FLEET,
            words={"0": ("free", "green"), "1": ("stopped", "red")},
            width=24,
            height=5,
        ),
    )


def _guests() -> Sequence[AnyPanel]:
    return (
        lines(
            "vCPUs by guest",
            "vCPUs that the twenty largest guests run.",
            [Ask(f"topk(20, max by (domain) ({vcpus('online')}))", "{{domain}}")],
            see=_DOMAIN,
            unit=VCPUS,
            stairs=[""],
        ),
        lines(
            "Steal by guest",
            "Share of a guest's vCPU time that the host withheld, of the ten with most of it.",
            [Ask(f"topk(10, max by (domain) ({of_domains('domain_steal_ratio')}))", "{{domain}}")],
            see=_DOMAIN,
            unit=PERCENT,
            steps=((None, "green"), (0.1, "red")),
        ),
    )


def _changes() -> Sequence[AnyPanel]:
    return (
        changes_begun(_DOMAIN),
        levels(
            "Time to each stage of a change",
            "90 of 100 changes came to a stage within so long of the request.",
            [*stages(Direction.UP), *stages(Direction.DOWN), *stages(Direction.UNPLUG)],
            see=_DOMAIN,
            unit=SECONDS,
            steps=STAGE_STEPS,
            words=NONE,
        ),
        levels(
            "After how long a change is stuck",
            "The deadline of each stage, learned from how long changes take on the host.",
            [
                Ask(f"max({of_service('host_stage_deadline_seconds', _stage(stage))})", stage)
                for stage in ("online", "offline", "gone")
            ],
            see=_SERVICE,
            unit=SECONDS,
        ),
    )


def _ticks() -> Sequence[AnyPanel]:
    return (
        lines(
            "How late ticks start",
            (
                "99 of 100 ticks started at most so long after their time. Late ticks are a host without "
                "CPU to spare."
            ),
            [Ask(quantile(0.99, "tick_lateness_seconds", "instance"), "{{instance}}")],
            see=_SERVICE,
            unit=SECONDS,
            steps=LATE_STEPS,
            far=True,
        ),
        lines(
            "Age of what is known",
            "How old the newest sample is, of the ten guests that were read longest ago.",
            [
                Ask(
                    "topk(10, time() - max by (domain) "
                    f"({of_domains('domain_last_sample_timestamp_seconds')}))",
                    "{{domain}}",
                )
            ],
            see=_DOMAIN,
            unit=SECONDS,
            steps=((None, "green"), (60, "red")),
        ),
    )
