"""Schedules: how their hours are written, and when two of them contradict each other."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from tests.fakes.policy_files import errors, load

HEAD = """\
version: 1
policies:
  - name: a
    match: {name: [a]}
    vcpus: {min: 2, max: 8}
    schedules:
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wrong_with(*schedules: str) -> list[str]:
    """The errors of a policy with these schedules, the first of them in line 7."""
    return errors(HEAD + "".join(f"      - {{{schedule}}}\n" for schedule in schedules))


def hours(start: str, end: str, rest: str, *, days: str = "mon", zone: str = "UTC", name: str = "x") -> str:
    return f"name: {name}, days: [{days}], from: {start}, to: {end}, timezone: {zone}, {rest}"


@pytest.mark.parametrize("quotes", ["", "'", '"'])
def test_a_time_of_day_is_written_with_or_without_quotes(quotes: str) -> None:
    loaded = load(
        HEAD + f"      - {{{hours(f'{quotes}08:30{quotes}', f'{quotes}24:00{quotes}', 'mode: off')}}}\n"
    )
    assert loaded.policy_set is not None
    (schedule,) = loaded.policy_set.policies[0].schedules
    assert (schedule.from_minute, schedule.to_minute) == (510, 1440)


_TIME = "write a time of day from 00:00 to"
_ZONE = "write a time zone by its name in the tz database, such as Europe/Berlin or UTC"


@pytest.mark.parametrize(
    ("schedule", "column", "message"),
    [
        pytest.param(
            hours("8:00", "18:00", "mode: off"),
            38,
            f"'from' cannot be '8:00'; {_TIME} 23:59, two digits each",
            id="one digit",
        ),
        pytest.param(
            hours("24:00", "18:00", "mode: off"),
            38,
            f"'from' cannot be '24:00'; {_TIME} 23:59, two digits each",
            id="from the end of the day",
        ),
        pytest.param(
            hours("08:00", "24:01", "mode: off"),
            49,
            f"'to' cannot be '24:01'; {_TIME} 24:00, two digits each",
            id="after the end of the day",
        ),
        pytest.param(
            hours("08:00", "1080", "mode: off"),
            49,
            f"'to' cannot be '1080'; {_TIME} 24:00, two digits each",
            id="sexagesimal as YAML 1.1 reads it",
        ),
        pytest.param(
            hours("08:00", "18:00:00", "mode: off"),
            49,
            f"'to' cannot be '18:00:00'; {_TIME} 24:00, two digits each",
            id="seconds",
        ),
        pytest.param(
            hours("08:00", "08:00", "mode: off"),
            49,
            "'to' cannot be 08:00, where 'from' is too; whole days are written from: 00:00 and to: 24:00",
            id="no hours",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", days="monday"),
            26,
            "'days[0]' cannot be 'monday'; write one of mon, tue, wed, thu, fri, sat, sun;"
            " did you mean 'mon'?",
            id="whole word",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", days=""),
            25,
            "'days' cannot be empty; it needs at least one entry",
            id="no day",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="Europe/Berln"),
            66,
            f"'timezone' cannot be 'Europe/Berln'; {_ZONE}; did you mean 'Europe/Berlin'?",
            id="zone misspelt",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="europe/berlin"),
            66,
            f"'timezone' cannot be 'europe/berlin'; {_ZONE}; did you mean 'Europe/Berlin'?",
            id="zone in small letters",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="New York"),
            66,
            f"'timezone' cannot be 'New York'; {_ZONE}; did you mean 'America/New_York'?",
            id="city alone",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="../../etc/passwd"),
            66,
            f"'timezone' cannot be '../../etc/passwd'; {_ZONE}",
            id="path",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="right/UTC"),
            66,
            f"'timezone' cannot be 'right/UTC'; {_ZONE}",
            id="clock that counts leap seconds",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", zone="+01:00"),
            66,
            f"'timezone' cannot be '+01:00'; {_ZONE}",
            id="offset",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpus: {}"),
            9,
            "the schedule 'x' changes nothing; give it 'vcpus' or a 'mode'",
            id="nothing set",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpus: {min: 9}"),
            84,
            "'min' cannot be 9; it must not be above the policy's 'max', which is 8",
            id="above the policy's max",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpus: {max: 1}"),
            84,
            "'max' cannot be 1; it must not be below the policy's 'min', which is 2",
            id="below the policy's min",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpus: {min: 12, max: 10}"),
            93,
            "'max' cannot be 10; it must not be below 'min', which is 12",
            id="its own bounds crossed",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpu: {min: 3}"),
            71,
            "the key 'vcpu' is not known here; did you mean 'vcpus'?",
            id="key misspelt",
        ),
        pytest.param(
            hours("08:00", "18:00", "form: 09:00"),
            71,
            "the key 'form' is not known here; did you mean 'from'?",
            id="Python's own word misspelt",
        ),
    ],
)
def test_a_mistake_in_a_schedule_is_named_at_its_place(schedule: str, column: int, message: str) -> None:
    assert wrong_with(schedule) == [f"0.yaml:7:{column}: {message}"]


