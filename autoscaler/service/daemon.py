"""The service, put together: connections, policies, journal, web, control and schedule around one controller.

Invariants: what can fail for a reason an administrator can mend fails in `__init__`, before anything runs;
one state directory has one service; stopping leaves every guest as it is.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from autoscaler import __version__
from autoscaler.backends.closing import HostClosing
from autoscaler.service import audit_entries
from autoscaler.service.audit_log import AuditLog
from autoscaler.service.clock import SystemClock
from autoscaler.service.composition import connect
from autoscaler.service.control import ControlSocket
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.inbox import Inbox
from autoscaler.service.instruments import Instruments
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import domains_called
from autoscaler.service.lanes import Lane
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.notify import Notifier
from autoscaler.service.order_desk import OrderDesk
from autoscaler.service.order_verbs import OrderVerbs
from autoscaler.service.plan import PlanVerb
from autoscaler.service.policy_files import PolicyFiles
from autoscaler.service.policy_reload import PolicyReload
from autoscaler.service.policy_watch import PolicyWatch
from autoscaler.service.recorder import Recorder
from autoscaler.service.schedule import Schedule
from autoscaler.service.snapshot import Snapshot
from autoscaler.service.state_folder import locked
from autoscaler.service.tape import Tape, TapedClock, TapedSubmit, start_of
from autoscaler.service.taped import TapedController, TapedJournal
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from autoscaler.service.webhook import Webhook

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from autoscaler.backends.reached import Versions
    from autoscaler.core.model import DomainEvent, DomainId
    from autoscaler.ports import Clock
    from autoscaler.service.config import Config
    from autoscaler.service.control import Verb
    from autoscaler.service.lanes import Submit
    from autoscaler.service.policy_files import Reloaded

_log = logging.getLogger("autoscaler")

_WORKERS = {Lane.SWEEP: 1, Lane.PROBE: 16, Lane.ACT: 8, Lane.POLICIES: 1}
"""For each host. It has one sweep out at most."""
_SPARE_WORKERS = {Lane.PROBE: 112, Lane.ACT: 56}
"""How many more there may be where calls hang: a domain has one call out in a lane."""
_STALE_TICKS = 5
"""A service that has not finished a tick for so many intervals is not healthy."""
_STALE_AT_LEAST_S = 15.0


class Service:
    """Everything that runs; made once, run once."""

    def __init__(self, config: Config) -> None:
        """Open what the service needs.

        Raises:
            AutoscalerError: one whole sentence that says what to mend; nothing is left open.
        """
        self.config = config
        self._clock = SystemClock()
        self.snapshot = Snapshot(wall_s=self._clock.wall_s(), tick=0)
        self._tick_over: threading.Event | None = None
        self._published_s = self._clock.monotonic_s()
        self._longest_silence_s = max(_STALE_TICKS * config.interval_s, _STALE_AT_LEAST_S)
        self._notifier = Notifier(
            os.environ,
            clock=self._clock,
            status=_watched(config),
            longest_silence_s=self._longest_silence_s,
        )
        registry = registry_of(lambda: self.snapshot)
        self._instruments = Instruments(registry)
        self._policies = PolicyFiles(config.policies, instruments=self._instruments, clock=self._clock)
        with ExitStack() as opened:
            opened.enter_context(locked(config.state))
            self._audit = _audit_log(config, self._clock)
            opened.callback(self._audit.close)
            self.journal_path = config.journal_path
            journal = _journal(config, self._audit)
            opened.callback(journal.close)
            tape = Tape(journal, most_bytes=config.tape_bytes) if config.tape_bytes else None
            self._recorder = Recorder(journal if tape is None else TapedJournal(journal, tape))
            self.web = self._web_server(registry)
            opened.callback(self.web.close)
            closing = HostClosing(self._clock)
            opened.callback(closing.close)
            self._hosts = connect(config, self._clock, self._instruments, closing)
            labels = [host.label for host in self._hosts]
            self._inbox = Inbox(self._clock, _WORKERS, spare=_SPARE_WORKERS, hosts=labels)
            opened.callback(self._inbox.close)
            self._controller = self._compose(tape)
            self._schedule = Schedule(
                interval_s=config.interval_s,
                tick=lambda over: self._inbox.post(partial(self._tick, over)),
                flush=lambda: self._inbox.post(self._controller.flush),
                clock=self._clock,
                instruments=self._instruments,
            )
            self._reload = PolicyReload(
                self._policies,
                submit=self._inbox.submit,
                apply=self._controller.apply,
                loaded=self._loaded,
                begins=self._notifier.reloading,
                ends=self._notifier.reloaded,
            )
            self._watch = PolicyWatch(
                config.policies, seen=lambda: self._policies.seen, changed=self._reload.look
            )
            opened.callback(self._watch.close)
            self._webhook = (
                None if config.webhook is None else Webhook(config.webhook, self.journal_path, self._clock)
            )
            self._control = ControlSocket(config.control_socket, self._verbs())
            opened.callback(self._control.close)
            self._opened = opened.pop_all()

    def run(self) -> None:
        """Work until `stop`; the calling thread becomes the controller's. Closes everything at the end."""
        with self._opened:
            self._audit.require(audit_entries.started(__version__, self._policies.in_force))
            for host in self._hosts:
                host.hypervisor.subscribe(self._happened)
            self.web.start()
            self._schedule.start()
            self._opened.callback(self._schedule.close)
            self._watch.start()
            self._control.start()
            if self._webhook is not None:
                self._opened.callback(self._webhook.close)
                self._webhook.start()
            _log.info("%s; metrics at %s/metrics", _watched(self.config), self.web.url)
            self._inbox.run(self._controller)
            self._notifier.stopping()
            self._audit.note(audit_entries.stopped())
            self._controller.keep_all()
        _log.info("stopped; every guest stays as it is")

    def _web_server(self, registry: CollectorRegistry) -> WebServer:
        config = self.config
        sources = Sources(
            newest=lambda: self.snapshot,
            registry=registry,
            journal=self.journal_path,
            healthy=self._trouble,
            interval_s=config.interval_s,
        )
        return WebServer(
            sources,
            host=config.listen.host,
            port=config.listen.port,
            config_file=config.web_config_file,
            hosts=config.web_hosts,
        )

    def _verbs(self) -> Mapping[str, Verb]:
        """What may be asked over the control socket."""
        desk = OrderDesk(self._inbox, self._controller, self._audit)
        orders = OrderVerbs(
            newest=lambda: self.snapshot,
            give=desk.give,
            end=desk.end,
            clock=self._clock,
            recall=partial(domains_called, self.journal_path),
        )
        return {"reload": self._reload.verb, "plan": PlanVerb(desk.plan), **orders.by_name()}

    def _compose(self, tape: Tape | None) -> Controller | TapedController:
        """The controller, and all that only its thread uses; on a tape where there is one."""
        config, policies = self.config, self._policies.in_force
        clock: Clock = self._clock
        submit: Submit = self._inbox.submit
        if tape is not None:
            tape.put("start", start_of(self._hosts, policies, config))
            clock, submit = TapedClock(clock, tape), TapedSubmit(submit, tape)
        fleet = Fleet(
            self._hosts,
            policies=policies,
            limits=config.host,
            deadlines=config.deadlines,
            recorder=self._recorder,
            clock=clock,
        )
        controller = Controller(
            fleet,
            recorder=self._recorder,
            clock=clock,
            submit=submit,
            instruments=self._instruments,
            publish=self._publish,
            interval_s=config.interval_s,
        )
        return controller if tape is None else TapedController(controller, tape)

    def versions(self, domain: DomainId) -> Versions:
        """What a domain runs on; may ask its host."""
        host = next(host for host in self._hosts if host.label == domain.host)
        return host.versions(domain)

    def stop(self) -> None:
        """Let `run` end; safe from any thread and from a signal handler."""
        self._inbox.stop()

    def reload(self) -> None:
        """Read the policy files again; safe from any thread and from a signal handler."""
        self._reload.ask("SIGHUP")

    def _loaded(self, reloaded: Reloaded, who: str) -> None:
        self._audit.note(audit_entries.loaded(reloaded, self._policies.in_force, who))

    def _tick(self, over: threading.Event) -> None:
        self._tick_over = over
        self._controller.tick()

    def _publish(self, snapshot: Snapshot) -> None:
        troubles = {
            **snapshot.troubles,
            **self._policies.troubles,
            **self._control.troubles,
            **self.web.troubles,
            **self._audit.troubles,
        }
        if self._webhook is not None:
            troubles |= self._webhook.troubles
        self.snapshot = replace(snapshot, troubles=troubles, audit_line=self._audit.head.seq)
        self._published_s = self._clock.monotonic_s()
        self._notifier.ticked(snapshot.tick)
        if self._tick_over is not None:
            self._tick_over.set()

    def _happened(self, _: DomainEvent) -> None:
        """Something happened to a domain: look soon, not at the next interval. Any thread may call."""
        self._inbox.post(self._controller.look)

    def _trouble(self) -> str | None:
        """Why the service is not healthy, or None."""
        silent_s = self._clock.monotonic_s() - self._published_s
        if silent_s <= self._longest_silence_s:
            return None
        return f"no tick was finished for {silent_s:.0f} s"


def _audit_log(config: Config, clock: Clock) -> AuditLog:
    return AuditLog(
        config.audit_folder,
        clock=clock,
        keep_s=config.audit.keep_s,
        most_bytes=config.audit.most_bytes,
        file_s=config.audit.file_s,
    )


def _journal(config: Config, audit: AuditLog) -> SqliteJournal:
    return SqliteJournal(
        config.journal_path,
        keep_s=config.journal_keep_s,
        history_s=config.history_s,
        most_bytes=config.journal_bytes + config.tape_bytes,
        audit=audit,
    )


def _watched(config: Config) -> str:
    """What the service does, in one line."""
    return f"watching {', '.join(it.label for it in config.connections)} every {config.interval_s:g} s"


def registry_of(newest: Callable[[], Snapshot]) -> CollectorRegistry:
    """Every metric of this service and of its process."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(newest))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
