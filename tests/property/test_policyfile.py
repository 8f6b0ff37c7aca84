"""Whatever a file holds, loading it ends in a policy set or in problems, never in an exception."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import (
    AdaptiveStrategy,
    DownLimits,
    Fallback,
    HostShare,
    Indicator,
    ManualChange,
    Match,
    MissingRule,
    Mode,
    Policy,
    Prices,
    Schedule,
    Sla,
    TargetStrategy,
    UpLimits,
)
from autoscaler.policyfile import LoadedPolicies, load_policies, strict_yaml
from autoscaler.policyfile.glob import common
from autoscaler.policyfile.times import Weekday, clock
from autoscaler.service.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICIES = Path(__file__).parents[2] / "policies"
VALID = [path.read_text() for path in sorted(POLICIES.glob("*.yaml"))]
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
    *(
        "metadata: {",
        "autoscaling: off",
        "objective: 100%",
        "run_queue_below: 1.0",
        "adaptive:",
        "from: 08:00",
        "to: 24:00",
        "timezone: Europe/",
        "days: [mon]",
        "schedules:\n  - ",
        "weight: 0",
        "<key>: [key]",
    ),
]


CASES = int(os.environ.get("VCPU_AUTOSCALER_FUZZ_CASES", "150"))
"""For each test and parser; set it to 5000 for an hour of it."""
pytestmark = pytest.mark.timeout(max(300, CASES))

unhurried = settings(deadline=None, derandomize=True, database=None, max_examples=CASES)
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
    lines = content.decode("utf-8", "replace").split("\n")
    for problem in (*loaded.errors, *loaded.warnings, *configured.errors, *configured.warnings):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message.isprintable()
        assert "should be" not in problem.message, "a sentence of pydantic's own"
    return loaded


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good file with some stretches replaced by what YAML or the language may trip over."""
    text = draw(st.sampled_from(VALID))
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
    *("metadata", "sla", "indicator", "utilization_below", "run_queue_below", "slice", "objective", "window"),
    *("adaptive", "prices", "add", "per_day", "reclaim", "schedules", "days", "from", "to", "timezone"),
    *("host", "priority", "weight", "manual_change", "respect_for", "<keys>", "[key]", "<<"),
]
TREES = st.recursive(
    st.sampled_from(
        ["", "~", "hold", "80%", "5m", "4", "web", "auto", "*", "1", "08:00", "mon", "UTC", "[!"]
    ),
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


@st.composite
def rearranged(draw: st.DrawFn) -> object:
    """A good file, some keys of which have what belongs elsewhere, are called by another or stand twice."""

    def changed(part: object) -> object:
        if draw(st.integers(0, 9)) == 0:
            return draw(TREES)
        if isinstance(part, dict):
            return {
                draw(st.sampled_from(KEYS)) if draw(st.integers(0, 14)) == 0 else key: changed(value)
                for key, value in part.items()
            }
        if isinstance(part, list):
            return [changed(entry) for entry in part * draw(st.integers(0, 2))]
        return part

    return changed(yaml.safe_load(draw(st.sampled_from(VALID))))


@unhurried
@given(rearranged())
def test_a_good_file_with_values_of_others_ends_in_problems(tree: object) -> None:
    load(yaml.safe_dump(tree).encode())


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PATTERN = st.text("abc*?[]!-1", min_size=1, max_size=8).filter(lambda text: any(common(text, "*")))
"""One that fits something: ``[b-a]`` is refused."""
PATTERNS = st.lists(PATTERN, min_size=1, max_size=3).map(tuple)
PAUSES = st.integers(0, 86_400).map(float)


@st.composite
def schedules(draw: st.DrawFn, low: int, high: int) -> tuple[Schedule, ...]:
    """Schedules that agree, for each holds on a day of its own and ends before the next one begins."""
    days = draw(st.lists(st.integers(0, 6), unique=True, max_size=3))
    found = []
    for day in days:
        start = draw(st.integers(0, 1439))
        found.append(
            Schedule(
                name=f"on day {day}",
                days=frozenset({day}),
                from_minute=start,
                to_minute=draw(st.integers(start + 1, 1440)),
                timezone=ZoneInfo("Europe/Berlin"),
                min_vcpus=draw(st.none() | st.integers(low, high)),
                mode=draw(st.sampled_from(Mode)),
            )
        )
    return tuple(found)


STRATEGIES = st.builds(
    TargetStrategy,
    utilization_ratio=st.integers(10, 95).map(lambda percent: percent / 100),
    tolerance_ratio=st.integers(0, 49).map(lambda percent: percent / 100),
    hold_s=PAUSES,
) | st.builds(
    AdaptiveStrategy,
    prices=st.builds(
        Prices,
        vcpu_minute=st.integers(1, 1000).map(float),
        add=st.integers(0, 4000).map(lambda quarters: quarters / 4),
        remove=st.integers(0, 1000).map(float),
    ),
)
SLAS = st.builds(
    Sla,
    indicator=st.sampled_from(Indicator),
    below=st.integers(10, 99).map(lambda percent: percent / 100),
    slice_s=st.integers(10, 300).map(float),
    objective_ratio=st.integers(9310, 9999).map(lambda part: part / 10_000),
    window_s=st.integers(86_400, 90 * 86_400).map(float),
).filter(lambda sla: (1 - sla.objective_ratio) * sla.window_s > 1.01 * sla.slice_s)


SHARES = st.integers(1, 100).map(lambda percent: percent / 100)
STEPS_DOWN = st.tuples(st.integers(1, 4096), st.just(0.0)) | st.tuples(st.just(1), SHARES)
"""VCPUs, or a share: one of them is written."""


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low = draw(st.integers(1, 4096))
    high = draw(st.none() | st.integers(low, 4096))
    raise_to = draw(st.none() | st.integers(low, high or 4096))
    step_vcpus, step_ratio = draw(STEPS_DOWN)
    labels = st.dictionaries(st.sampled_from(["tier", "_a.b-c"]), st.text("xyz*", min_size=1), max_size=2)
    return Policy(
        name=draw(NAMES),
        match=Match(
            name=draw(PATTERNS),
            not_name=draw(st.lists(st.text("xyz", min_size=1), max_size=2).map(tuple)),
            uuid=tuple(str(uuid) for uuid in draw(st.lists(st.uuids(), max_size=2))),
            metadata=tuple(sorted(draw(labels).items())),
            not_metadata=draw(st.sampled_from([(), (("stage", "test*"),)])),
        ),
        mode=draw(st.sampled_from(Mode)),
        min_vcpus=low,
        max_vcpus=high,
        sla=draw(SLAS),
        strategy=draw(STRATEGIES),
        up=UpLimits(step_ratio=draw(st.integers(1, 1000)) / 100, cooldown_s=draw(PAUSES)),
        down=DownLimits(
            step_vcpus=step_vcpus,
            step_ratio=step_ratio,
            cooldown_s=draw(PAUSES),
            per_day=draw(st.integers(1, 10_000)),
        ),
        schedules=draw(schedules(low, high or 4096)),
        host=HostShare(priority=draw(st.integers(0, 1000)), weight=draw(st.integers(1, 1000)) / 10),
        missing=MissingRule(
            stale_after_s=draw(st.integers(1, 86_400).map(float)),
            then=Fallback.HOLD if raise_to is None else Fallback.RAISE_TO,
            raise_to_vcpus=raise_to,
        ),
        manual_change=ManualChange(respect_for_s=draw(PAUSES)),
        source="policy.yaml:3",
    )


def percent(ratio: float) -> str:
    return f"{round(ratio * 100, 2)}%"


def words(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


def written_strategy(strategy: TargetStrategy | AdaptiveStrategy) -> str:
    if isinstance(strategy, AdaptiveStrategy):
        prices = strategy.prices
        return (
            f"{{adaptive: {{prices: {{vcpu_minute: {prices.vcpu_minute}, add: {prices.add}, "
            f"remove: {prices.remove}}}}}}}"
        )
    return (
        f"{{target: {{utilization: {percent(strategy.utilization_ratio)}, "
        f"tolerance: {percent(strategy.tolerance_ratio)}, hold: {strategy.hold_s * 1000:.0f}ms}}}}"
    )


def written_schedule(schedule: Schedule) -> str:
    (day,) = schedule.days
    least = "" if schedule.min_vcpus is None else f", vcpus: {{min: {schedule.min_vcpus}}}"
    return (
        f"{{name: {schedule.name}, days: [{list(Weekday)[day]}], from: {clock(schedule.from_minute)}, "
        f"to: {clock(schedule.to_minute)}, timezone: Europe/Berlin, mode: {schedule.mode}{least}}}"
    )


def written(policy: Policy) -> str:
    """The policy as a file, every key spelt out."""
    most = "" if policy.max_vcpus is None else f", max: {policy.max_vcpus}"
    rule, sla, down = policy.missing, policy.sla, policy.down
    step = percent(down.step_ratio) if down.step_ratio else down.step_vcpus
    then = "hold" if rule.raise_to_vcpus is None else f"{{raise_to: {rule.raise_to_vcpus}}}"
    limit = str(sla.below) if sla.indicator is Indicator.RUN_QUEUE else percent(sla.below)
    labels, not_labels = (
        ", ".join(f"{key}: '{pattern}'" for key, pattern in found)
        for found in (policy.match.metadata, policy.match.not_metadata)
    )
    return f"""\
version: 1
policies:
  - name: {policy.name}
    match:
      name: {words(policy.match.name)}
      not_name: {words(policy.match.not_name)}
      uuid: {words(policy.match.uuid)}
      metadata: {{{labels}}}
      not_metadata: {{{not_labels}}}
    mode: {policy.mode}
    vcpus: {{min: {policy.min_vcpus}{most}}}
    sla:
      indicator: {{{sla.indicator}: {limit}}}
      slice: {sla.slice_s:.0f}s
      objective: {percent(sla.objective_ratio)}
      window: {sla.window_s:.0f}s
    strategy: {written_strategy(policy.strategy)}
    limits:
      up: {{step: {percent(policy.up.step_ratio)}, cooldown: {policy.up.cooldown_s / 60:.9f}m}}
      down: {{step: {step}, cooldown: {down.cooldown_s:.0f}s, per_day: {down.per_day}}}
    schedules: [{", ".join(map(written_schedule, policy.schedules))}]
    host: {{priority: {policy.host.priority}, weight: {policy.host.weight}}}
    missing: {{stale_after: {rule.stale_after_s:.3f}s, then: {then}}}
    manual_change: {{respect_for: {policy.manual_change.respect_for_s:.0f}s}}
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
    # Minutes do not hold every second exactly.
    cooldown_s = round(back.up.cooldown_s, 3)
    assert replace(back, up=replace(back.up, cooldown_s=cooldown_s)) == replace(policy, source=f"{path}:3")
