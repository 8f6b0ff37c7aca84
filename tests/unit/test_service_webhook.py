"""The webhook: what is told of decisions, when, how often, and that nobody waits for whoever is told."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from autoscaler.cli.answers import answer_schema
from autoscaler.core.operation import Outcome
from autoscaler.service import webhook
from autoscaler.service.clock import SystemClock
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.settings import Occasion, WebhookSettings
from autoscaler.service.webhook import Webhook
from tests.fakes.examples import DECISION, GROWTH, OPERATION, SHRINK
from tests.fakes.receiver import PATIENCE_S, Receiver, receiving

EVERYTHING = frozenset(Occasion)
MANUAL = Path(__file__).parents[2] / "deploy" / "README.md"


class AheadClock(SystemClock):
    """The system's clock, which a test may put forward."""

    ahead_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.ahead_s


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "LOOK_EVERY_S", 0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as journal:
        yield journal


@contextmanager
def telling(
    path: Path, url: str, *, clock: SystemClock | None = None, **settings: object
) -> Iterator[Webhook]:
    found = WebhookSettings(url=url, **{"timeout_s": 1.0} | settings)  # type: ignore[arg-type]
    hook = Webhook(found, path, clock or SystemClock(), first_retry_s=0.02)
    with closing(hook):
        hook.start()
        yield hook


def decide(journal: SqliteJournal, decision: object = GROWTH) -> int:
    return journal.decided(decision, wall_s=time.time(), digest="d")  # type: ignore[arg-type]


def grow(journal: SqliteJournal) -> int:
    """A growth, begun and done."""
    number = decide(journal)
    ended = replace(OPERATION, decision_id=number, accepted_s=100.1, online_s=100.5, outcome=Outcome.DONE)
    journal.ended(ended)
    return number


def test_the_manual_shows_a_message_as_it_is_sent() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    jsonschema.Draft202012Validator(answer_schema("webhook")).validate(json.loads(shown))


def test_a_change_is_told_when_it_begins_and_when_it_ended(
    receiver: Receiver, journal: SqliteJournal, path: Path
) -> None:
    grow(journal)  # over before it starts: not told
    with telling(path, receiver.url):
        number = decide(journal)
        receiver.wait(lambda: len(receiver.told) == 1)
        journal.ended(replace(OPERATION, decision_id=number, online_s=100.5, outcome=Outcome.DONE))
        receiver.wait(lambda: len(receiver.told) == 2)
        decide(journal, DECISION)  # stays as it is: not told
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 4)
    begun, ended = receiver.told[:2]
    assert (begun["event"], begun["from_vcpus"], begun["to_vcpus"], begun["outcome"]) == ("begun", 1, 3, None)
    assert (ended["event"], ended["outcome"], ended["stages_s"]) == ("ended", "done", {"online": 0.5})
    assert [told["delivery"] for told in receiver.told] == [
        f"{number}-begun",
        f"{number}-ended",
        f"{number + 2}-begun",
        f"{number + 2}-ended",
    ]
    for told in receiver.told:
        jsonschema.Draft202012Validator(answer_schema("webhook")).validate(told)
    assert receiver.headers["Content-Type"] == "application/json"
    assert receiver.headers["X-Delivery"] == f"{number + 2}-ended"


def test_a_recommendation_is_told_to_whom_wants_to_know(
    receiver: Receiver, journal: SqliteJournal, path: Path
) -> None:
    with telling(path, receiver.url, occasions=EVERYTHING):
        decide(journal, replace(SHRINK, act=False))
        decide(journal, replace(SHRINK, act=False))
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 3)
    assert [told["event"] for told in receiver.told] == ["recommended", "begun", "ended"]
    assert (receiver.told[0]["from_vcpus"], receiver.told[0]["to_vcpus"]) == (3, 2)


@pytest.mark.parametrize("status", [500, 503, 429, 302])
def test_what_was_not_taken_is_tried_again_and_in_order(
    receiver: Receiver, journal: SqliteJournal, path: Path, status: int
) -> None:
    receiver.answers.extend([status] * 3)
    with telling(path, receiver.url) as hook:
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 2)
        receiver.wait(lambda: hook.troubles == {})
    assert receiver.tries == 5
    assert [told["event"] for told in receiver.told] == ["begun", "ended"]


def test_what_is_refused_for_good_is_not_told_again(
    receiver: Receiver, journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers.append(400)
    with telling(path, receiver.url):
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 1)
    assert receiver.told[0]["event"] == "ended"
    assert "answered 400: 1-begun is not told again" in caplog.text


