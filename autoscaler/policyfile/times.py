"""How times of day, days of the week and time zones are written."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from autoscaler.policyfile.form import Form
from autoscaler.policyfile.guess import folded, nearest
from autoscaler.policyfile.values import one_of, written, wrong

DAY_MINUTES = 24 * 60

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_END_OF_DAY = "24:00"
_ZONE = re.compile(r"(?!(posix|right)/)[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_MOST_LETTERS_WRONG = 3
_ZONE_RULE = "write a time zone by its name in the tz database, such as Europe/Berlin or UTC"


class Weekday(StrEnum):
    """Days as they are written, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """0 for Monday."""
        return _NUMBERS[self]


_NUMBERS = {day: number for number, day in enumerate(Weekday)}

Day = Annotated[Weekday, one_of(Weekday)]


def time_of_day(*, end: bool = False) -> Form:
    """A time of day, with or without quotes; minutes after midnight as the result.

    An `end` may be 24:00, the end of the day: whole days are written 00:00 to 24:00.
    """
    last = _END_OF_DAY if end else "23:59"
    rule = f"write a time of day from 00:00 to {last}, two digits each"

    def read(value: object) -> int:
        text = written(value, rule).text
        if end and text == _END_OF_DAY:
            return DAY_MINUTES
        match = _TIME.fullmatch(text)
        if not match:
            raise wrong(rule)
        return int(match[1]) * 60 + int(match[2])

    pattern = f"{_TIME.pattern}|{_END_OF_DAY}" if end else _TIME.pattern
    schema = {"type": "string", "pattern": f"^({pattern})$", "examples": ["18:00" if end else "08:00"]}
    return Form(read, schema)


def clock(minute: int) -> str:
    """A minute of the day as it is written."""
    return f"{minute // 60:02}:{minute % 60:02}"


def read_zone(value: object) -> str:
    """The name of a time zone of the tz database."""
    text = written(value, _ZONE_RULE).text
    if not _is_zone(text):
        raise wrong(_ZONE_RULE + _nearest_zone(text))
    return text


Zone = Annotated[
    str,
    Form(
        read_zone,
        {"type": "string", "pattern": f"^{_ZONE.pattern}$", "examples": ["Europe/Berlin", "UTC"]},
    ),
]


def _is_zone(text: str) -> bool:
    if not _ZONE.fullmatch(text):
        return False
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        # Unknown; not a file of time zone data; a folder of zones.
        return False
    return True


@lru_cache(maxsize=256)
def _nearest_zone(text: str) -> str:
    """The hint at a zone of which the city was written alone, or that is spelt nearly so."""
    word = folded(text)
    # A first choice at little cost: a file may hold thousands of wrong zones.
    near = {
        known: zone
        for known, zone in _zones_by_word().items()
        if known[0] == word[0] and abs(len(known) - len(word)) <= _MOST_LETTERS_WRONG
    }
    return nearest(text, near)


@lru_cache(maxsize=1)
def _zones_by_word() -> dict[str, str]:
    # Looks into some 600 files; only a mistake is worth that.
    zones = sorted(available_timezones())
    cities = {folded(zone.rpartition("/")[2]): zone for zone in zones}
    return cities | {folded(zone): zone for zone in zones}
