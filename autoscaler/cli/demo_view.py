"""How the demonstration looks: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoscaler.core.binding import sentence_of
from autoscaler.policyfile.problem import printable
from autoscaler.service.metrics import vcpu_counts

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

    from autoscaler.lab.demo_story import Phase
    from autoscaler.service.snapshot import DomainSnapshot

_LINES = 10
_PLAIN_EVERY_S = 5.0


class PlainView:
    """One line for each thing that happens, and the guest's state every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = time.monotonic()
        self._shown: tuple[object, ...] = ()
        self._shown_s = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        pass

    def say(self, text: str) -> None:
        """Print it, with the time since the start."""
        elapsed_s = time.monotonic() - self._started_s
        line = f"{elapsed_s:6.1f} s  {printable(text)}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, phase: Phase, domain: DomainSnapshot | None) -> None:
        """Print the state where it changed, and else now and then."""
        if domain is None:
            return
        shown = (phase, domain.online, domain.view.plugged)
        now_s = time.monotonic()
        if shown != self._shown or now_s - self._shown_s >= _PLAIN_EVERY_S:
            self._shown, self._shown_s = shown, now_s
            self.say(f"[{phase}] {_sizes(domain)}; {_load(domain)}; {_why(domain)}")


class LiveView:
    """A picture of the guest that is drawn anew as it changes, with the newest messages under it."""

    def __init__(self, console: Console) -> None:
        self._started_s = time.monotonic()
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._phase: str = "getting ready"
        self._domain: DomainSnapshot | None = None
        self._live = Live(
            console=console, get_renderable=self._picture, refresh_per_second=5, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Add it to the messages."""
        elapsed_s = time.monotonic() - self._started_s
        self._lines.append(f"{elapsed_s:6.1f} s  {printable(text)}")

    def show(self, phase: Phase, domain: DomainSnapshot | None) -> None:
        """Draw this from now on."""
        self._phase, self._domain = phase, domain

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._domain is not None:
            parts.append(_guest(self._domain))
        parts += [Text(line, overflow="fold", style="dim") for line in self._lines]
        elapsed_s = time.monotonic() - self._started_s
        return Panel(
            Group(*parts), title=Text(self._phase), subtitle=f"{elapsed_s:.0f} s", title_align="left"
        )


def _guest(domain: DomainSnapshot) -> Table:
    counts = vcpu_counts(domain)
    bar = Text()
    online = counts.get("online", 0)
    bar.append("■ " * online, style="bold green")
    bar.append("■ " * max(0, counts["plugged"] - online), style="yellow")
    bar.append("□ " * (counts["maximum"] - counts["plugged"]), style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_row("vCPUs", bar, Text(_sizes(domain)))
    load = domain.load
    share = 0 if load is None else round(load.utilization_ratio * 20)
    color = "red" if load is not None and load.saturated else "green"
    table.add_row("load", Text("▬" * share + " " * (20 - share), style=color), Text(_load(domain)))
    table.add_row("why", "", Text(_why(domain)))
    return table


def _why(domain: DomainSnapshot) -> str:
    decision = domain.decision
    return "not decided yet" if decision is None else sentence_of(decision)


def _sizes(domain: DomainSnapshot) -> str:
    counts = vcpu_counts(domain)
    target = f", target {counts['target']}" if "target" in counts else ""
    return f"{counts.get('online', '?')} online, {counts['plugged']} plugged of {counts['maximum']}{target}"


def _load(domain: DomainSnapshot) -> str:
    load = domain.load
    if load is None:
        return "measuring"
    return f"busy {load.busy_vcpus:.2f} vCPUs ({load.utilization_ratio:.0%}), demand {load.demand_vcpus:.2f}"