def test_a_receiver_that_is_away_is_a_trouble_that_is_said_once_without_its_secrets(
    path: Path, journal: SqliteJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with receiving() as receiver:
        url = receiver.url
    with telling(path, url) as hook:
        grow(journal)
        receiver.wait(lambda: "cannot be told" in hook.troubles.get("webhook", ""))
        time.sleep(0.3)
    assert caplog.text.count("cannot be told") == 1
    assert "s3cret" not in caplog.text
    assert "s3cret" not in hook.troubles["webhook"]


def test_nonsense_that_a_receiver_answers_is_said_in_short_and_steers_no_terminal(
    receiver: Receiver, journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.nonsense = b"\x9b31mRED\x1b[2J\x00 " + 60_000 * b"Z" + b"\r\n\r\n"
    with telling(path, receiver.url) as hook:
        grow(journal)
        receiver.wait(lambda: "webhook" in hook.troubles)
        sentence = hook.troubles["webhook"]
    assert "cannot be told (no HTTP answer: \\x9b31mRED\\x1b[2J\\x00 ZZZ" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 300
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


def test_a_receiver_that_comes_back_is_told_what_waited(
    receiver: Receiver, journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.answers.extend([503] * 4)
    with telling(path, receiver.url):
        grow(journal)
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 4)
        receiver.wait(lambda: "takes what it is told again" in caplog.text)


def test_a_silent_receiver_holds_up_neither_the_journal_nor_the_end(
    receiver: Receiver, journal: SqliteJournal, path: Path
) -> None:
    receiver.silent = True
    with telling(path, receiver.url, timeout_s=10.0) as hook:
        grow(journal)
        receiver.wait(lambda: receiver.tries == 1)
        slowest_s = 0.0
        for _ in range(50):
            started_s = time.monotonic()
            grow(journal)
            slowest_s = max(slowest_s, time.monotonic() - started_s)
        started_s = time.monotonic()
        hook.close()
        assert time.monotonic() - started_s < 2.5
    assert slowest_s < 2.5


def test_a_change_that_was_under_way_at_the_start_is_told_when_it_ended(
    receiver: Receiver, journal: SqliteJournal, path: Path
) -> None:
    number = decide(journal)
    with telling(path, receiver.url):
        ended = replace(OPERATION, decision_id=number, online_s=100.5, outcome=Outcome.DONE)
        journal.ended(ended)
        receiver.wait(lambda: len(receiver.told) == 1)
    assert (receiver.told[0]["delivery"], receiver.told[0]["outcome"]) == (f"{number}-ended", "done")


def test_a_receiver_that_answers_a_byte_at_a_time_is_cut_when_its_time_is_over(
    journal: SqliteJournal, path: Path
) -> None:
    over = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 204 ")
            while not over.wait(0.05):
                connection.sendall(b"x")

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        slow = threading.Thread(target=trickle, args=(listener,))
        slow.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with telling(path, url, timeout_s=0.5) as hook:
                grow(journal)
                end_s = time.monotonic() + PATIENCE_S
                while "no answer within 0.5 s" not in hook.troubles.get("webhook", ""):
                    assert time.monotonic() < end_s, hook.troubles
                    time.sleep(0.02)
        finally:
            over.set()
            slow.join()


def test_what_waits_is_bounded_and_what_is_dropped_is_said(
    receiver: Receiver,
    journal: SqliteJournal,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(webhook, "MOST_WAITING", 4)
    hook = Webhook(WebhookSettings(url=receiver.url), path, SystemClock())
    hook._look()
    for _ in range(5):
        grow(journal)
    hook._look()
    assert caplog.text.count("too much waits") == 6


def test_what_is_too_old_is_told_no_more(
    receiver: Receiver, journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = AheadClock()
    receiver.answers.extend([503] * 2)
    with telling(path, receiver.url, clock=clock, give_up_s=60.0):
        grow(journal)
        receiver.wait(lambda: receiver.tries >= 1)
        clock.ahead_s = 120.0
        said: Callable[[], bool] = lambda: caplog.text.count("too old") == 2  # noqa: E731
        receiver.wait(said)
        clock.ahead_s = 0.0
        receiver.answers.clear()
        grow(journal)
        receiver.wait(lambda: len(receiver.told) == 2)


def test_a_journal_that_cannot_be_read_now_is_read_later(receiver: Receiver, path: Path) -> None:
    with telling(path, receiver.url):
        time.sleep(0.1)
        with closing(SqliteJournal(path)) as journal:
            decide(journal, DECISION)
            time.sleep(0.2)
            grow(journal)
            receiver.wait(lambda: len(receiver.told) >= 1)
