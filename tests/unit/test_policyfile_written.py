"""Policies as they are written: they read back as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.core.policy import AdaptiveStrategy, Indicator, Match, Mode, Policy, Prices, Sla
from autoscaler.policyfile import load_policies
from autoscaler.policyfile.written import pattern_of, written


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(Policy(name="a", match=Match(name=("web-1",))), id="defaults"),
        pytest.param(
            Policy(
                name="b",
                match=Match(name=("web-*", 'quote"d', "back\\slash", "- {a: b} # no", "straße", "yes")),
                mode=Mode.RECOMMEND,
                min_vcpus=2,
                max_vcpus=16,
                sla=Sla(
                    indicator=Indicator.RUN_QUEUE,
                    below=1.5,
                    slice_s=90.0,
                    objective_ratio=0.995,
                    window_s=7 * 86400.0,
                ),
                strategy=AdaptiveStrategy(prices=Prices(vcpu_minute=0.5, add=4, remove=16)),
            ),
            id="every key that is written",
        ),
        pytest.param(
            Policy(name="c", match=Match(name=("a",)), sla=Sla(indicator=Indicator.PRESSURE, below=0.1)),
            id="pressure",
        ),
    ],
)
def test_a_policy_reads_back_as_it_was_written(policy: Policy, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(written([policy], ["A comment\nof two lines: {"]))
    loaded = load_policies([file])
    assert loaded.errors == ()
    assert loaded.policy_set is not None
    (found,) = loaded.policy_set.policies
    assert found == Policy(
        **{name: getattr(policy, name) for name in policy.__slots__} | {"source": found.source}
    )


@pytest.mark.parametrize("name", ["web-1", "a*b", "[a]", "a?c", "]x[", "[!a]", "***", "ü", "a b", "x]"])
def test_the_pattern_of_a_name_fits_that_name_alone(name: str) -> None:
    pattern = pattern_of(name)
    assert pattern is not None
    match = Match(name=(pattern,))
    assert match.fits(name, "", {})
    assert not any(
        match.fits(other, "", {}) for other in (name + "x", "x" + name, "", "abc", "axc", "a", "!")
    )


@pytest.mark.parametrize("name", ["", "a\nb", "\u202e", "x" * 1025])
def test_a_name_that_no_policy_can_hold_has_no_pattern(name: str) -> None:
    assert pattern_of(name) is None
