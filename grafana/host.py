"""Hosts: what they have to give, what they withhold, what is changed there, and whether it is in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction
from grafana.frame import board, filled, link
from grafana.panels import figure, levels, lines, states
from grafana.parts import GREY, ONE_IS_GOOD, PERCENT, SECONDS, VCPUS, ZERO_IS_GOOD, Ask
from grafana.queries import LATE_STEPS, NONE, STAGE_STEPS, of_domains, of_service, quantile, stages, vcpus
from grafana.shared import changes_begun, unread, unseen

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
_CPUS = of_service("host_cpus")
_BRAKED = f"2 * {of_service('host_growth_stopped')}"
_GROWTH = f"{_BRAKED} + ({_COMMITTED} >= bool ignoring (state) {_CAPACITY})"
"""0: guests may grow; 1: their host is full; 2 and more: it withholds time or waits itself."""
_MAY_GROW = {
    "0": ("yes", "green"),
    "1": ("no, host is full", "red"),
    "2": ("no, host is too busy", "red"),
    "3": ("no, host is too busy", "red"),
}
_PER_CPU = "suffix:vCPUs per CPU"
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
            "Whether every host connection answered its last sweep. If not, `autoscaler status` says why.",
            f"min({of_service('host_connected')})",
            see=_SERVICE,
            width=3,
            steps=ONE_IS_GOOD,
            words={"1": ("yes", "green"), "0": ("no", "red")},
        ),
        unread(_FLEET, width=3),
        unseen(_SERVICE, width=3),
        figure(
            "Committed of capacity",
            "vCPUs that all guests run or grow to (committed), of the most that they may run together "
            "(capacity: the host's CPUs times `host.overcommit`, less `host.reserve`), at the host that is "
            "fullest. At 100 % no guest grows, unless another gives vCPUs back.",
            f"max({_COMMITTED} / ignoring (state) {_CAPACITY})",
            see=_FLEET,
            width=3,
            unit=PERCENT,
            steps=_FULL,
        ),
        figure(
            "Overcommitted now",
            "vCPUs committed for each CPU (logical CPU) of the host, at the host with most. Above 1 guests "
            "share CPUs. How many there may be is beside it.",
            f"max({_COMMITTED} / ignoring (state) {_CPUS})",
            see=_FLEET,
            width=3,
            unit=_PER_CPU,
        ),
        figure(
            "Overcommit allowed",
            "The most vCPUs for each CPU of the host that its guests may run together, at the host with "
            "least: `host.overcommit` in the configuration, less what `host.reserve` keeps.",
            f"min({_CAPACITY} / ignoring (state) {_CPUS})",
            see=_FLEET,
            width=3,
            unit=_PER_CPU,
        ),
        figure(
            "Steal",
            "Share of its guests' vCPU time that the host withheld, at the worst host: they wanted a CPU and "
            "got none. Whether guests can grow is beside it.",
            f"max({of_service('host_steal_ratio')})",
            see=_DOMAIN,
            width=3,
            unit=PERCENT,
            steps=((None, "green"), (0.05, "yellow")),
        ),
        figure(
            "Can guests grow?",
            "Not on a host that is full, nor on one that withholds so much time from its guests, or waits so "
            "much itself, that more vCPUs would make it worse. Then move a guest away, or end what else runs "
            "there; on a full host a higher `host.overcommit` allows more, too.",
            f"max({_GROWTH} or {_BRAKED})",
            see=_FLEET,
            width=3,
            steps=ZERO_IS_GOOD,
            words=_MAY_GROW,
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
            "Committed: vCPUs that guests run or are growing to, those without a policy included. Capacity: "
            "the most that they may, which is CPUs times `host.overcommit`, less `host.reserve`. Above the "
            "line of CPUs guests share them; where committed meets capacity, the host is full and the "
            "higher priority is served first.",
            [
                Ask(_COMMITTED, f"{_NAMED} committed"),
                Ask(_CAPACITY, f"{_NAMED} capacity"),
                Ask(_CPUS, f"{_NAMED} CPUs"),
            ],
            see=_FLEET,
            unit=VCPUS,
            stairs=["committed"],
            dashed=["capacity", "CPUs"],
            colors={"capacity": "red", "CPUs": GREY},
        ),
        lines(
            "Steal over time",
            "Share of its guests' vCPU time that the host withheld. Above `host.delay_below`, 10 % unless "
            "configured otherwise, no guest grows: red while growth is stopped, for whichever reason.",
            _and_when_stopped("host_steal_ratio"),
            see=_DOMAIN,
            unit=PERCENT,
            width=6,
            widths={_STOPPED: 0},
            areas=[_STOPPED],
            colors={_STOPPED: "red"},
        ),
        lines(
            "Host tasks that wait for a CPU",
            "The host's CPU pressure (PSI): share of 10 s in which some task of it waited for a CPU. High "
            "alone is no harm. Above `host.pressure_below`, 60 % unless configured otherwise, no guest "
            "grows, if the guests feel it: red while growth is stopped, for whichever reason.",
            _and_when_stopped("host_pressure_ratio"),
            see=_DOMAIN,
            unit=PERCENT,
            width=6,
            widths={_STOPPED: 0},
            areas=[_STOPPED],
            colors={_STOPPED: "red"},
        ),
        states(
            "When guests could grow",
            "When a host had room for growth, when it was full, and when no guest of it grew since it "
            "withheld time from its guests or waited itself.",
            [Ask(f"({_GROWTH} or {_BRAKED})", _NAMED)],
            see=_FLEET,
            words=_MAY_GROW,
            width=24,
            height=5,
        ),
    )


def _guests() -> Sequence[AnyPanel]:
    return (
        lines(
            "Online vCPUs, by guest",
            "vCPUs that the twenty largest guests run (online).",
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
            "90 of 100 changes of a vCPU came to a stage within so long of the request, in the time shown; "
            "none: there was no such change. A load that stays too large is not relieved.",
            [*stages(Direction.UP), *stages(Direction.DOWN), *stages(Direction.UNPLUG)],
            see=_DOMAIN,
            unit=SECONDS,
            steps=STAGE_STEPS,
            words=NONE,
        ),
        levels(
            "A change counts as stuck after",
            "How long a change may take to its end before somebody has to look, learned from how long "
            "changes take on the host.",
            [
                Ask(f"max({of_service('host_stage_deadline_seconds', _stage(stage))})", said)
                for stage, said in (
                    ("online", "growth: the guest runs it"),
                    ("offline", "offline: the guest runs fewer"),
                    ("gone", "unplug: QEMU shows it gone"),
                )
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
                "A tick is one round of the service: every guest is looked at and decided, each 5 s unless "
                "configured otherwise. 99 of 100 started at most so long after their time. Late ticks are a "
                "host without CPU to spare."
            ),
            [Ask(quantile(0.99, "tick_lateness_seconds", "instance"), "{{instance}}")],
            see=_SERVICE,
            unit=SECONDS,
            steps=LATE_STEPS,
            far=True,
        ),
        lines(
            "Age of the newest sample",
            "How long ago a guest's load was read, of the ten that were read longest ago. A line that rises "
            "is a guest whose agent does not answer: `autoscaler doctor DOMAIN` on its host says what mends "
            "it.",
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
