from __future__ import annotations

import pytest

from autoscaler.backends.qmp.replies import SLOTS, Slot
from autoscaler.backends.qmp.slots import cpu_adds, device_adds, in_slot_order
from autoscaler.errors import Denied


def slots(*props: dict[str, int], taken: int = 0, vcpus: int = 1) -> list[Slot]:
    """Slots as QEMU lists them, from the last to the first; the first `taken` hold a vCPU."""
    listed = [
        {
            "type": "cpu",
            "vcpus-count": vcpus,
            "props": each,
            **({"qom-path": "/x"} if number < taken else {}),
        }
        for number, each in enumerate(props)
    ]
    return SLOTS.validate_python(listed[::-1])


CORES = [{"socket-id": 0, "core-id": core, "thread-id": 0} for core in range(12)]


@pytest.mark.parametrize(
    "props",
    [
        pytest.param(CORES, id="cores, ten and up behind nine"),
        pytest.param(
            [{"socket-id": socket, "core-id": 0, "thread-id": 0} for socket in range(4)], id="sockets"
        ),
        pytest.param(
            [{"socket-id": s, "core-id": c, "thread-id": t} for s in (0, 1) for c in (0, 1) for t in (0, 1)],
            id="threads within cores within sockets",
        ),
        pytest.param(
            [{"node-id": n, "socket-id": s, "core-id": 0} for s, n in ((0, 1), (1, 0))], id="nodes across"
        ),
        pytest.param([{"core-id": core} for core in range(0, 32, 8)], id="POWER"),
        pytest.param([{"new-id": number} for number in range(3)], id="ids of a later QEMU"),
    ],
)
def test_slots_are_put_in_the_order_of_vcpu_numbers(props: list[dict[str, int]]) -> None:
    assert props == [slot.props for slot in in_slot_order(slots(*props))]


def test_the_lowest_free_slots_are_filled_with_their_own_ids_word_for_word() -> None:
    assert device_adds(slots(*CORES, taken=1), 2) == (
        {"driver": "cpu", "id": "vcpu-autoscaler-1", "socket-id": 0, "core-id": 1, "thread-id": 0},
        {"driver": "cpu", "id": "vcpu-autoscaler-2", "socket-id": 0, "core-id": 2, "thread-id": 0},
    )


def test_nothing_is_added_where_nothing_is_missing() -> None:
    assert device_adds(slots(*CORES, taken=1), 0) == ()


def test_slots_of_several_vcpus_are_filled_whole() -> None:
    cores = slots({"core-id": 0}, {"core-id": 8}, {"core-id": 16}, taken=1, vcpus=8)

    assert [order["core-id"] for order in device_adds(cores, 8)] == [8]


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        pytest.param(4, "hold 8 vCPUs each and cannot take exactly 4 more", id="less than a slot"),
        pytest.param(12, "cannot take exactly 12 more", id="a slot and a half"),
        pytest.param(24, "cannot take exactly 24 more", id="more than there is"),
    ],
)
def test_a_count_that_is_not_whole_slots_is_denied_before_anything_is_added(
    count: int, complaint: str
) -> None:
    cores = slots({"core-id": 0}, {"core-id": 8}, {"core-id": 16}, taken=1, vcpus=8)

    with pytest.raises(Denied, match=complaint):
        device_adds(cores, count)


def test_cpu_add_takes_the_lowest_free_numbers() -> None:
    assert cpu_adds({0, 2}, maximum=4, count=2) == ({"id": 1}, {"id": 3})


def test_cpu_add_is_denied_where_too_few_numbers_are_free() -> None:
    with pytest.raises(Denied, match="only 1 of its 4"):
        cpu_adds({0, 1, 2}, maximum=4, count=2)