@pytest.mark.parametrize(
    "zone", ["Europe", "Zone.tab", "Etc/", "A" * 300], ids=["folder", "file", "end", "long"]
)
def test_what_is_no_zone_in_the_zone_database_is_refused(zone: str) -> None:
    (message,) = wrong_with(hours("08:00", "18:00", "mode: off", zone=zone))
    assert message.startswith("0.yaml:7:66: 'timezone' cannot be '")


def test_a_host_without_a_zone_database_of_its_own_knows_the_zones() -> None:
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert wrong_with(hours("08:00", "18:00", "mode: off", zone="America/New_York")) == []
        (message,) = wrong_with(hours("08:00", "18:00", "mode: off", zone="Europe"))
        assert message.startswith("0.yaml:7:66: 'timezone' cannot be 'Europe'; ")
    finally:
        zoneinfo.reset_tzpath()


def test_a_schedule_needs_hours_and_a_zone() -> None:
    assert wrong_with("name: x, mode: off") == [
        "0.yaml:7:9: the key 'from' is missing here",
        "0.yaml:7:9: the key 'timezone' is missing here",
        "0.yaml:7:9: the key 'to' is missing here",
    ]


def test_a_schedule_with_both_bounds_may_leave_those_of_the_policy() -> None:
    assert wrong_with(hours("08:00", "18:00", "vcpus: {min: 9, max: 12}")) == []


def test_the_name_of_a_schedule_stands_once_in_a_policy() -> None:
    assert wrong_with(hours("08:00", "09:00", "mode: off"), hours("09:00", "10:00", "mode: off")) == [
        "0.yaml:8:16: the schedule name 'x' is taken in line 7; give it another"
    ]


@pytest.mark.parametrize(
    ("earlier", "later", "when"),
    [
        pytest.param(
            hours("08:00", "18:00", "mode: off"),
            hours("17:59", "20:00", "mode: auto", name="y"),
            "mon at 17:59 UTC",
            id="a minute in common",
        ),
        pytest.param(
            hours("22:00", "06:00", "mode: off", days="mon"),
            hours("05:00", "07:00", "mode: auto", days="tue", name="y"),
            "tue at 05:00 UTC",
            id="over midnight",
        ),
        pytest.param(
            hours("22:00", "06:00", "mode: off", days="sun"),
            hours("00:00", "24:00", "mode: auto", days="mon", name="y"),
            "mon at 00:00 UTC",
            id="over the end of the week",
        ),
        pytest.param(
            hours("00:00", "24:00", "mode: off", days="sat, sun"),
            hours("23:00", "01:00", "mode: auto", days="fri", name="y"),
            "sat at 00:00 UTC",
            id="whole days and a night before them",
        ),
        pytest.param(
            hours("09:00", "10:00", "mode: off", zone="Europe/London"),
            hours("10:00", "11:00", "mode: auto", zone="Europe/Berlin", name="y"),
            "mon at 10:00 Europe/Berlin",
            id="two zones that change together",
        ),
        pytest.param(
            hours("18:00", "19:00", "mode: off", zone="Australia/Sydney"),
            hours("10:00", "11:00", "mode: auto", zone="Europe/Berlin", name="y"),
            "mon at 10:00 Europe/Berlin in July",
            id="in one half of the year, either side of the equator",
        ),
        pytest.param(
            hours("20:00", "21:00", "mode: off", zone="Australia/Sydney"),
            hours("10:00", "11:00", "mode: auto", zone="Europe/Berlin", name="y"),
            "mon at 10:00 Europe/Berlin in January",
            id="in the other half",
        ),
        pytest.param(
            hours("14:00", "15:00", "mode: off", zone="Europe/Berlin"),
            hours("09:00", "10:00", "mode: auto", zone="America/New_York", name="y"),
            "mon at 09:00 America/New_York in March",
            id="in the weeks when only one of two zones has summer time",
        ),
        pytest.param(
            hours("00:30", "01:00", "mode: off", days="tue", zone="Asia/Kolkata"),
            hours("19:00", "19:30", "mode: auto", days="mon", name="y"),
            "mon at 19:00 UTC",
            id="a zone ahead by half an hour, on another day",
        ),
    ],
)
def test_schedules_that_hold_at_one_time_must_agree(earlier: str, later: str, when: str) -> None:
    place = f"0.yaml:8:{later.index('auto') + 10}"
    assert wrong_with(earlier, later) == [
        f"{place}: 'mode' cannot be auto; 'x' in line 7 sets it to off, and both hold on {when}"
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(
            hours("08:00", "18:00", "mode: off"),
            hours("18:00", "08:00", "mode: auto", name="y"),
            id="one begins where the other ends",
        ),
        pytest.param(
            hours("22:00", "06:00", "mode: off", days="sun"),
            hours("05:00", "07:00", "mode: auto", days="sun", name="y"),
            id="a night that ends on the next day",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off", days="mon, tue"),
            hours("08:00", "18:00", "mode: auto", days="wed", name="y"),
            id="other days",
        ),
        pytest.param(
            hours("09:00", "10:00", "mode: off", zone="Europe/London"),
            hours("09:00", "10:00", "mode: auto", zone="Europe/Berlin", name="y"),
            id="one reading of two clocks",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off"),
            hours("08:00", "18:00", "mode: off", name="y"),
            id="the same said twice",
        ),
        pytest.param(
            hours("08:00", "18:00", "mode: off"),
            hours("08:00", "18:00", "vcpus: {min: 4}", name="y"),
            id="different keys",
        ),
        pytest.param(
            hours("08:00", "18:00", "vcpus: {min: 4}"),
            hours("08:00", "18:00", "vcpus: {max: 4}", name="y"),
            id="bounds that meet",
        ),
    ],
)
def test_schedules_that_agree_or_never_meet_are_fine(earlier: str, later: str) -> None:
    assert wrong_with(earlier, later) == []


