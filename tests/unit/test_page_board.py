"""The overview: what a page and the changes after it say, and what names cannot do to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.service.page.board import Board, keys_of
from autoscaler.service.shares import HostShares
from autoscaler.service.snapshot import HostSnapshot, Snapshot
from tests.fakes.examples import DOMAIN, DOMAIN_SNAPSHOT, GROWTH, LOAD, OPERATION, SNAPSHOT, VIEW

SHARES = HostShares(
    cpus=16,
    capacity_vcpus=64,
    committed_vcpus=48,
    pressure_ratio=0.1,
    steal_ratio=0.0,
    deadlines_s={},
    pressed="",
)


def later(snapshot: Snapshot, seconds: float = 5.0, **changes: Any) -> Snapshot:  # noqa: ANN401 - any field
    return replace(snapshot, wall_s=snapshot.wall_s + seconds, tick=snapshot.tick + 1, **changes)


def board(snapshot: Snapshot = SNAPSHOT) -> Board:
    return Board(snapshot, interval_s=5.0)


def told(event: bytes | None) -> dict[str, Any]:
    assert event is not None
    lines = event.decode().split("\n")
    assert lines[1] == "event: changes"
    assert lines[3:] == ["", ""]
    found: dict[str, Any] = json.loads(lines[2].removeprefix("data: "))
    return found


def html(subject: Board) -> str:
    return b"".join(subject.page()).decode()


def words(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page).split())


def test_a_row_says_policy_vcpus_use_budget_and_the_last_decision() -> None:
    domain = replace(DOMAIN_SNAPSHOT, decision=GROWTH, last_operation=replace(OPERATION, outcome=None))
    page = words(html(board(replace(SNAPSHOT, domains=(domain,)))))
    for said in ("web-1 web auto", "1 online", "1 plugged, target 3, max 4", "100%", "grow 1 → 3"):
        assert said in page
    assert "demand needs more vCPUs" in page
    assert "last move 1 → 3 at" in page


def test_what_is_wrong_with_a_domain_a_host_or_the_service_is_said() -> None:
    domain = replace(DOMAIN_SNAPSHOT, conditions={Condition.STUCK: "it does not follow"})
    host = HostSnapshot(label="kvm-2", trouble="it does not answer", unseen={"db-1": "no socket"})
    pause = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=0.0)
    snapshot = replace(
        SNAPSHOT, domains=(domain,), hosts=(host,), troubles={"journal": "the disk is full"}, orders=(pause,)
    )
    page = words(html(board(snapshot)))
    for said in ("1 in trouble", "stuck", "it does not answer", "db-1: no socket", "the disk is full"):
        assert said in page
    assert pause.sentence in page


def test_a_host_shows_how_much_of_it_is_given_away() -> None:
    host = HostSnapshot(label="kvm-1", trouble=None, shares=SHARES)
    page = html(board(replace(SNAPSHOT, hosts=(host,))))
    assert "48 of 64 vCPUs given to domains (75%), 3.00 a CPU of its 16" in words(page)
    assert 'width="750"' in page


def test_domains_that_run_without_a_row_are_named_with_the_reason() -> None:
    others = tuple(
        replace(VIEW, id=DOMAIN._replace(uuid=str(number)), name=f"<b>{number}") for number in range(9)
    )
    page = html(board(replace(SNAPSHOT, ungoverned=others)))
    assert "Not governed: without a policy: &lt;b&gt;0, &lt;b&gt;1, &lt;b&gt;2" in page
    assert "and 4 more" in page


def test_without_domains_the_page_says_why() -> None:
    page = words(html(board(replace(SNAPSHOT, domains=(), ungoverned=(VIEW,)))))
    assert "0 domains governed" in page
    assert "no policy matches any running domain" in page


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '" onmouseover="x', "a\nb\u202ec", "{{ 7*7 }}"]
)
def test_a_name_is_only_ever_text(name: str) -> None:
    domain = replace(DOMAIN_SNAPSHOT, label=name, policy=replace(DOMAIN_SNAPSHOT.policy, name=name))
    domain = replace(domain, conditions={Condition.STUCK: f"{name} does not follow"})
    snapshot = replace(SNAPSHOT, domains=(domain,), troubles={"journal": name})
    subject = board(snapshot)
    page = html(subject)
    assert "<script>alert" not in page
    assert '" onmouseover' not in page
    assert "\u202e" not in page
    assert ">49<" not in page
    subject.put(later(snapshot, domains=(), troubles={}))
    subject.changes()
    subject.put(later(snapshot, seconds=10))
    (came,) = told(subject.changes())["placed"]
    assert "<script>alert" not in came["html"]
    assert '" onmouseover' not in came["html"]


def test_only_what_differs_is_told() -> None:
    subject = board()
    subject.page()
    busier = replace(DOMAIN_SNAPSHOT, load=replace(LOAD, busy_vcpus=0.5))
    subject.put(later(SNAPSHOT, domains=(busier,)))
    found = told(subject.changes())
    assert found["cells"][f"d-{DOMAIN.uuid}"] == {"used": "25%"}
    assert set(found["cells"]) == {"top", f"d-{DOMAIN.uuid}"}
    assert (found["placed"], found["gone"]) == ([], [])


def test_nothing_is_made_while_nobody_looks_and_nothing_told_twice() -> None:
    subject = board()
    subject.put(later(SNAPSHOT))
    assert subject.changes() is None
    subject.put(later(SNAPSHOT, 10.0))
    assert subject.changes() is not None
    assert subject.changes() is None


def test_a_page_is_made_once_for_all_that_ask_in_a_tick() -> None:
    subject = board()
    assert all(mine is other for mine, other in zip(subject.page(), subject.page(), strict=True))


def test_a_page_that_is_being_sent_goes_on_as_it_began() -> None:
    domains = tuple(
        replace(DOMAIN_SNAPSHOT, view=replace(VIEW, id=DOMAIN._replace(uuid=f"{number:08}")))
        for number in range(100)
    )
    subject = board(replace(SNAPSHOT, domains=domains))
    sent = iter(subject.page())
    beginning = next(sent)
    subject.put(later(SNAPSHOT, domains=()))
    subject.changes()
    rest = b"".join(sent)
    assert beginning.count(b"<tr role") < 100 < (beginning + rest).count(b"<tr role")
    assert rest.rstrip().endswith(b"</html>")


def test_a_new_domain_comes_with_its_row_at_its_place_and_one_that_is_gone_goes() -> None:
    other = DomainId("h", "11111111-1111-1111-1111-111111111111")
    newer = replace(DOMAIN_SNAPSHOT, label="web-2", view=replace(VIEW, id=other, name="web-2"))
    subject = board()
    subject.page()
    subject.put(later(SNAPSHOT, domains=(DOMAIN_SNAPSHOT, newer)))
    (came,) = told(subject.changes())["placed"]
    assert came["after"] == f"d-{DOMAIN.uuid}"
    assert "web-2" in came["html"]
    subject.put(later(SNAPSHOT, 10.0, domains=(newer,)))
    assert told(subject.changes())["gone"] == [f"d-{DOMAIN.uuid}"]


def test_who_missed_some_changes_is_told_them_and_who_missed_too_many_fetches_the_page() -> None:
    subject = board()
    subject.page()
    first = subject.version
    events = []
    for tick in range(1, 4):
        subject.put(later(SNAPSHOT, 5.0 * tick))
        events.append(subject.changes())
    assert subject.since(first) == events
    assert subject.since(first + 2) == events[2:]
    assert subject.since(subject.version) == []
    for strange in (first - 1, subject.version + 1, 0):
        assert subject.since(strange) is None
    for tick in range(4, 60):
        subject.put(later(SNAPSHOT, 5.0 * tick))
        subject.changes()
    assert subject.since(first) is None


def test_two_domains_of_one_uuid_or_a_strange_one_get_places_of_their_own() -> None:
    twin = replace(DOMAIN_SNAPSHOT, label="web-1@b", view=replace(VIEW, id=DOMAIN._replace(host="b")))
    odd = replace(DOMAIN_SNAPSHOT, label="odd", view=replace(VIEW, id=DomainId("c", '"><b>')))
    snapshot = replace(SNAPSHOT, domains=(DOMAIN_SNAPSHOT, twin, odd))
    keys = keys_of(snapshot)
    assert list(keys.values()) == [DOMAIN_SNAPSHOT, twin, odd]
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)


def test_a_move_is_news_once_the_guest_runs_another_number() -> None:
    subject = board()
    subject.page()
    subject.put(later(SNAPSHOT, domains=(replace(DOMAIN_SNAPSHOT, online=3),)))
    assert told(subject.changes())["cells"]["top"]["news"].startswith("web-1 grew from 1 to 3 vCPUs at ")


def test_a_promise_at_risk_is_counted_apart() -> None:
    domain = replace(DOMAIN_SNAPSHOT, conditions={Condition.AT_RISK: "it may break"})
    subject = board(replace(SNAPSHOT, domains=(domain,)))
    text = html(subject)
    assert "none in trouble" in text
    assert "· 1 at risk" in text


def test_a_row_moves_up_while_its_promise_is_broken_and_back_when_that_is_over() -> None:
    ids = [f"{number}1111111-1111-1111-1111-111111111111" for number in range(3)]
    domains = [
        replace(DOMAIN_SNAPSHOT, label=f"web-{number}", view=replace(VIEW, id=DomainId("h", uuid)))
        for number, uuid in enumerate(ids)
    ]
    held = replace(domains[1], conditions={Condition.HELD: "a backup goes on"})
    breaking = replace(domains[2], conditions={Condition.BREAKING: "it breaks its promise"})
    subject = board(replace(SNAPSHOT, domains=tuple(domains)))
    subject.page()
    subject.put(later(SNAPSHOT, domains=(domains[0], held, breaking)))
    placed = [
        {"id": f"d-{ids[2]}", "after": None},
        {"id": f"d-{ids[1]}", "after": f"d-{ids[2]}"},
    ]
    assert told(subject.changes())["placed"] == placed
    assert re.findall(r'id="d-(\d)1111', html(subject)) == ["2", "1", "0"]
    subject.put(later(SNAPSHOT, 10.0, domains=tuple(domains)))
    placed = [
        {"id": f"d-{ids[1]}", "after": f"d-{ids[0]}"},
        {"id": f"d-{ids[2]}", "after": f"d-{ids[1]}"},
    ]
    assert told(subject.changes())["placed"] == placed
    assert re.findall(r'id="d-(\d)1111', html(subject)) == ["0", "1", "2"]
