"""Tells somebody of decisions, by HTTP, while the service goes on.

A thread of its own follows the journal, as `autoscaler events --follow` does: the controller hands it
nothing, so that no receiver can hold up a tick, and what is told is on record. It begins with what happens
after its start, the end of changes included that were under way then. Whatever was not taken is tried again,
ever more seldom, until it is too old; so a receiver may get something twice, and knows it again by its
`delivery`.

Invariants: what waits is bounded, and what is dropped is said; nothing of an address but its host is logged.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from autoscaler import __version__
from autoscaler.core.backoff import AskingAgain
from autoscaler.core.printable import printable
from autoscaler.errors import JournalUnavailable
from autoscaler.service.explain import sentence_in
from autoscaler.service.journal_reader import moves_after, newest_id, under_way
from autoscaler.service.settings import Occasion
from autoscaler.service.webhook_post import post

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from autoscaler.ports import Clock
    from autoscaler.service.settings import WebhookSettings

_log = logging.getLogger("autoscaler")

LOOK_EVERY_S = 1.0
MOST_WAITING = 1000
_AT_ONCE = 500
_MOST_SAID = 150
"""Characters of a reason; what is wrong with a certificate takes more than 100."""
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 300.0
_WORTH_A_RETRY = frozenset({408, 425, 429})
"""Of the answers that blame what was sent: these may be others the next time."""
_REFUSED = range(400, 500)


class _Untaken(Exception):
    """It was not taken; what it says is for the log."""

    def __init__(self, why: str, *, for_good: bool) -> None:
        super().__init__(why)
        self.for_good = for_good
        """Whether it would not be taken the next time either."""


@dataclass(frozen=True, slots=True)
class _Message:
    delivery: str
    at_wall_s: float
    body: bytes


class Webhook:
    """Follows the journal and tells, on a thread of its own."""

    def __init__(
        self, settings: WebhookSettings, journal: Path, clock: Clock, *, first_retry_s: float = _FIRST_RETRY_S
    ) -> None:
        """`first_retry_s`: how long after a failure it is tried again; twice that after each further one."""
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._again = AskingAgain(first_retry_s, _LONGEST_RETRY_S)
        self._again.begin(clock.monotonic_s())
        self._after: int | None = None
        """The newest decision that was looked at; None: nothing was, so far."""
        self._open: set[int] = set()
        """Decisions whose changes are under way."""
        self._waiting: deque[_Message] = deque(maxlen=MOST_WAITING)
        self._said = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why the receiver is not told now; empty where it is."""
        return {"webhook": self._said} if self._said else {}

    def start(self) -> None:
        """Begin with what happens from now on."""
        self._look()
        self._thread.start()

    def close(self) -> None:
        """Stop; what still waits is not told."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self._look()
                self._tell()
            except Exception:  # noqa: BLE001 - nothing here may end the telling for good
                _log.exception("webhook: internal error, please report it")

    def _look(self) -> None:
        """Take up what happened since the last time."""
        try:
            newest = newest_id(self._journal)
            if self._after is None:
                # Of what was begun before the start, the end is told.
                self._open = under_way(self._journal)
                self._after = newest
            found = moves_after(self._journal, after=self._after, besides=self._open, limit=_AT_ONCE)
        except JournalUnavailable as error:
            _log.debug("webhook: %s", error)
            return
        seen = set(self._open)
        for event in found:
            number, operation = event["id"], event["operation"]
            assert isinstance(number, int)
            for occasion in _occasions(event, known=number in seen):
                if occasion in self._settings.occasions:
                    self._put(_message(event, occasion, self._clock.wall_s()))
            if isinstance(operation, dict) and operation["outcome"] is None:
                self._open.add(number)
            else:
                self._open.discard(number)
            self._after = max(self._after, number)
        if len(found) < _AT_ONCE:
            self._after = max(self._after, newest)

    def _put(self, message: _Message) -> None:
        if len(self._waiting) == MOST_WAITING:
            _log.warning("webhook: too much waits, %s is not told", self._waiting[0].delivery)
        self._waiting.append(message)

    def _tell(self) -> None:
        """Send what waits, oldest first, until something is not taken."""
        while self._waiting and self._is_due() and not self._stopping.is_set():
            message = self._waiting[0]
            if self._clock.wall_s() - message.at_wall_s > self._settings.give_up_s:
                _log.warning("webhook: %s is told no more, it is too old", message.delivery)
                self._waiting.popleft()
                continue
            try:
                self._send(message)
            except _Untaken as untaken:
                self._failed(str(untaken), message if untaken.for_good else None)
            else:
                self._succeeded()

    def _is_due(self) -> bool:
        return self._clock.monotonic_s() >= self._again.not_before_s

    def _succeeded(self) -> None:
        self._waiting.popleft()
        self._again.begin(self._clock.monotonic_s())
        if self._said:
            self._said = ""
            _log.info("webhook: %s takes what it is told again", self._settings.receiver)

    def _failed(self, why: str, dropped: _Message | None) -> None:
        if dropped is not None:
            self._waiting.popleft()
            _log.warning("webhook: %s: %s is not told again", why, dropped.delivery)
            return
        self._again.put_off(self._clock.monotonic_s())
        if not self._said:
            _log.warning("webhook: %s; it is tried again", why)
        self._said = f"{why}; it is tried again, see webhook.url in the configuration"

    def _send(self, message: _Message) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"vcpu-autoscaler/{__version__}",
            "X-Delivery": message.delivery,
        }
        who = self._settings.receiver
        try:
            post(self._settings.url, message.body, headers, within_s=self._settings.timeout_s)
        except HTTPError as error:
            error.close()
            for_good = error.code in _REFUSED and error.code not in _WORTH_A_RETRY
            raise _Untaken(f"{who} answered {error.code}", for_good=for_good) from None
        except HTTPException as error:
            raise _Untaken(f"{who} cannot be told (no HTTP answer: {_said(error)})", for_good=False) from None
        except (URLError, OSError, ValueError) as error:
            reason = _said(getattr(error, "reason", error))
            raise _Untaken(f"{who} cannot be told ({reason})", for_good=False) from None


def _said(error: object) -> str:
    """An error as text that steers nothing and has an end: a receiver's own words may be in it."""
    text = printable(str(error))
    return text if len(text) <= _MOST_SAID else f"{text[: _MOST_SAID - 1]}…"


