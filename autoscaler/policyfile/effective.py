"""Every setting of a file that was read: what holds, as one would write it, and where that comes from.

Invariant: nothing is handed out that `Shown` hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from autoscaler.policyfile.form import Form
from autoscaler.policyfile.typed import Section, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from autoscaler.policyfile.strict_yaml import Document, KeyPath


@dataclass(frozen=True, slots=True)
class Shown:
    """An annotation of a key whose text is shown otherwise than written: a secret, a path from a folder."""

    how: Callable[[str, Path], str]
    """From the text, and the folder of the file that it is written in."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key and what holds for it."""

    key: str
    """As ``journal.keep`` or ``connections[0].libvirt``."""
    value: object
    """Plain JSON, in the units in which it is written; None: there is nothing by default."""
    place: str
    """File, line and column; empty: it is the default."""


def settings_of(section: Section, document: Document, home: Path) -> Iterator[Setting]:
    """The settings of a document that was read as `section` without an error, in the order of the manual."""
    return _section(section, document, home, ())


def _section(section: Section, document: Document, home: Path, at: KeyPath) -> Iterator[Setting]:
    for key, field in keys_of(type(section)).items():
        value = getattr(section, _attribute(type(section), key))
        path = (*at, key)
        if isinstance(value, Section):
            yield from _section(value, document, home, path)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            for index, part in enumerate(value):
                yield from _section(part, document, home, (*path, index))
        else:
            is_written = path in document.values
            marks = _marks(field.annotation, field.metadata)
            place = document.problem(path, "").place if is_written else ""
            yield Setting(_name(path), _plain(value, marks, home), place)


def _attribute(section: type[Section], key: str) -> str:
    return next(name for name, field in section.model_fields.items() if key in {name, field.alias})


def _name(path: KeyPath) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _marks(annotation: Any, metadata: Iterable[object]) -> list[Form | Shown]:  # noqa: ANN401 - a type
    """What is said of how a value is written and shown, however deep in its type."""
    found = [mark for mark in metadata if isinstance(mark, Form | Shown)]
    if get_origin(annotation) is Annotated:
        return [*_marks(annotation.__origin__, annotation.__metadata__), *found]
    if get_origin(annotation) in (Union, UnionType, tuple):
        arguments = (part for part in get_args(annotation) if part not in (NoneType, Ellipsis))
        found += [mark for part in arguments for mark in _marks(part, ())]
    return found


def _plain(value: object, marks: list[Form | Shown], home: Path) -> object:
    if value is None:
        return None
    if isinstance(value, tuple):
        return [_plain(part, marks, home) for part in value]
    if isinstance(value, Mapping):
        return {str(key): str(part) for key, part in value.items()}
    for mark in marks:
        value = mark.how(str(value), home) if isinstance(mark, Shown) else mark.write(value)
    return value if isinstance(value, int | float) else str(value)
