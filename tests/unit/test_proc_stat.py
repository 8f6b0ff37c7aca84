from __future__ import annotations

import pytest

from autoscaler.backends.agent.proc_stat import Counters, parse_id_list, parse_pressure, parse_proc_stat
from autoscaler.errors import AgentNonsense

TWO_VCPUS = b"""\
cpu  1000 20 300 90000 400 5 60 70 900 10
cpu0 600 10 200 45000 300 5 40 30 500 5
cpu2 400 10 100 45000 100 0 20 40 400 5
intr 12345 0 0 9
ctxt 998877
btime 1700000000
processes 4711
procs_running 3
procs_blocked 1
softirq 100 1 2 3
"""


def without(key: bytes) -> bytes:
    return b"".join(line for line in TWO_VCPUS.splitlines(keepends=True) if not line.startswith(key + b" "))


def test_busy_is_user_nice_system_and_interrupts_in_seconds() -> None:
    read = parse_proc_stat(TWO_VCPUS, domain_name="web-1")
    assert read == Counters(
        busy_s=13.85, steal_s=0.7, online=frozenset({0, 2}), runnable=2, boot_s=1_700_000_000
    )


@pytest.mark.parametrize(
    ("running", "runnable"),
    [
        pytest.param(0, 0, id="none: never below zero"),
        pytest.param(1, 0, id="only the reader"),
        pytest.param(2, 1, id="one more"),
    ],
)
def test_the_reader_itself_is_not_counted_as_runnable(running: int, runnable: int) -> None:
    content = TWO_VCPUS.replace(b"procs_running 3", b"procs_running %d" % running)
    assert parse_proc_stat(content, domain_name="web-1").runnable == runnable


@pytest.mark.parametrize("key", [b"procs_running", b"btime"])
def test_what_the_kernel_does_not_say_is_none(key: bytes) -> None:
    read = parse_proc_stat(without(key), domain_name="web-1")
    assert (read.runnable is None, read.boot_s is None) == (key == b"procs_running", key == b"btime")


def test_a_kernel_that_adds_columns_and_lines_is_read_all_the_same() -> None:
    content = TWO_VCPUS.replace(b" 900 10\n", b" 900 10 77 88\n") + b"tomorrow 1 2 three\ncpufreq x\n"
    assert parse_proc_stat(content, domain_name="web-1") == parse_proc_stat(TWO_VCPUS, domain_name="web-1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "breaks off", id="empty"),
        pytest.param(TWO_VCPUS[:-1], "breaks off", id="cut short"),
        pytest.param(b"hello\n", "lists no vCPU", id="another file"),
        pytest.param(without(b"cpu"), "no whole cpu line", id="no sum"),
        pytest.param(b"cpu 1 2 3 4 5 6 7\ncpu0 1\n", "no whole cpu line", id="no steal"),
        pytest.param(TWO_VCPUS.replace(b"1000", b"-100"), "a count belongs", id="a negative counter"),
        pytest.param(TWO_VCPUS.replace(b"1000", b"1e3"), "a count belongs", id="a float"),
        pytest.param(TWO_VCPUS.replace(b"1000", b"9" * 5000), "a count belongs", id="5000 digits"),
        pytest.param(TWO_VCPUS.replace(b"1000", b"1_0"), "a count belongs", id="an underscore"),
        pytest.param(TWO_VCPUS.replace(b"running 3", b"running"), "without one number", id="nothing running"),
        pytest.param(TWO_VCPUS.replace(b"btime 17", b"btime 17 18"), "without one number", id="two boots"),
        pytest.param(TWO_VCPUS.replace(b"cpu2", b"cpu0"), "vCPU 0 twice", id="a vCPU twice"),
        pytest.param(TWO_VCPUS.replace(b"cpu2", b"cpu4096"), "beyond 4095", id="too many vCPUs"),
        pytest.param(TWO_VCPUS + TWO_VCPUS.splitlines(keepends=True)[0], "two cpu lines", id="two sums"),
        pytest.param(TWO_VCPUS.replace(b"ctxt", b"\xff\xfe"), "no ASCII", id="binary"),
        pytest.param(TWO_VCPUS.replace(b"1000", "\uff11\uff10".encode()), "no ASCII", id="other digits"),
    ],
)
def test_what_is_no_proc_stat_is_not_believed(content: bytes, words: str) -> None:
    with pytest.raises(AgentNonsense, match="guest of domain web-1") as caught:
        parse_proc_stat(content, domain_name="web-1")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param(b"0\n", {0}, id="one"),
        pytest.param(b"0-3\n", {0, 1, 2, 3}, id="a range"),
        pytest.param(b"0-1,4,6-7\n", {0, 1, 4, 6, 7}, id="ranges and ids"),
        pytest.param(b"\n", set(), id="none"),
    ],
)
def test_an_id_list_is_read(content: bytes, ids: set[int]) -> None:
    assert parse_id_list(content, domain_name="web-1") == ids


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a\n", id="no number"),
        pytest.param(b"3-1\n", id="a range backwards"),
        pytest.param(b"0-99999\n", id="too many"),
        pytest.param(b"0-1,1\n", id="an id twice"),
        pytest.param(b"-1\n", id="a negative id"),
        pytest.param(b"0,,1\n", id="an empty part"),
        pytest.param(b"\xff\n", id="binary"),
    ],
)
def test_what_is_no_id_list_is_not_believed(content: bytes) -> None:
    with pytest.raises(AgentNonsense, match="vCPU list that the guest of domain web-1"):
        parse_id_list(content, domain_name="web-1")


SOME = b"some avg10=12.50 avg60=3.00 avg300=0.75 total=2500000\n"
FULL = b"full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SOME + FULL, id="both lines"),
        pytest.param(SOME, id="a kernel of before 5.13, without the second"),
        pytest.param(
            FULL + b"new total=1\n" + SOME.replace(b" total", b" tomorrow=1 total"), id="more to come"
        ),
    ],
)
def test_pressure_is_the_time_in_which_some_task_waited_in_seconds(content: bytes) -> None:
    assert parse_pressure(content, domain_name="web-1") == 2.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "breaks off", id="empty"),
        pytest.param(SOME[:-1], "breaks off", id="cut short"),
        pytest.param(FULL, "no single line", id="the other line alone"),
        pytest.param(SOME + SOME, "no single line", id="the line twice"),
        pytest.param(SOME.replace(b"total=", b"sum="), "without one total", id="no total"),
        pytest.param(SOME[:-1] + b" total=9\n", "without one total", id="two totals"),
        pytest.param(SOME.replace(b"2500000", b"-1"), "without one total", id="a negative total"),
        pytest.param(SOME.replace(b"2500000", b"2.5"), "without one total", id="a fraction"),
        pytest.param(SOME.replace(b"2500000", b"9" * 5000), "without one total", id="5000 digits"),
        pytest.param(SOME.replace(b"25", "\uff12".encode()), "no ASCII", id="other digits"),
    ],
)
def test_what_is_no_pressure_file_is_not_believed(content: bytes, words: str) -> None:
    with pytest.raises(AgentNonsense, match="/proc/pressure/cpu that the guest of domain web-1") as caught:
        parse_pressure(content, domain_name="web-1")
    assert words in str(caught.value)
