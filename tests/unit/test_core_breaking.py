"""The sentence of a promise that is being broken: what was kept of it, what binds, and what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.binding import sentence_of
from autoscaler.core.breaking import at_risk, breaking
from autoscaler.core.burning import Burn
from autoscaler.core.domain_state import DomainState
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.reason import Reason
from autoscaler.core.stabilize import Clamp
from tests.fakes.examples import DECISION, DOMAIN, POLICY, VIEW

BURN = Burn(kept_ratio=0.28, known_s=720.0, whole=True, lasts_s=34_560.0)


def told(burn: Burn = BURN, policy: Policy = POLICY, order: Order | None = None, **decided: Any) -> str:  # noqa: ANN401 - any field
    state = DomainState(VIEW, policy, 0.0)
    state.order = order
    state.decision = replace(DECISION, **decided)
    return breaking(state, burn)


@pytest.mark.parametrize(
    ("burn", "said"),
    [
        pytest.param(
            BURN,
            "; kept 28% of the last 12 min, 99% promised, the error budget of 30 d lasts 9.6 h at this pace",
            id="burning",
        ),
        pytest.param(
            replace(BURN, lasts_s=0.0), "99% promised, the error budget of 30 d is spent", id="spent"
        ),
        pytest.param(
            replace(BURN, whole=False),
            "of the last 12 min that were measured, 99% promised, the error budget of 30 d lasts 9.6 h at "
            "this pace",
            id="with gaps",
        ),
    ],
)
def test_it_says_how_much_was_kept_of_what_and_how_long_the_budget_lasts(burn: Burn, said: str) -> None:
    assert told(burn).endswith(said)


@pytest.mark.parametrize(
    ("policy", "decided", "said"),
    [
        pytest.param(
            replace(POLICY, max_vcpus=2),
            {"online": 2, "upper": 2, "target": 2, "proposed": 4, "reason": Reason.AT_MAX},
            "it runs all 2 vCPUs that policy 'web' allows and wants 4: raise vcpus.max in policy 'web' to 4, "
            "or give it less to do; ",
            id="the policy's maximum",
        ),
        pytest.param(
            replace(POLICY, max_vcpus=8),
            {"online": 4, "upper": 4, "target": 4, "proposed": 7, "reason": Reason.AT_MAX},
            "it runs all 4 vCPUs that the domain can have and wants 7: raise the domain's maximum (4) to 7 "
            "by `virsh -c qemu:///system setvcpus web-1 7 --maximum --config`, then stop and start it, or "
            "give it less to do; ",
            id="the domain's maximum",
        ),
        pytest.param(
            replace(POLICY, max_vcpus=3),
            {"online": 3, "upper": 3, "target": 3, "proposed": 9, "reason": Reason.AT_MAX},
            "it runs all 3 vCPUs that policy 'web' allows and wants 9: raise vcpus.max in policy 'web' to 9 "
            "and the domain's maximum (4) to 9 by `virsh -c qemu:///system setvcpus web-1 9 --maximum "
            "--config`, "
            "then stop and start it, ",
            id="the policy's maximum, and the domain's after that",
        ),
        pytest.param(
            replace(POLICY, max_vcpus=4),
            {"online": 4, "upper": 4, "target": 4, "proposed": 4, "reason": Reason.AT_MAX},
            "it runs all 4 vCPUs that the domain can have: raise vcpus.max in policy 'web' to 5 and the "
            "domain's maximum (4) to 5 by",
            id="both at once",
        ),
        pytest.param(
            replace(POLICY, max_vcpus=4),
            {"online": 1, "upper": 1, "proposed": 3, "schedules": ("night",), "reason": Reason.SCHEDULE},
            "it runs the one vCPU that policy 'web' allows at this hour and wants 3: raise vcpus.max in its "
            "schedule 'night' to 3, or give",
            id="a schedule",
        ),
        pytest.param(
            replace(POLICY, max_vcpus=2),
            {"online": 3, "upper": 3, "proposed": 4, "schedules": ("day",), "reason": Reason.SCHEDULE},
            "allows at this hour and wants 4: raise vcpus.max in its schedule 'day' to 4, or give",
            id="a schedule that allows more than the policy",
        ),
        pytest.param(
            POLICY,
            {"target": 3, "reason": Reason.HOST_FULL, "granted": "16 of 16 are given"},
            "it stays at 1 vCPU, since the host has no vCPU left to give (16 of 16 are given): move a guest",
            id="the host is full",
        ),
        pytest.param(
            POLICY,
            {"target": 3, "reason": Reason.COOLDOWN},
            "since the last change is too recent: a shorter one",
            id="the cooldown",
        ),
        pytest.param(
            POLICY,
            {"target": 3, "reason": Reason.BACK_OFF},
            "it is tried again later: see `autoscaler show web-1`",
            id="a change that failed",
        ),
        pytest.param(POLICY, {"reason": Reason.STOLEN}, "move a guest away", id="the host withholds time"),
        pytest.param(
            POLICY,
            {"mode": Mode.RECOMMEND, "target": 3, "next_vcpus": 3},
            "in mode recommend it does not go to the 3 vCPUs that it needs: give policy 'web' the mode auto",
            id="a policy that only recommends",
        ),
        pytest.param(
            POLICY,
            {"target": 3, "next_vcpus": 3, "act": True},
            "it is being grown to 3 vCPUs now",
            id="help is on its way",
        ),
        pytest.param(
            POLICY,
            {},
            "nothing keeps it at its 1 vCPU now: where its load comes faster than vCPUs do, a higher vcpus",
            id="nothing binds",
        ),
    ],
)
def test_it_says_what_binds_and_what_to_do(policy: Policy, decided: dict[str, Any], said: str) -> None:
    assert told(policy=policy, **decided).startswith(("it ", "in ", "nothing "))
    assert said in told(policy=policy, **decided)


@pytest.mark.parametrize(
    ("decided", "said"),
    [
        pytest.param(
            {},
            "`autoscaler explain web-1 --at '13m ago'` has what kept it from more; ",
            id="calm",
        ),
        pytest.param(
            {"online": 4, "upper": 4, "proposed": 5},
            "it runs all 4 vCPUs that the domain can have and wants 5: ",
            id="at its maximum and in want",
        ),
        pytest.param(
            {"online": 4, "upper": 4, "proposed": 3},
            "`autoscaler explain web-1 --at",
            id="at its maximum with enough",
        ),
    ],
)
def test_a_guest_that_is_served_again_was_broken_until_a_while_ago(
    decided: dict[str, Any], said: str
) -> None:
    sentence = told(replace(BURN, served_s=720.0), **decided)
    assert sentence.startswith(
        f"served now, broke its promise until 12 min ago (told of for an hour); {said}"
    )
    assert sentence.endswith("lasts 9.6 h at that pace")


def test_where_to_look_for_what_is_over_is_to_the_second_where_that_is_short() -> None:
    assert "--at '90s ago'`" in told(replace(BURN, served_s=30.0))


def test_a_promise_at_risk_is_told_with_cause_and_remedy() -> None:
    state = DomainState(VIEW, POLICY, 0.0)
    assert at_risk(state, 180.0) == "0 of the last 3 min kept the promise, 99% promised"
    clamps = (Clamp(Reason.COOLDOWN, 3, 1),)
    state.decision = replace(DECISION, target=3, reason=Reason.COOLDOWN, clamps=clamps)
    assert at_risk(state, 180.0) == (
        "it stays at 1 vCPU, since the last change is too recent (limits.up.cooldown): a shorter one lets it "
        "grow sooner; 0 of the last 3 min kept the promise, 99% promised"
    )


@pytest.mark.parametrize(
    ("order", "command"),
    [
        pytest.param(
            Order(domain=DOMAIN, name="web-1", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=0.0),
            "`autoscaler resume web-1` ends that",
            id="paused",
        ),
        pytest.param(
            Order(domain=DOMAIN, name="web-1", kind=OrderKind.SET, vcpus=1, by_uid=0, at_wall_s=0.0),
            "`autoscaler resume web-1` ends that",
            id="held at a count",
        ),
        pytest.param(
            Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=0.0),
            "`autoscaler resume --all` ends that",
            id="all are paused",
        ),
    ],
)
def test_a_pause_or_an_order_breaks_it_as_well_and_is_told_with_what_ends_it(
    order: Order, command: str
) -> None:
    assert f"{command}; kept 28%" in told(order=order)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_that_keeps_it_from_more_is_said(reason: Reason) -> None:
    why = sentence_of(replace(DECISION, reason=reason))
    assert re.search(re.escape(f"since {why}") + r": \w", told(target=3, reason=reason))


def test_it_is_told_before_anything_was_decided() -> None:
    state = DomainState(VIEW, POLICY, 0.0)
    assert breaking(state, BURN).startswith("kept 28% of the last 12 min")
