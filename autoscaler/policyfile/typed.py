"""Reads a document as a pydantic model and says what is wrong in the file's own terms.

Shared by every YAML file that the service reads. Pydantic finds the faults and knows where they are in the
data; here they become sentences at a line and a column. What is right is handed back even where something
else is wrong, so that checks which span several keys run in the same pass and all faults come at once.

Invariant: every validation error becomes exactly one `Problem`, unless its value was complained of already.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from autoscaler.policyfile.guess import did_you_mean
from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.strict_yaml import Data, Document, KeyPath, Scalar
from autoscaler.policyfile.values import SAID, WRONG, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


class Section(BaseModel):
    """A group of keys as it is written; unknown ones are refused. Attribute docstrings describe the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """The keys as they are written: Python's own words among them are fields under an alias."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


class Choice(Section):
    """A group of keys of which exactly one is written."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        names = list(type(self).model_fields)
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise said(f"write exactly one of these keys here: {', '.join(names)}")
        return self


def any_of(*keys: str) -> ConfigDict:
    """Tells editors that one of these keys is needed at least; a check tells everybody else."""
    return ConfigDict(json_schema_extra={"anyOf": [{"required": [key]} for key in keys]})


SectionT = TypeVar("SectionT", bound=Section)

_KEY = "[key]"
"""What pydantic adds to the place of an error that is about a key of a mapping, not about its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[SectionT]):
    """What could be read of a part of a document."""

    value: SectionT | None
    """None: not even a remainder made sense. With problems: what was refused is at its default."""
    refused: frozenset[KeyPath]
    """The paths, from the document's root, whose written value is not in `value`."""
    problems: tuple[Problem, ...]

    def has(self, *paths: KeyPath) -> bool:
        """Whether `value` holds, at each of these paths and below, what was written or its true default."""
        return not any(
            path[: len(refused)] == refused[: len(path)] for path in paths for refused in self.refused
        )


def read_section(model: type[SectionT], document: Document, at: KeyPath = ()) -> Reading[SectionT]:
    """Read the part of a document at `at` as `model`; its data must have been composed."""
    data: Data | None = document.data
    for step in at:
        data = data[step]  # type: ignore[index]  # a path of this document leads somewhere
    refused = set(document.holes_below(at))
    problems: tuple[Problem, ...] | None = None
    value: SectionT | None = None
    while value is None and data is not None:
        try:
            value = model.model_validate(data)
        except ValidationError as error:
            details = error.errors(include_url=False)
            if problems is None:
                problems = tuple(_problems(model, document, at, details))
            bad = {_refused_key(detail) for detail in details}
            refused |= {at + path for path in bad}
            data = _without(data, bad)
    return Reading(value=value, refused=frozenset(refused), problems=problems or ())


def _problems(
    model: type[Section], document: Document, at: KeyPath, details: Sequence[ErrorDetails]
) -> Iterator[Problem]:
    for detail in details:
        location = _path(detail)
        path = at + location
        if document.is_hole(path):
            continue
        is_key = detail["type"] == "extra_forbidden" or _about_key(detail)
        yield document.problem(path, _sentence(model, location, detail), key=is_key)


def _path(detail: ErrorDetails) -> KeyPath:
    """Where an error lies, without the ``<...>`` that name the branches of a union."""
    steps = detail["loc"][:-1] if _about_key(detail) else detail["loc"]
    # An error about a key ends with it, and a key that nobody knows may look like a branch.
    branches = steps[:-1] if detail["type"] in ("missing", "extra_forbidden") else steps
    path = tuple(step for step in branches if not str(step).startswith("<"))
    return path + steps[len(branches) :]


def _about_key(detail: ErrorDetails) -> bool:
    """Whether an error is about what a mapping's key is called."""
    return detail["type"] == WRONG and detail["loc"][-1:] == (_KEY,)


def _sentence(model: type[Section], path: KeyPath, detail: ErrorDetails) -> str:
    name, value = _name(path), detail["input"]
    kind = detail["type"]
    if kind == "missing":
        return f"the key {name} is missing here"
    if kind == "extra_forbidden":
        hint = _under(model, path) or _known_instead(str(path[-1]), _known_keys(model, path[:-1]))
        return f"the key {name} is not known here{hint}"
    if kind == SAID:
        return str(detail["ctx"]["sentence"])
    if kind == WRONG:
        rule = detail["ctx"]["rule"]
        if _about_key(detail):
            return f"the key {name} cannot stand here; {rule}"
    elif kind == "tuple_type":
        rule = "write a list, such as [a, b]"
    elif kind == "dict_type":
        rule = "write keys and values, such as {tier: gold}"
    elif keys := _known_keys(model, path):
        rule = f"it takes keys: {', '.join(keys)}"
    else:
        rule = detail["msg"]
    if isinstance(value, Scalar) and value.plain and not value.text:
        return f"{name} has no value; {rule}"
    return f"{name} cannot be {_shown_value(value)}; {rule}"


def _name(path: KeyPath) -> str:
    """The last key of a path, with the list indices after it."""
    if not path:
        return "the file"
    keys = [index for index, step in enumerate(path) if isinstance(step, str)]
    start = keys[-1] if keys else 0
    return shown(str(path[start]) + "".join(f"[{step}]" for step in path[start + 1 :]))


def _shown_value(value: Any) -> str:  # noqa: ANN401 - pydantic hands back whatever it was given
    if isinstance(value, Scalar):
        return shown(value.text)
    if not value:
        return "empty"
    return "a list" if isinstance(value, list | tuple) else "a group of keys"


def _known_instead(key: str, known: Sequence[str]) -> str:
    before_colon = key.partition(":")[0]
    if before_colon != key and before_colon in known:
        return "; write a space after the colon"
    return did_you_mean(key, known) or f"; known here: {', '.join(known)}"


def _under(model: type[Section], path: KeyPath) -> str:
    """Where a key that is not known here is known, one level down; empty: nowhere."""
    key = path[-1]
    for name in _known_keys(model, path[:-1]):
        if key in _known_keys(model, (*path[:-1], name)):
            return f"; it belongs under {shown(name)}"
    return ""


def _known_keys(model: type[Section], path: KeyPath) -> list[str]:
    sections = [model]
    for step in path:
        if isinstance(step, str):
            fields = [keys[step] for keys in map(keys_of, sections) if step in keys]
            sections = [found for field in fields for found in _sections_in(field.annotation)]
    return list(dict.fromkeys(key for section in sections for key in keys_of(section)))


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def _refused_key(detail: ErrorDetails) -> KeyPath:
    """The path of the key to leave out for this error; whole lists go, so that no index shifts."""
    path = _path(detail)
    if detail["type"] == "missing":
        path = path[:-1]
    return tuple(takewhile(lambda step: isinstance(step, str), path))


def _without(data: Data, paths: AbstractSet[KeyPath], at: KeyPath = ()) -> Data | None:
    """The data without the keys at `paths`; None where that is all of it."""
    if at in paths:
        return None
    if not isinstance(data, dict):
        return data
    rest = {key: _without(part, paths, (*at, key)) for key, part in data.items()}
    return {key: part for key, part in rest.items() if part is not None}
