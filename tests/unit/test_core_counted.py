"""Counts as people say them."""

from autoscaler.core.counted import counted, vcpus


def test_one_of_a_thing_is_told_without_an_s() -> None:
    assert [vcpus(count) for count in (0, 1, 2)] == ["0 vCPUs", "1 vCPU", "2 vCPUs"]
    assert counted(3, "bad slice") == "3 bad slices"
