"""Turns YAML text into plain data that still knows where each part was written, and refuses what surprises.

Scalars stay text: what `22:30`, `on` or `017` means is for the key that wants it, never for YAML 1.1. The
data is built from parser events, not from nodes: libyaml's nodes are built by recursion, so that 100,000
opening brackets end the process, and a node no longer tells that it had an anchor.

Invariant: no alias is ever followed, no tag obeyed, and no file holds more than `MAX_DEPTH` levels or
`MAX_VALUES` values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

import yaml

from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.syntax import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.policyfile.text_file import TextFile

MAX_DEPTH = 16
"""The deepest key there is lies at 6; text made to exhaust the stack nests by the thousand."""

MAX_VALUES = 100_000
"""Some 4,000 policies with every key written. What a file can cost grows with this, not with its bytes."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: some ten times as fast, and the same events."""


class _ParserMark(Protocol):
    """What both parsers' marks have: numbers counted from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Mark(NamedTuple):
    """A place in a file, both numbers counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One written value, not yet read as anything."""

    text: str
    plain: bool
    """Written without quotes."""


Data = Scalar | list["Data"] | dict[str, "Data"]
KeyPath = tuple[str | int, ...]
"""The keys and list indices that lead to a part of the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file's data and where it was written."""

    file: str
    data: Data | None
    """None: the file could not be read to its end, and `problems` says why."""
    keys: Mapping[KeyPath, Mark]
    """Where each key stands."""
    values: Mapping[KeyPath, Mark]
    """Where each value starts."""
    holes: frozenset[KeyPath]
    """Values that were refused here already: what stands in their place deserves no second complaint."""
    problems: tuple[Problem, ...]

    def problem(self, path: KeyPath, message: str, *, key: bool = False) -> Problem:
        """A problem at the value of `path`, or at its key; where it is not written, at what is around it."""
        marks = self.keys if key else self.values
        while path not in marks and path:
            path, marks = path[:-1], self.values
        line, column = marks.get(path, Mark(1, 1))
        return Problem(self.file, line, column, message)


def read_document(file: TextFile) -> Document:
    """Read one file's text; whatever is wrong with it is in the document's problems."""
    composer = _Composer(file)
    data = None if file.text is None else composer.document(file.text)
    return Document(
        file=file.name,
        data=data,
        keys=composer.keys,
        values=composer.values,
        holes=frozenset(composer.holes),
        problems=tuple(composer.problems),
    )


class _Abandoned(Exception):
    """The rest of the file cannot be read; the reason was noted."""


class _Composer:
    """Walks the events of one file once and notes where everything stands."""

    def __init__(self, file: TextFile) -> None:
        self._file = file.name
        self._events: Iterator[yaml.Event] = iter(())
        self.keys: dict[KeyPath, Mark] = {}
        self.values: dict[KeyPath, Mark] = {}
        self.holes: set[KeyPath] = set()
        self.problems: list[Problem] = list(file.problems)

    def document(self, text: str) -> Data | None:
        self._events = yaml.parse(text, Loader=LOADER)
        try:
            next(self._events)
            if isinstance(next(self._events), yaml.StreamEndEvent):
                self._abandon(Mark(1, 1), "the file is empty")
            data = self._node(next(self._events), ())
            next(self._events)
            if not isinstance(event := next(self._events), yaml.StreamEndEvent):
                self._abandon(_start(event), "a second YAML document starts here; a file holds one")
        except yaml.YAMLError as error:
            line, column, message = explain(error, text)
            self._note(Mark(line, column), message)
        except _Abandoned:
            pass
        else:
            if data != Scalar("", plain=True):
                return data
            self._note(Mark(1, 1), "the file is empty")
        return None

    def _node(self, event: yaml.Event, path: KeyPath) -> Data:
        start = self.values[path] = _start(event)
        if len(path) > MAX_DEPTH:
            self._abandon(start, f"this is nested more than {MAX_DEPTH} levels deep")
        if len(self.values) > MAX_VALUES:
            self._abandon(start, f"the file has over {MAX_VALUES} values; split it into several")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        self._refuse_properties(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: KeyPath) -> Data:
        data: dict[str, Data] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            if key in data:
                first = self.keys[*path, key].line
                self._note(_start(event), f"the key {shown(key)} is given twice, first in line {first}")
                self._skip(next(self._events))
                continue
            self.keys[*path, key] = _start(event)
            data[key] = self._node(next(self._events), (*path, key))
        return data

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._abandon(_start(event), "a key is a single word; this one is not")
        self._refuse_properties(event)
        if not event.value:
            self._abandon(_start(event), "a key is missing before the colon")
        return str(event.value)

    def _sequence(self, path: KeyPath) -> Data:
        data: list[Data] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            data.append(self._node(event, (*path, len(data))))
        return data

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath) -> Scalar:
        # libyaml tells "plain" by an empty style, PyYAML by None.
        scalar = Scalar(event.value, plain=not event.style)
        if scalar.plain and scalar.text and _place(event.end_mark).line > _place(event.start_mark).line:
            self.holes.add(path)
            message = f"{shown(scalar.text)} runs over several lines; check the indentation of the next line"
            self._note(_start(event), message)
        return scalar

    def _alias(self, event: yaml.AliasEvent, path: KeyPath) -> Scalar:
        self.holes.add(path)
        name = f"*{event.anchor}"
        message = (
            f"{shown(name)} is a YAML alias, which is not allowed; write the value out, or quote a pattern"
        )
        self._note(_start(event), message)
        return Scalar(name, plain=True)

    def _refuse_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        # Aliases hide a value from whoever reads the file, and make a few bytes as large as one likes.
        if event.anchor is not None:
            name = shown(f"&{event.anchor}")
            self._note(_start(event), f"{name} is a YAML anchor, which is not allowed; write each value out")
        if event.tag is not None:
            message = (
                f"{shown(event.tag)} is a YAML tag, which is not allowed; the key decides how a value is read"
            )
            self._note(_start(event), message)

    def _skip(self, event: yaml.Event) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = next(self._events)

    def _note(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(self._file, *mark, message))

    def _abandon(self, mark: Mark, message: str) -> NoReturn:
        self._note(mark, message)
        raise _Abandoned


def _start(event: yaml.Event) -> Mark:
    return _place(event.start_mark)


def _place(mark: _ParserMark | None) -> Mark:
    assert mark is not None
    return Mark(mark.line + 1, mark.column + 1)
