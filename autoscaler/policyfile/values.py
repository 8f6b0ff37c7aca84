"""How each kind of value is written: the annotations from which the models of all our YAML files are built.

A value is read only here, from its text, by the key that wants it. Units are obligatory, so that nobody has
to know whether a bare `5` meant seconds or minutes, and are converted here, once.

Invariant: a refusal carries the rule that was broken, as the second half of a sentence.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic_core import PydanticCustomError

from autoscaler.core.model import MOST_VCPUS
from autoscaler.policyfile.form import Form
from autoscaler.policyfile.guess import did_you_mean
from autoscaler.policyfile.strict_yaml import Scalar

WRONG = "wrong"
"""Type of the error that a refused value raises; its context holds the `rule`."""
SAID = "said"
"""Type of the error whose context holds a whole `sentence`, from a reader that writes its own."""

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
MOST_TEXT = 1024
"""Characters of a text, such as a pattern of names."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,8})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?")
_PERCENT = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?%")
_DURATION = re.compile(r"((?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")
_UNIT_S = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_SHARES = ("5%", "25%", "80%", "99.5%")
_DURATIONS = ("500ms", "30s", "5m", "1h", "30d")


def said(sentence: str) -> PydanticCustomError:
    """The error of a value about which a whole sentence is known already."""
    return PydanticCustomError(SAID, "{sentence}", {"sentence": sentence})


def wrong(rule: str) -> PydanticCustomError:
    """The error of a value that breaks `rule`."""
    return PydanticCustomError(WRONG, "{rule}", {"rule": rule})


def written(value: object, rule: str) -> Scalar:
    """The value as one scalar with something in it; `rule` says what to write instead of a list or keys."""
    if not isinstance(value, Scalar) or (value.plain and value.text in _NOTHING):
        raise wrong(rule)
    return value


def _examples(examples: Sequence[str]) -> dict[str, Any]:
    return {"examples": list(examples)} if examples else {}


def read_text(value: object) -> str:
    """Any printable text, quoted or not, that is not empty."""
    text = written(value, "write some text, in quotes if it is meant as it stands").text
    if not text:
        raise wrong("it must not be empty")
    if not text.isprintable():
        raise wrong("it must be one line of printable text")
    if len(text) > MOST_TEXT:
        raise wrong(f"it must not be longer than {MOST_TEXT} characters")
    return text


def read_uuid(value: object) -> str:
    """A domain's UUID, with or without hyphens; lower-case with hyphens as the result."""
    rule = "write the UUID that `virsh -c URI domuuid DOMAIN` prints"
    text = written(value, rule).text
    if not _UUID.fullmatch(text):
        raise wrong(rule)
    return str(UUID(text))


def read_some(value: object) -> object:
    """Whatever is written, but not a list without entries."""
    if value == []:
        raise wrong("it needs at least one entry")
    return value


NotEmpty = Form(read_some, {"minItems": 1})
Text = Annotated[str, Form(read_text, {"type": "string", "minLength": 1, "maxLength": MOST_TEXT})]
Uuid = Annotated[
    str,
    Form(
        read_uuid,
        {
            "type": "string",
            "pattern": f"^{_UUID.pattern}$",
            "examples": ["4dea22b3-1d52-d8f3-2516-782e98ab3fa0"],
        },
    ),
]


def no_longer_than(count: int) -> Form:
    """A list of no more than `count` entries, so that what a file costs is bounded."""

    def read(value: object) -> object:
        if isinstance(value, list) and len(value) > count:
            raise said(f"a list of {len(value)} entries is too long here; write at most {count}")
        return value

    return Form(read, {"maxItems": count})


