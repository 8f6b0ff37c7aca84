"""What `status`, `list` and `show` print of orders, and of domains that are left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli import output, queries
from autoscaler.cli.main import app
from autoscaler.core.condition import Condition
from autoscaler.core.orders import Order, OrderKind
from autoscaler.core.owner import Owner
from autoscaler.service.describe import domain_of, status_of
from tests.fakes.examples import DECISION, DOMAIN, DOMAIN_SNAPSHOT, SNAPSHOT, VIEW

ORDER = Order(
    domain=DOMAIN,
    name="web-1",
    kind=OrderKind.PAUSE,
    by_uid=1000,
    at_wall_s=1.0,
    until_wall_s=1_900_000_000.0,
)
SENTENCE = (
    "domain 'web-1' is paused until 2030-03-17 17:46:40 UTC by uid 1000: `autoscaler resume web-1` ends that"
)
PAUSED = replace(DOMAIN_SNAPSHOT, order=ORDER, conditions={Condition.PAUSED: ORDER.sentence})
NOVA = replace(VIEW, name="vm-1", claimed_by=Owner.NOVA)
FOUND = replace(SNAPSHOT, domains=(PAUSED,), orders=(ORDER,), ungoverned=(NOVA,))


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers as it stands with a paused domain, and with one of Nova's."""

    def ask(_server: str, *path: str, **_query: str | int) -> Any:  # noqa: ANN401 - JSON
        whole = {"status": status_of(FOUND), "domains": [domain_of(PAUSED)]}
        return domain_of(PAUSED) | {"slots": []} if len(path) > 1 else whole[path[0]]

    monkeypatch.setattr(queries, "ask", ask)


@pytest.mark.parametrize("command", ["status", "list"])
def test_orders_are_shown_with_their_end_and_who_gave_them_and_whose_domains_are_left_alone(
    command: str,
) -> None:
    lines = CliRunner().invoke(app, [command]).stdout.splitlines()
    assert f"Ordered: {SENTENCE}" in lines
    (alone,) = (line for line in lines if line.startswith("Left alone: "))
    assert "'vm-1'" in alone
    assert "`adopt: [nova]`" in alone


def test_a_paused_domain_is_no_trouble_of_the_service() -> None:
    asked = CliRunner().invoke(app, ["status"])
    assert asked.exit_code == 0
    assert "With a problem" not in asked.stdout


def test_a_paused_domain_is_listed_so_and_shown_with_its_order() -> None:
    assert " paused\n" in CliRunner().invoke(app, ["list"]).stdout
    shown = CliRunner().invoke(app, ["show", "web-1"]).stdout.splitlines()
    assert ["Order:", *SENTENCE.split()] in [line.split() for line in shown]


def test_the_most_that_is_listed_is_what_the_policy_allows_not_what_the_domain_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = replace(DOMAIN_SNAPSHOT, decision=replace(DECISION, upper=2))
    told = {"status": status_of(FOUND), "domains": [domain_of(allowed)]}
    monkeypatch.setattr(queries, "ask", lambda _server, path: told[path])
    head, _, row, *_ = CliRunner().invoke(app, ["list"]).stdout.splitlines()
    assert dict(zip(head.split(), row.split(), strict=True))["Max"] == "2"


def test_a_list_ends_with_how_many_are_in_trouble_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(DOMAIN_SNAPSHOT, conditions={Condition.BREAKING: "it is"})
    told = {"status": status_of(SNAPSHOT), "domains": [domain_of(broken), domain_of(PAUSED)]}
    monkeypatch.setattr(queries, "ask", lambda _server, path: told[path])
    hint = "1 in trouble: `autoscaler top`\n"
    assert hint not in CliRunner().invoke(app, ["list"]).stdout
    monkeypatch.setattr(output, "_on_terminal", lambda: True)
    assert hint in CliRunner().invoke(app, ["list"]).stdout


def test_a_guest_folder_that_none_can_have_is_a_line_of_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "its folder in /run/guests is ignored: rename it"
    host = replace(SNAPSHOT.hosts[0], unseen={"web 1": why})
    found = status_of(replace(SNAPSHOT, hosts=(host,)))
    monkeypatch.setattr(queries, "ask", lambda *_: found)
    asked = CliRunner().invoke(app, ["status"])
    assert f"! web 1: {why}" in asked.stdout.splitlines()
    assert asked.exit_code == 1
