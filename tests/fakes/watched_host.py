"""A service over scripted guests, and a real Prometheus that scrapes it: what dashboards are tried on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.dashboard_answers import Panel, Span, answered
from tests.fakes.running_prometheus import RunningPrometheus, running_prometheus
from tests.fakes.running_service import RunningService, running_service
from tests.fakes.scripted_folder import FolderGuest

POLICY = """\
version: 1
policies:
  - name: shop
    match: {name: ["shop-*"]}
    vcpus: {min: 1, max: 2}
    sla: {indicator: {utilization_below: 80%}, slice: 10s, objective: 99.95%, window: 1d}
    strategy: {target: {utilization: 70%, tolerance: 10%, hold: 3s}}
    limits: {up: {cooldown: 0s}}
  - name: web
    match: {name: ["*"]}
    vcpus: {min: 1, max: 3}
    sla: {indicator: {utilization_below: 80%}, slice: 10s, objective: 99%, window: 1d}
    strategy: {target: {utilization: 70%, tolerance: 10%, hold: 3s}}
    limits: {up: {cooldown: 0s}, down: {step: 1, cooldown: 1s}}
    missing: {stale_after: 10s}
"""


@dataclass(frozen=True)
class House:
    """What is run to be watched."""

    guests: dict[str, FolderGuest]
    service: RunningService
    prometheus: RunningPrometheus


@dataclass(frozen=True)
class Watched:
    """What was scraped, and when."""

    prometheus: RunningPrometheus
    span: Span
    metrics: str
    """What the service served in the end."""

    def panels(self, name: str, domain: str) -> list[Panel]:
        return list(answered(self.prometheus, name, domain=domain, span=self.span))


@contextmanager
def watching(folder: Path, loads: Mapping[str, float], *, host: str) -> Iterator[House]:
    """A service, its guests and its Prometheus, for the block."""
    (folder / "g").mkdir(parents=True)
    with ExitStack() as running:
        guests = {name: running.enter_context(FolderGuest(folder / "g", name, slow_s=1.0)) for name in loads}
        for name, load_vcpus in loads.items():
            guests[name].guest.load_vcpus = load_vcpus
        service = running.enter_context(
            running_service(
                folder, f"qmp: {folder}/g", policy=POLICY, host=host, more="agent: {timeout: 500ms}\n"
            )
        )
        service.wait_for_tick()
        target = service.server.removeprefix("http://")
        yield House(guests, service, running.enter_context(running_prometheus(folder, target)))
