"""Orders: which one a domain is under, and when it ends."""

from __future__ import annotations

import shlex
from dataclasses import replace

from autoscaler.core.model import DomainId
from autoscaler.core.orders import EVERY, Order, OrderKind, Orders
from tests.fakes.examples import DOMAIN

PAUSE = Order(domain=DOMAIN, name="web-1", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=1000.0)
SET = replace(PAUSE, kind=OrderKind.SET, vcpus=4, until_wall_s=1_800_000_000.0)
OF_ALL = replace(PAUSE, domain=EVERY, name="", until_wall_s=2000.0)


def test_a_newer_order_takes_the_place_of_the_one_before() -> None:
    orders = Orders()
    orders.give(PAUSE)
    orders.give(SET)
    assert orders.of(DOMAIN, 1500.0) is SET
    assert orders.of(DomainId("elsewhere", DOMAIN.uuid), 1500.0) is None


def test_the_pause_of_all_goes_before_and_what_a_domain_has_of_its_own_stands_after_it() -> None:
    orders = Orders([SET, OF_ALL])
    assert orders.of(DOMAIN, 1999.9) is OF_ALL
    assert orders.of(DomainId("another", "one"), 1999.9) is OF_ALL
    assert orders.of(DOMAIN, 2000.0) is SET
    orders.end(EVERY)
    assert orders.of(DOMAIN, 1999.9) is SET


def test_what_is_over_is_dropped_once_and_told() -> None:
    orders = Orders([PAUSE, OF_ALL])
    assert orders.expire(1999.9) == []
    assert orders.expire(2000.0) == [OF_ALL]
    assert orders.expire(1e12) == []
    assert list(orders) == [PAUSE]


def test_an_order_says_until_when_by_whom_and_what_ends_it() -> None:
    assert PAUSE.sentence == (
        "domain 'web-1' is paused until resumed by uid 0: `autoscaler resume web-1` ends that"
    )
    assert str(SET) == "held at 4 vCPUs until 2027-01-15 08:00:00 UTC by uid 0"
    assert OF_ALL.sentence.startswith("every domain is paused until 1970-01-01 00:33:20 UTC by uid 0: ")


def test_a_hostile_name_does_not_turn_the_advice_into_another_command() -> None:
    name = "web; rm -rf $HOME `id` '\""
    sentence = replace(PAUSE, name=name).sentence
    line = sentence[sentence.index("`autoscaler resume") + 1 :].rpartition("`")[0]
    assert shlex.split(line) == ["autoscaler", "resume", name]