def _occasions(event: Mapping[str, Any], *, known: bool) -> Iterator[Occasion]:
    """What there is to be told of an event; `known`: it was told of before, when its change began."""
    operation = event["operation"]
    if operation is None:
        if not known:
            yield Occasion.RECOMMENDED
        return
    if not known:
        yield Occasion.BEGUN
    if operation["outcome"] is not None:
        yield Occasion.ENDED


def _before(event: Mapping[str, Any]) -> int:
    """Where a move would begin; a guest that was not seen is reckoned to run all that are plugged."""
    return int(event["plugged"] if event["online"] is None else event["online"])


def _message(event: Mapping[str, Any], occasion: Occasion, sent_wall_s: float) -> _Message:
    operation = event["operation"]
    ended = occasion is Occasion.ENDED
    delivery = f"{event['id']}-{occasion}"
    told = {
        "version": 1,
        "delivery": delivery,
        "event": occasion,
        "id": event["id"],
        "at_wall_s": event["at_wall_s"],
        "domain": event["domain"],
        "uuid": event["uuid"],
        "host": event["host"],
        "policy": event["policy"],
        "mode": event["mode"],
        "verdict": event["verdict"],
        "from_vcpus": _before(event) if operation is None else operation["from_vcpus"],
        "to_vcpus": event["next_vcpus"] if operation is None else operation["to_vcpus"],
        "reason": event["reason"],
        "sentence": sentence_in(event),
        "outcome": operation["outcome"] if ended else None,
        "detail": operation["detail"] if ended else "",
        "stages_s": operation["stages_s"] if ended else {},
    }
    return _Message(delivery, sent_wall_s, json.dumps(told).encode())