def test_every_key_on_which_two_schedules_disagree_is_named() -> None:
    found = wrong_with(
        hours("08:00", "18:00", "vcpus: {min: 3, max: 6}, mode: off"),
        hours("12:00", "13:00", "vcpus: {min: 4, max: 7}, mode: auto", name="y"),
    )
    assert [message.partition(": ")[2] for message in found] == [
        f"{key}; 'x' in line 7 sets it to {other}, and both hold on mon at 12:00 UTC"
        for key, other in (
            ("'min' cannot be 4", 3),
            ("'max' cannot be 7", 6),
            ("'mode' cannot be auto", "off"),
        )
    ]


@pytest.mark.parametrize(
    ("earlier", "later", "message"),
    [
        pytest.param(
            "vcpus: {min: 6}", "vcpus: {max: 4}", "'max' cannot be 4; 'x' in line 7 sets 'min' to 6", id="max"
        ),
        pytest.param(
            "vcpus: {max: 4}", "vcpus: {min: 6}", "'min' cannot be 6; 'x' in line 7 sets 'max' to 4", id="min"
        ),
    ],
)
def test_a_min_of_one_schedule_must_not_exceed_the_max_of_another(
    earlier: str, later: str, message: str
) -> None:
    found = wrong_with(hours("08:00", "18:00", earlier), hours("17:00", "20:00", later, name="y"))
    assert found == [f"0.yaml:8:84: {message}, and both hold on mon at 17:00 UTC"]


def test_too_many_schedules_are_refused() -> None:
    many = [hours("08:00", "09:00", "mode: off", name=f"x{number}") for number in range(51)]
    assert wrong_with(*many) == ["0.yaml:7:7: a list of 51 entries is too long here; write at most 50"]
    assert wrong_with(*many[:50]) == []


def test_a_schedule_that_cannot_be_read_keeps_no_other_from_being_checked() -> None:
    found = wrong_with(
        hours("08:00", "08:00", "mode: off"),
        hours("09:00", "10:00", "mode: off", zone="Europe/Berln", name="y"),
        hours("12:00", "13:00", "mode: auto", name="z"),
        hours("12:30", "13:30", "mode: off", name="z"),
    )
    assert [(sentence.split(":")[1], sentence.split(": ")[1].split("; ")[0]) for sentence in found] == [
        ("7", "'to' cannot be 08:00, where 'from' is too"),
        ("8", "'timezone' cannot be 'Europe/Berln'"),
        ("10", "the schedule name 'z' is taken in line 9"),
        ("10", "'mode' cannot be off"),
    ]
