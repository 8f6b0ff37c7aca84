"""Whatever a file holds, loading it ends in a policy set or in problems, never in an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import (
    DownLimits,
    Fallback,
    Match,
    MissingRule,
    Mode,
    Policy,
    TargetStrategy,
    UpLimits,
)
from autoscaler.policyfile import LoadedPolicies, load_policies, strict_yaml
from autoscaler.service.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

VALID = (Path(__file__).parents[2] / "policies" / "example.yaml").read_text()
PIECES = [
    *(
        "&a ",
        "*a",
        "!!int ",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        "\t",
        "\n",
        "  ",
        "'",
        '"',
        "#",
        "|",
        ">",
        "%",
    ),
    *(
        "~",
        "null",
        "yes",
        "017",
        "22:30",
        "-1",
        "1_000",
        ".inf",
        "80",
        "5",
        "99999999999",
        "raise_to: 1",
        "<<: ",
    ),
    *(
        "---\n",
        "...\n",
        "\0",
        "\ufeff",
        "\u2028",
        "\r",
        "\x1b",
        "é",
        "version: 1",
        "policies:",
        "name: [",
        "min: 9",
    ),
]


unhurried = settings(deadline=None)
"""A file is written for each example, on a disk that others may keep busy."""


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True, scope="module")
def parser(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_yaml, "LOADER", getattr(yaml, request.param))
        yield


def load(content: bytes) -> LoadedPolicies:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_bytes(content)
        loaded = load_policies([path])
        configured = load_config(path)
    assert (loaded.policy_set is None) == bool(loaded.errors)
    assert (configured.config is None) == bool(configured.errors)
    lines = content.count(b"\n") + 2
    for problem in (*loaded.errors, *loaded.warnings, *configured.errors, *configured.warnings):
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.message.isprintable()
        assert "should be" not in problem.message, "a sentence of pydantic's own"
    return loaded


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The example with some stretches replaced by what YAML or the language may trip over."""
    text = VALID
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 30))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[start + length :]
    return text


@unhurried
@given(st.binary(max_size=200))
def test_any_bytes_end_in_problems(content: bytes) -> None:
    load(content)


@unhurried
@given(st.text(max_size=200))
def test_any_text_ends_in_problems(text: str) -> None:
    load(text.encode("utf-8", "surrogatepass"))


@unhurried
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_mix_of_syntax_ends_in_problems(text: str) -> None:
    load(text.encode())


@unhurried
@given(mutated())
def test_a_mutated_policy_file_ends_in_policies_or_problems(text: str) -> None:
    load(text.encode())


KEYS = [
    *("version", "policies", "name", "match", "not_name", "uuid", "mode", "vcpus", "min", "max", "strategy"),
    *("target", "utilization", "limits", "up", "down", "step", "cooldown", "missing", "stale_after", "then"),
    *("raise_to", "connections", "libvirt", "qmp", "agent", "timeout", "web", "listen", "interval", "state"),
]
TREES = st.recursive(
    st.sampled_from(["", "~", "hold", "80%", "5m", "4", "web", "auto", "*", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@unhurried
@given(
    st.fixed_dictionaries(
        {"version": st.just(1), "policies": st.lists(TREES), "connections": st.lists(TREES)}
    )
)
def test_known_keys_in_any_place_end_in_problems(tree: dict[str, object]) -> None:
    load(yaml.safe_dump(tree).encode())


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PATTERNS = st.lists(st.text("abc*?[]!-1", min_size=1, max_size=8), min_size=1, max_size=3).map(tuple)
PAUSES = st.integers(0, 86_400).map(float)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low = draw(st.integers(1, 4096))
    high = draw(st.none() | st.integers(low, 4096))
    raise_to = draw(st.none() | st.integers(low, high or 4096))
    return Policy(
        name=draw(NAMES),
        match=Match(
            name=draw(PATTERNS),
            not_name=draw(st.lists(st.text("xyz", min_size=1), max_size=2).map(tuple)),
            uuid=tuple(str(uuid) for uuid in draw(st.lists(st.uuids(), max_size=2))),
        ),
        mode=draw(st.sampled_from(Mode)),
        min_vcpus=low,
        max_vcpus=high,
        strategy=TargetStrategy(
            utilization_ratio=draw(st.integers(10, 95)) / 100,
            tolerance_ratio=draw(st.integers(0, 49)) / 100,
            hold_s=draw(PAUSES),
        ),
        up=UpLimits(step_ratio=draw(st.integers(1, 1000)) / 100, cooldown_s=draw(PAUSES)),
        down=DownLimits(step_vcpus=draw(st.integers(1, 4096)), cooldown_s=draw(PAUSES)),
        missing=MissingRule(
            stale_after_s=draw(st.integers(1, 86_400).map(float)),
            then=Fallback.HOLD if raise_to is None else Fallback.RAISE_TO,
            raise_to_vcpus=raise_to,
        ),
        source="policy.yaml:3",
    )


def written(policy: Policy) -> str:
    """The policy as a file, every key spelt out."""

    def words(texts: tuple[str, ...]) -> str:
        return "[" + ", ".join(f"'{text}'" for text in texts) + "]"

    def percent(ratio: float) -> str:
        return f"{round(ratio * 100)}%"

    most = "" if policy.max_vcpus is None else f", max: {policy.max_vcpus}"
    rule = policy.missing
    then = "hold" if rule.raise_to_vcpus is None else f"{{raise_to: {rule.raise_to_vcpus}}}"
    strategy = policy.strategy
    return f"""\
version: 1
policies:
  - name: {policy.name}
    match:
      name: {words(policy.match.name)}
      not_name: {words(policy.match.not_name)}
      uuid: {words(policy.match.uuid)}
    mode: {policy.mode}
    vcpus: {{min: {policy.min_vcpus}{most}}}
    strategy:
      target:
        utilization: {percent(strategy.utilization_ratio)}
        tolerance: {percent(strategy.tolerance_ratio)}
        hold: {strategy.hold_s * 1000:.0f}ms
    limits:
      up: {{step: {percent(policy.up.step_ratio)}, cooldown: {policy.up.cooldown_s / 60:.9f}m}}
      down: {{step: {policy.down.step_vcpus}, cooldown: {policy.down.cooldown_s:.0f}s}}
    missing: {{stale_after: {rule.stale_after_s:.3f}s, then: {then}}}
"""


@unhurried
@given(policies())
def test_a_written_policy_comes_back_as_the_tree_it_was(policy: Policy) -> None:
    text = written(policy)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(text)
        loaded = load_policies([path])
    assert loaded.errors == ()
    assert loaded.policy_set is not None
    (back,) = loaded.policy_set.policies
    assert back.source == f"{path}:3"
    assert _rounded(back) == _rounded(policy)


def _rounded(policy: Policy) -> tuple[object, ...]:
    """The policy with its durations to the millisecond: minutes do not hold every second exactly."""
    return (
        *(policy.name, policy.match, policy.mode, policy.min_vcpus, policy.max_vcpus),
        *(policy.strategy, policy.up.step_ratio, round(policy.up.cooldown_s, 3), policy.down, policy.missing),
    )
