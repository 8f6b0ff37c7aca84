"""How `top` looks: the answer of the service as lines that fit a terminal of any width, coloured or not.

Invariant: nothing is told by colour alone, and no name steers the terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autoscaler.cli.fitting import LEAST, shortened
from autoscaler.cli.output import state_of
from autoscaler.cli.top_rows import Name, Rows, seen
from autoscaler.core.condition import Urgency, urgency
from autoscaler.core.counted import counted
from autoscaler.core.percent import percent
from autoscaler.core.printable import printable
from autoscaler.core.reason import HOST_SHORT
from autoscaler.core.spans import short_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

Json = dict[str, Any]
WIDE = 130
"""From this width on there is room for sentences."""
_TITLED = 64
"""From this width on there is room for a title and a bar."""
WHOLE = 10_000
"""Wider than anything that is told: for what is no terminal."""
_BAR = 10
_HOT_RATIO = 0.9
_LOW_RATIO = 0.25
_FIGURES = {"On": 3, "Want": 4, "Max": 3, "Used": 4, "Kept": 14, "Budget left": 11}
"""What stands between a name and its state, where there is no room for sentences, and columns for it."""
_SPARE = ("Budget left", "Kept", "Max", "Want", "Used")
"""What of that is left out where there is little room, the first of them first."""
_STATE = 12
"""Columns that a state has at least."""
_OF_STATE = 5
"""Of so many columns it may take one, to tell more than a condition."""
_FRAME_LINES = 6
"""Lines that are not rows of domains, where there is one host."""


def _used(domain: Json) -> float:
    return -1.0 if domain["load"] is None else float(domain["load"]["utilization_ratio"])


class Order(StrEnum):
    """By what rows can be sorted."""

    TROUBLE = "trouble"
    USED = "used"
    NAME = "name"
    VCPUS = "vcpus"
    BUDGET = "budget"


ORDERS: dict[Order, Callable[[Json], Any]] = {
    Order.TROUBLE: lambda domain: (urgency(domain["conditions"]), -_used(domain)),
    Order.USED: lambda domain: -_used(domain),
    Order.NAME: lambda domain: domain["name"],
    Order.VCPUS: lambda domain: -(domain["vcpus"]["online"] or 0),
    Order.BUDGET: lambda domain: domain["slo"]["budget_remaining_ratio"],
}
"""How: the first that comes is the one to look at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What of the answer is looked at, and how."""

    order: Order = Order.TROUBLE
    backwards: bool = False
    wanted: str = ""
    """Only domains whose name, policy, state or reason has this in it."""
    typing: bool = False
    """Whether what is typed is added to `wanted`."""
    first: int = 0
    """How many rows are scrolled past."""


def chosen(domains: Sequence[Json], sight: Sight) -> list[Json]:
    """The domains that are looked at, in their order."""
    wanted = sight.wanted.lower()
    found = [domain for domain in domains if wanted in _told(domain).lower()]
    found.sort(key=lambda domain: str(domain["name"]))
    return sorted(found, key=ORDERS[sight.order], reverse=sight.backwards)


def _told(domain: Json) -> str:
    return f"{domain['name']} {domain['policy']} {domain['mode']} {state_of(domain)} {_reason(domain)}"


def picture(
    status: Json | None, domains: Sequence[Json], sight: Sight, *, width: int, height: int, trouble: str
) -> RenderableType:
    """All of it; `trouble` is why the service does not answer now, empty where it does.

    A line is kept for that, or for what troubles the service itself, so that the rows stand still. In a
    width of `WHOLE` nothing is shortened or spread out.
    """
    rows = chosen(domains, sight)
    hosts = [] if status is None else [_host(host, width) for host in status["hosts"]]
    space = max(height - _FRAME_LINES - max(len(hosts) - 1, 0), 1)
    first, troubles = seen(rows, sight.first, space, width)
    lines: list[RenderableType] = [_heading(status, domains, width), *hosts]
    wrong = [trouble] if trouble else [] if status is None else [*status["troubles"].values()]
    told = f"! {printable('; '.join(wrong))}" if wrong else ""
    lines.append(Text(told, style="bold red", no_wrap=True, overflow="ellipsis"))
    end = first + len(troubles)
    table = _table(rows[first:end], width)
    table.expand = width < WHOLE
    lines.append(Rows(table, troubles, [_style(domain) for domain in rows[first:end]]))
    lines.append(_footing(sight, shown=len(rows), first=first, end=end, of=len(domains)))
    return Group(*lines)


def _heading(status: Json | None, domains: Sequence[Json], width: int) -> Text:
    title = "autoscaler top  " if width >= _TITLED else ""
    text = Text(title, style="bold", no_wrap=True, overflow="ellipsis")
    if status is None:
        return text.append("waiting for the service", style="not bold")
    ranks = [urgency(domain["conditions"]) for domain in domains]
    wrong, at_risk = sum(rank.troubled for rank in ranks), ranks.count(Urgency.AT_RISK)
    at = datetime.fromtimestamp(status["at_wall_s"], UTC).astimezone()
    text.append(f"{counted(len(domains), 'domain')}, ", style="not bold")
    calm = "not bold" if at_risk else "green"
    text.append(f"{wrong} in trouble" if wrong else "none in trouble", style="red" if wrong else calm)
    if at_risk:
        text.append(f", {at_risk} at risk", style="yellow")
    text.append(f"  {at:%H:%M:%S}", style="not bold")
    return text


def _host(host: Json, width: int) -> Text:
    name, shares = shortened(printable(host["label"]), max(width // 3, LEAST)), host["shares"]
    text = Text(f"{name}  ", no_wrap=True, overflow="ellipsis")
    if host["trouble"]:
        return text.append(f"! {printable(host['trouble'])}", style="red")
    if shares is None or not shares["capacity_vcpus"]:
        return text.append("its capacity is not known yet", style="dim")
    given, total = shares["committed_vcpus"], shares["capacity_vcpus"]
    full = round(_BAR * min(given / total, 1))
    if width >= _TITLED:
        text.append("[" + "#" * full + "." * (_BAR - full) + "] ", style="red" if given >= total else "blue")
    text.append(f"{given} of {total} vCPUs given")
    if shares["pressed"]:
        text.append(f"  ! no guest grows: {printable(shares['pressed'])}", style="red")
    return text


def _table(rows: Sequence[Json], width: int) -> Table:
    state, wide = _columns_of_state(rows, width), width >= WIDE
    figures = _figures(width - LEAST - 1 - state)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Domain", ratio=3, no_wrap=True, overflow="ellipsis", min_width=LEAST)
    if wide:
        table.add_column("Policy", ratio=2, no_wrap=True, overflow="ellipsis")
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
        if wide and heading == "On":
            table.add_column("Plug", justify="right", no_wrap=True)
        if wide and heading == "Used":
            table.add_column("", no_wrap=True, width=_BAR)
    table.add_column("State", width=state, no_wrap=True, overflow="ellipsis")
    if wide:
        table.add_column("Why", ratio=6, no_wrap=True, overflow="ellipsis")
    for domain in rows:
        table.add_row(*_row(domain, figures, wide=wide))
    return table


def _figures(room: int) -> tuple[str, ...]:
    """Those of `_FIGURES` that fit, in their order."""
    shown = dict(_FIGURES)
    for heading in _SPARE:
        if sum(width + 1 for width in shown.values()) <= room:
            break
        del shown[heading]
    return tuple(shown)


def _columns_of_state(rows: Sequence[Json], width: int) -> int:
    """Enough for any one condition of these rows, or that one is almost well; more where there is room."""
    parts = (part for row in rows for part in row["conditions"] or [state_of(row)])
    longest = max(map(len, parts), default=0)
    told = max((len(_short_state(row)) for row in rows), default=0)
    wanted = max(_STATE, longest, min(told, width // _OF_STATE))
    return max(min(wanted, width - LEAST - 1 - _FIGURES["On"] - 1), _STATE)


def _row(domain: Json, figures: Sequence[str], *, wide: bool) -> list[Text | Name]:
    vcpus, slo, used = domain["vcpus"], domain["slo"], _used(domain)
    hot = "red" if used >= _HOT_RATIO else ""
    low = slo["budget_remaining_ratio"] < _LOW_RATIO
    broken = slo["attained_ratio"] is not None and slo["attained_ratio"] < slo["objective_ratio"]
    share = round(_BAR * min(max(used, 0.0), 1.0))
    told = {
        "On": [Text("?" if vcpus["online"] is None else str(vcpus["online"]), style="bold")],
        "Want": [Text(str(vcpus.get("target", "-")))],
        "Max": [Text(str(vcpus["max"]))],
        "Used": [Text("-" if used < 0 else f"{used:.0%}", style=hot)],
        "Kept": [Text(_kept(slo), style="red" if broken else "")],
        "Budget left": [Text(_left(slo), style="red" if low else "")],
    }
    if wide:
        told["On"].append(Text(str(vcpus["plugged"])))
        told["Used"].append(Text("#" * share + "." * (_BAR - share), style=hot or "blue"))
    cells: list[Text | Name] = [
        Name(domain["name"], style="bold"),
        *([Name(f"{domain['policy']} ({domain['mode']})")] if wide else []),
        *(cell for heading in figures for cell in told[heading]),
        Text(state_of(domain) if wide else _short_state(domain), style=_style(domain)),
    ]
    decision = domain["decision"]
    if wide:
        cells.append(Text("-" if decision is None else decision["sentence"]))
    return cells


def _style(domain: Json) -> str:
    """The colour of its state."""
    if urgency(domain["conditions"]).troubled:
        return "red"
    quite_well = not domain["slo"]["last_slice_bad"] and _reason(domain) not in HOST_SHORT
    return "yellow" if domain["conditions"] or not quite_well else "green"


def _kept(slo: Json) -> str:
    """In which share of what was measured the promise was kept."""
    kept = slo["attained_ratio"]
    if kept is None:
        return "-"
    return f"{percent(kept)} of {short_span(slo['measured_s'])}"


def _left(slo: Json) -> str:
    """How much is left of the time of a whole window that may be bad."""
    return f"{percent(slo['budget_remaining_ratio'], 0)} of {short_span(slo['budget_s'])}"


def _short_state(domain: Json) -> str:
    """The same where there is no room for sentences: with the reason where nothing is to be said else."""
    state = state_of(domain)
    return f"ok: {_reason(domain)}" if state == "ok" else state


def _reason(domain: Json) -> str:
    return "-" if domain["decision"] is None else str(domain["decision"]["reason"])


def _footing(sight: Sight, *, shown: int, first: int, end: int, of: int) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis", style="reverse")
    if sight.typing:
        return text.append(f"filter: {printable(sight.wanted)}_  (Enter keeps it, Esc drops it)")
    text.append(f"q quit  s sort: {sight.order}  r reverse  / filter")
    if sight.wanted:
        text.append(f": {printable(sight.wanted)} ({shown} of {of})")
    if end - first < shown:
        text.append(f"  {first + 1} to {end} of {shown}, arrows scroll")
    return text
