"""A QEMU that says nothing: stopped, hung, or busy with another client, as far as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.backends.address import Address, TcpAddress, UnixAddress
from autoscaler.backends.qmp.silence import why_hung, why_silent

PATH = "/run/guests/web 1/qmp.sock"
SOCKET = UnixAddress(PATH)
LISTENS = f"0000000000000000: 00000002 00000000 00010000 0001 01 11 {PATH}"
SERVES = f"0000000000000000: 00000003 00000000 00000000 0001 03 12 {PATH}"
WAITS = f"0000000000000000: 00000003 00000000 00000000 0001 02     0 {PATH}"
OTHER = f"0000000000000000: 00000003 00000000 00000000 0001 03 13 /old{PATH}"
TAKEN, HUNG = "another client is connected", "QEMU does not answer"


def proc(folder: Path, *rows: str, state: str = "S") -> Path:
    """What the kernel shows of the sockets, and of a process 7."""
    (folder / "net").mkdir()
    (folder / "net/unix").write_text(
        "\n".join(("Num       RefCount Protocol Flags    Type St Inode Path", *rows))
    )
    (folder / "7").mkdir()
    (folder / "7/stat").write_text(f"7 (qemu) T) {state} 1 7 7 0\n")
    return folder


@pytest.mark.parametrize("state", ["T", "t"])
def test_a_stopped_process_is_the_one_cause_told_and_how_to_continue_it(tmp_path: Path, state: str) -> None:
    told = why_silent(SOCKET, 7, was_ours=False, proc=proc(tmp_path, LISTENS, SERVES, state=state))
    assert "continue it with `kill -CONT 7`" in told
    assert TAKEN not in told
    assert "kill -CONT 7" in why_hung(7, proc=tmp_path)


@pytest.mark.parametrize("pid", [7, 0, 8], ids=["it runs", "not known", "not seen"])
def test_what_is_not_seen_to_be_stopped_is_not_said_to_be(tmp_path: Path, pid: int) -> None:
    assert "kill -CONT" not in why_silent(SOCKET, pid, was_ours=False, proc=proc(tmp_path, LISTENS))


def test_a_socket_that_serves_nobody_is_not_said_to_be_taken(tmp_path: Path) -> None:
    told = why_silent(SOCKET, 7, was_ours=False, proc=proc(tmp_path, LISTENS, WAITS, WAITS, OTHER))
    assert HUNG in told
    assert TAKEN not in told


@pytest.mark.parametrize(
    ("address", "rows", "was_ours", "first"),
    [
        pytest.param(SOCKET, [LISTENS, SERVES, WAITS], False, TAKEN, id="it serves somebody"),
        pytest.param(SOCKET, [LISTENS, SERVES], True, HUNG, id="it serves us, and did not see us go"),
        pytest.param(SOCKET, [OTHER], False, TAKEN, id="its sockets are not seen"),
        pytest.param(TcpAddress("127.0.0.1", 4444), [LISTENS], False, TAKEN, id="tcp"),
        pytest.param(TcpAddress("127.0.0.1", 4444), [LISTENS], True, HUNG, id="tcp, and we were there"),
    ],
)
def test_where_both_may_be_the_likelier_cause_is_told_first(
    tmp_path: Path, address: Address, rows: list[str], *, was_ours: bool, first: str
) -> None:
    told = why_silent(address, 7, was_ours=was_ours, proc=proc(tmp_path, *rows))
    assert told.startswith(f"no QMP greeting comes from {address}: {first}")
    assert {TAKEN in told, HUNG in told} == {True}


def test_a_kernel_that_shows_nothing_leaves_both_causes(tmp_path: Path) -> None:
    told = why_silent(SOCKET, 7, was_ours=False, proc=tmp_path)
    assert TAKEN in told
    assert HUNG in told