def matching(pattern: str, rule: str, *examples: str) -> Form:
    """Text that the whole of `pattern` fits; `rule` says so in words."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        text = read_text(value)
        if not compiled.fullmatch(text):
            raise wrong(rule)
        return text

    return Form(read, {"type": "string", "pattern": f"^({pattern})$"} | _examples(examples))


Name = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}",
        "write up to 63 letters, digits, '.', '_' and '-', a letter or digit first",
        "web-1",
    ),
]
"""What people call a thing, fit for a metric label, a file name and the command line."""


def integer(at_least: int, at_most: int, *, zero: str = "", instead: str = "") -> Form:
    """A whole number in plain decimal digits, without quotes.

    `zero` adds what one who wrote 0 may want; `instead` is what else may be written, and is read elsewhere.
    """
    allowed = f"a whole number from {at_least} to {at_most}" if at_least < at_most else f"{at_least}"
    rule = f"write {allowed} or {instead}" if instead else f"write {allowed}"

    def read(value: object) -> int:
        scalar = written(value, rule)
        if not _INTEGER.fullmatch(scalar.text):
            raise wrong(f"{rule} in plain digits" if scalar.text[:1].isdigit() else rule)
        if not scalar.plain:
            raise wrong(f"{rule} without quotes")
        if zero and scalar.text == "0":
            raise wrong(f"{rule}; {zero}")
        if not at_least <= int(scalar.text) <= at_most:
            raise wrong(rule)
        return int(scalar.text)

    if at_least == at_most:
        return Form(read, {"const": at_least})
    return Form(read, {"type": "integer", "minimum": at_least, "maximum": at_most})


VcpuCount = Annotated[int, integer(1, MOST_VCPUS)]


def number(at_least: str, at_most: str) -> Form:
    """A number that may have a fraction, in plain decimal digits, without quotes; bounds as written."""
    low, high = Decimal(at_least), Decimal(at_most)
    rule = f"write a number from {at_least} to {at_most}"

    def read(value: object) -> float:
        scalar = written(value, rule)
        if not _NUMBER.fullmatch(scalar.text):
            raise wrong(f"{rule} in plain digits" if scalar.text[:1].isdigit() else rule)
        if not scalar.plain:
            raise wrong(f"{rule} without quotes")
        if not low <= Decimal(scalar.text) <= high:
            raise wrong(rule)
        return float(scalar.text)

    return Form(read, {"type": "number", "minimum": float(low), "maximum": float(high)})


def ratio(at_least: str, at_most: str, *, below: str = "", above: str = "") -> Form:
    """A share in percent, bounds as they are written; 0.8 for ``80%``.

    `below` and `above` add why a share out of these bounds makes no sense.
    """
    low, high = _percent(at_least), _percent(at_most)
    allowed = f"a share from {at_least} to {at_most}"
    rule = f"write {allowed}"

    def read(value: object) -> float:
        text = written(value, rule).text
        if _NUMBER.fullmatch(text):
            number = Decimal(text)
            guess = number * 100 if number.copy_abs() <= 1 else number
            raise wrong(f"{rule} with its percent sign, such as {_plain(min(max(guess, low), high))}%")
        if not _PERCENT.fullmatch(text):
            raise wrong(rule)
        if not low <= _percent(text) <= high:
            why = below if _percent(text) < low else above
            raise wrong(f"{rule}: {why}" if why else rule)
        return float(_percent(text) / 100)

    shares = [share for share in _SHARES if low <= _percent(share) <= high]
    form = {"type": "string", "pattern": f"^{_PERCENT.pattern}$"} | _examples(shares)
    return Form(read, form, allowed=allowed, write=write_ratio)


def integer_or_ratio(at_least: int, at_most: int, smallest: str, largest: str, *, zero: str) -> Form:
    """A whole number, or a share in percent: an int or a float, which is how the two are told apart."""
    shares = ratio(smallest, largest, below=zero)
    counts = integer(at_least, at_most, zero=zero, instead=shares.allowed)

    def read(value: object) -> object:
        is_share = isinstance(value, Scalar) and value.text.endswith("%")
        return (shares if is_share else counts).read(value)

    def write(given: float) -> object:
        return given if isinstance(given, int) else write_ratio(given)

    allowed = f"a whole number from {at_least} to {at_most} or {shares.allowed}"
    return Form(read, {"oneOf": [counts.schema, shares.schema]}, allowed=allowed, write=write)


def duration(at_least: str, at_most: str) -> Form:
    """A time with its unit, bounds as they are written; seconds as the result."""
    low, high = _seconds(at_least), _seconds(at_most)
    allowed = f"a duration from {at_least} to {at_most}"
    rule = f"write {allowed}"

    def likely(number: str) -> str:
        """What a number without a unit was perhaps to be."""
        guesses = [number.removeprefix("-") + unit for unit in (at_least.lstrip("0123456789"), *_UNIT_S)]
        return next((guess for guess in guesses if low <= _seconds(guess) <= high), at_least)

    def read(value: object) -> float:
        text = written(value, rule).text
        if _NUMBER.fullmatch(text):
            raise wrong(f"{rule} with its unit (ms, s, m, h or d), such as {likely(text)}")
        if not _DURATION.fullmatch(text):
            raise wrong(f"{rule}, one number and its unit (ms, s, m, h or d)")
        if not low <= _seconds(text) <= high:
            raise wrong(rule)
        return float(_seconds(text))

    durations = [text for text in _DURATIONS if low <= _seconds(text) <= high]
    form = {"type": "string", "pattern": f"^{_DURATION.pattern}$"} | _examples(durations)
    return Form(read, form, allowed=allowed, write=write_duration)


def duration_s(text: str) -> float | None:
    """Seconds of a duration as it is written in policies, such as ``90s`` or ``1.5h``; None: it is none."""
    return float(_seconds(text)) if _DURATION.fullmatch(text) else None


def one_of(words: type[StrEnum]) -> Form:
    """One word of an enumeration; its member as the result."""
    members = {str(word): word for word in words}
    choice = len(members) > 1
    rule = f"write {'one of ' if choice else ''}{', '.join(members)}"

    def read(value: object) -> StrEnum:
        text = written(value, rule).text
        if text not in members:
            raise wrong(rule + did_you_mean(text, members) if choice else rule)
        return members[text]

    return Form(read, {"enum": list(members)}, write=str)


def _percent(text: str) -> Decimal:
    return Decimal(text.removesuffix("%"))


def _seconds(text: str) -> Decimal:
    match = _DURATION.fullmatch(text)
    assert match, text
    return Decimal(match[1]) * _UNIT_S[match[2]]


def write_ratio(share: float) -> str:
    """A share as it is written in policies, such as ``99.5%``."""
    return f"{_plain(round(Decimal(share) * 100, 9))}%"


def write_duration(seconds: float) -> str:
    """Seconds as they are written in policies, in the largest unit that needs no fraction."""
    exact = round(Decimal(seconds), 3)
    unit, length = next((name, size) for name, size in reversed(_UNIT_S.items()) if exact % size == 0)
    return f"{_plain(exact / length)}{unit}" if exact else "0s"


def _plain(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"
