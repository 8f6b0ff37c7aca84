"""Values that are quick to make are like any frozen dataclass but for the guard at run time."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace

import pytest

from autoscaler.core.quickly_made import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One of them."""

    at_s: float
    names: tuple[str, ...] = ()
    seen: list[int] = field(default_factory=list, hash=False)


def test_it_is_made_and_compared_by_its_fields_and_takes_its_defaults() -> None:
    value = Value(at_s=1.0)
    assert value == Value(at_s=1.0, names=(), seen=[])
    assert value != Value(at_s=2.0)
    assert hash(value) == hash(Value(at_s=1.0))
    assert replace(value, names=("a",)) == Value(at_s=1.0, names=("a",))
    assert pickle.loads(pickle.dumps(value)) == value


def test_each_has_defaults_of_its_own() -> None:
    assert Value(at_s=1.0).seen is not Value(at_s=1.0).seen


def test_what_is_not_a_field_is_refused() -> None:
    with pytest.raises(TypeError, match="other"):
        Value(at_s=1.0, other=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Value(1.0)  # type: ignore[call-arg]
