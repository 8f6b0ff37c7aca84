"""What a guest may be, and how the image is told."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.lab.errors import BadSpec
from autoscaler.lab.spec import HARDENED, GuestSpec, Onlining, check_name


@pytest.mark.parametrize("name", ["a", "web-1", "9", "A.b_c-d", "x" * 40])
def test_a_usable_name_is_returned(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 41, id="too long"),
        pytest.param("../etc", id="a way out of the folder"),
        pytest.param(".hidden", id="hidden"),
        pytest.param("-rf", id="an option"),
        pytest.param("a b", id="a space"),
        pytest.param("a\n", id="a line end"),
        pytest.param("a,b", id="a comma, which ends QEMU's options"),
        pytest.param("é", id="not ASCII"),
    ],
)
def test_a_name_that_could_do_harm_is_refused(name: str) -> None:
    with pytest.raises(BadSpec, match="cannot name a guest"):
        check_name(name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"vcpus": 0}, "0 of 4 vCPUs", id="no vCPU"),
        pytest.param({"vcpus": 5}, "5 of 4 vCPUs", id="more than the maximum"),
        pytest.param({"maximum": 65}, "1 of 65 vCPUs", id="more than the lab boots"),
        pytest.param({"memory_mib": 64}, "64 MiB", id="too little memory"),
        pytest.param({"block": ("guest-exec lab.agent=off",)}, "cannot block", id="a kernel argument"),
        pytest.param({"block": ("x",) * 21}, "cannot block", id="too many patterns"),
        pytest.param({"onlining_delay_s": -1.0}, "cannot delay", id="a delay in the past"),
        pytest.param({"onlining_delay_s": float("nan")}, "cannot delay", id="a delay that is no number"),
    ],
)
def test_an_impossible_guest_is_refused_by_what_is_wrong(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSpec, match=message):
        GuestSpec(name="g", **values)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(GuestSpec(name="g"), {"lab.onlining=by-agent"}, id="plain"),
        pytest.param(
            GuestSpec(name="g", agent=False), {"lab.onlining=by-agent", "lab.agent=off"}, id="no agent"
        ),
        pytest.param(
            GuestSpec(name="g", block=HARDENED, onlining=Onlining.BY_GUEST),
            {"lab.onlining=by-guest", "lab.block=guest-file-*,guest-exec,guest-exec-status"},
            id="as RHEL is",
        ),
        pytest.param(
            GuestSpec(name="g", onlining=Onlining.SLOW, onlining_delay_s=2.5),
            {"lab.onlining=slow", "lab.delay=2.5", "lab.block=guest-set-vcpus,guest-file-write,guest-exec"},
            id="slow",
        ),
        pytest.param(
            GuestSpec(name="g", onlining=Onlining.NEVER, block=("guest-exec",)),
            {"lab.onlining=never", "lab.block=guest-exec,guest-set-vcpus,guest-file-write"},
            id="never",
        ),
    ],
)
def test_the_kernel_is_told_what_makes_the_guest_difficult(spec: GuestSpec, expected: set[str]) -> None:
    assert {word for word in spec.kernel_arguments.split() if word.startswith("lab.")} == expected
