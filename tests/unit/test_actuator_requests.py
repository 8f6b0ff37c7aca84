"""What the actuator takes for a request: five verbs in one form, whatever else is thrown at it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actuator.requests import NotUnderstood, understood
from autoscaler.backends.actuator.protocol import Reading, Verb
from autoscaler.core.model import DomainId

UUID = "9e6cf0d7-3a63-4f0a-8a3f-1f2f8a1c0b77"
PLUG: dict[str, object] = {"verb": "plug", "host": "h", "uuid": UUID, "expect": 1, "target": 2}
SAMPLE: dict[str, object] = {"verb": "read", "what": "sample", "host": "h", "uuid": UUID, "pressure": True}


def test_a_request_of_the_right_form_is_understood() -> None:
    plug, sample = understood(PLUG), understood(SAMPLE)

    assert (plug.verb, plug.domain, plug.expect, plug.target) == (Verb.PLUG, DomainId("h", UUID), 1, 2)
    assert (sample.verb, sample.what, sample.pressure, sample.target) == (
        *(Verb.READ, Reading.SAMPLE),
        *(True, None),
    )
    assert understood({"verb": "read", "what": "domains", "host": "h"}).domain is None


@pytest.mark.parametrize("expect", [1, 2])
def test_a_request_for_what_may_be_there_already_is_understood(expect: int) -> None:
    assert understood({**PLUG, "expect": expect}).target == 2
    assert understood({**PLUG, "verb": "unplug", "expect": expect}).target == 2


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({}, id="nothing"),
        pytest.param({**PLUG, "verb": "destroy"}, id="another verb"),
        pytest.param({**PLUG, "verb": ["plug"]}, id="a list of verbs"),
        pytest.param({key: value for key, value in PLUG.items() if key != "expect"}, id="a key too few"),
        pytest.param({**PLUG, "flags": 2}, id="a key too many"),
        pytest.param({**PLUG, "target": True}, id="true for a count"),
        pytest.param({**PLUG, "target": 2.0}, id="a fraction"),
        pytest.param({**PLUG, "target": -1}, id="a negative count"),
        pytest.param({**PLUG, "target": 10**5000}, id="a count of 5,000 digits"),
        pytest.param({**PLUG, "expect": 3}, id="a plug that would take away"),
        pytest.param({**PLUG, "uuid": UUID.upper()}, id="a UUID in another form"),
        pytest.param({**PLUG, "uuid": UUID + "\n"}, id="a UUID and a line"),
        pytest.param({**PLUG, "uuid": {"a": []}}, id="something deep"),
        pytest.param({**PLUG, "host": "h\x1b[2J"}, id="a name that steers terminals"),
        pytest.param({**PLUG, "host": "h" * 600}, id="an endless name"),
        pytest.param({**SAMPLE, "what": "memory"}, id="something else to read"),
        pytest.param({**SAMPLE, "pressure": 1}, id="a number for yes"),
        pytest.param({**SAMPLE, "what": "guest-exec"}, id="an agent's command"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(request_: dict[str, object]) -> None:
    with pytest.raises(NotUnderstood) as refused:
        understood(request_)

    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


KEYS = ("verb", "what", "host", "uuid", "expect", "target", "pressure", "more")
VALUES = st.one_of(
    st.sampled_from([*Verb, *Reading, UUID, "h", "", None, True, [], {}]),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_whatever_comes_is_either_understood_whole_or_refused(request_: dict[str, Any]) -> None:
    try:
        found = understood(request_)
    except NotUnderstood:
        return
    assert found.verb in Verb
    assert (found.what is None) is (found.verb is not Verb.READ)
    assert (found.target is None) is (found.verb is Verb.READ)
    assert found.verb is not Verb.PLUG or found.target is None or found.target >= found.expect
