"""Turns YAML text into plain data that still knows where each part was written, and refuses what surprises.

Scalars stay text: what `22:30`, `on` or `017` means is for the key that wants it, never for YAML 1.1. The
data is built from parser events, not from nodes: libyaml's nodes are built by recursion, so that 100,000
opening brackets end the process, and a node no longer tells that it had an anchor.

Invariant: no alias is ever followed, no tag obeyed, and no file holds more than `MAX_DEPTH` levels or
`MAX_VALUES` values.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import yaml

from autoscaler.policyfile.problem import Problem, shown
from autoscaler.policyfile.syntax import MAX_DEPTH, TOO_DEEP, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.policyfile.text_file import TextFile

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


Mark = tuple[int, int]
"""A place in a file: line and column, both counted from 1. A bare tuple: a file has as many as values."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One written value, not yet read as anything."""

    text: str
    plain: bool
    """Written without quotes."""


NOTHING = Scalar("", plain=True)
"""What stands behind a key without a value."""

_TOP: Mark = (1, 1)

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
    holes: tuple[KeyPath, ...]
    """Values that were refused here already, sorted: what stands for them deserves no second complaint."""
    problems: tuple[Problem, ...]

    def is_hole(self, path: KeyPath) -> bool:
        """Whether the value at `path`, or one around it, was refused here already."""
        around = (path[:length] for length in range(len(path) + 1))
        return any(part in self.holes_below(part)[:1] for part in around)

    def holes_below(self, path: KeyPath) -> Sequence[KeyPath]:
        """The holes at `path` and within it."""
        start = bisect_left(self.holes, path)
        end = bisect_right(self.holes, path, lo=start, key=lambda hole: hole[: len(path)])
        return self.holes[start:end]

    def length(self, path: KeyPath) -> int:
        """How many entries the list at `path` has; 0 where there is none."""
        data = self.data
        for step in path:
            if isinstance(data, dict) and isinstance(step, str):
                data = data.get(step)
            elif isinstance(data, list) and isinstance(step, int):
                data = data[step]
            else:
                return 0
        return len(data) if isinstance(data, list) else 0

    def problem(self, path: KeyPath, message: str, *, key: bool = False) -> Problem:
        """A problem at the value of `path`, or at its key; where it is not written, at what is around it."""
        marks = self.keys if key else self.values
        while path not in marks and path:
            path, marks = path[:-1], self.values
        return Problem(self.file, *marks.get(path, _TOP), message)


def read_document(file: TextFile, *, empty: Data | None = None) -> Document:
    """Read one file's text; whatever is wrong with it is in the document's problems.

    Args:
        file: what was read.
        empty: what a file means in which nothing is written; None: it has to have something.
    """
    composer = _Composer(file, empty)
    data = None if file.text is None else composer.document(file.text)
    return Document(
        file=file.name,
        data=data,
        keys=composer.keys,
        values=composer.values,
        holes=tuple(sorted(composer.holes)),
        problems=tuple(composer.problems),
    )


class _Abandoned(Exception):
    """The rest of the file cannot be read; the reason was noted."""


class _Composer:
    """Walks the events of one file once and notes where everything stands."""

    def __init__(self, file: TextFile, empty: Data | None) -> None:
        self._file = file.name
        self._empty = empty
        self._next: Callable[[], yaml.Event]
        self.keys: dict[KeyPath, Mark] = {}
        self.values: dict[KeyPath, Mark] = {}
        self.holes: set[KeyPath] = set()
        self.problems: list[Problem] = list(file.problems)

    def document(self, text: str) -> Data | None:
        try:
            self._next = LOADER(text).get_event
            self._next()
            if isinstance(self._next(), yaml.StreamEndEvent):
                return self._nothing()
            data = self._node(self._next(), ())
            self._next()
            if not isinstance(event := self._next(), yaml.StreamEndEvent):
                self._abandon(
                    _place(event.start_mark), "a second YAML document starts here; a file holds one"
                )
        except yaml.YAMLError as error:
            line, column, message = explain(error, text)
            self._note((line, column), message)
        except _Abandoned:
            pass
        else:
            return self._nothing() if data == NOTHING else data
        return None

    def _nothing(self) -> Data | None:
        if self._empty is None:
            self._note(_TOP, "the file is empty")
        return self._empty

    def _node(self, event: yaml.Event, path: KeyPath) -> Data:
        start = self.values[path] = _place(event.start_mark)
        if len(path) > MAX_DEPTH:
            self._abandon(start, TOO_DEEP)
        if len(self.values) > MAX_VALUES:
            self._abandon(start, f"the file has over {MAX_VALUES} values; split it into several")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path, start)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: KeyPath) -> Data:
        data: dict[str, Data] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            inner = (*path, key)
            if key in data:
                message = f"the key {shown(key)} is given twice, first in line {self.keys[inner][0]}"
                self._note(_place(event.start_mark), message)
                self._skip(self._next())
                continue
            self.keys[inner] = _place(event.start_mark)
            data[key] = self._node(self._next(), inner)
        return data

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._abandon(_place(event.start_mark), "a key is a single word; this one is not")
        if event.anchor is not None or event.tag is not None:
            self._refuse_properties(event)
        if not event.value:
            self._abandon(_place(event.start_mark), "a key is missing before the colon")
        return str(event.value)

    def _sequence(self, path: KeyPath) -> Data:
        data: list[Data] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            data.append(self._node(event, (*path, len(data))))
        return data

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath, start: Mark) -> Scalar:
        # libyaml tells "plain" by an empty style, PyYAML by None.
        scalar = Scalar(event.value, plain=not event.style)
        if scalar.plain and scalar.text and _place(event.end_mark)[0] > start[0]:
            self.holes.add(path)
            message = f"{shown(scalar.text)} runs over several lines; check the indentation of the next line"
            self._note(start, message)
        return scalar

    def _alias(self, event: yaml.AliasEvent, path: KeyPath) -> Scalar:
        self.holes.add(path)
        name = f"*{event.anchor}"
        message = (
            f"{shown(name)} is a YAML alias, which is not allowed; write the value out, or quote a pattern"
        )
        self._note(_place(event.start_mark), message)
        return Scalar(name, plain=True)

    def _refuse_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        # Aliases hide a value from whoever reads the file, and make a few bytes as large as one likes.
        start = _place(event.start_mark)
        if event.anchor is not None:
            name = shown(f"&{event.anchor}")
            self._note(start, f"{name} is a YAML anchor, which is not allowed; write each value out")
        if event.tag is not None:
            message = (
                f"{shown(event.tag)} is a YAML tag, which is not allowed; the key decides how a value is read"
            )
            self._note(start, message)

    def _skip(self, event: yaml.Event) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = self._next()

    def _note(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(self._file, *mark, message))

    def _abandon(self, mark: Mark, message: str) -> NoReturn:
        self._note(mark, message)
        raise _Abandoned


def _place(mark: _ParserMark | None) -> Mark:
    assert mark is not None
    return (mark.line + 1, mark.column + 1)
