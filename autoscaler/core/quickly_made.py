"""For values of which every step of every domain makes some: frozen dataclasses that are quick to make.

What a frozen dataclass costs is its making, field by field past its own guard: three times as much as without
one.
Invariant: nobody assigns to a field of these all the same; the type checker, for which they are as frozen as
any, sees to that.
"""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import TypeVar

T = TypeVar("T")


def quickly_made(kind: type[T]) -> type[T]:
    """Take the guard off a frozen dataclass, at run time alone; all else about it stays."""
    unguarded = make_dataclass(
        kind.__name__,
        [
            (
                one.name,
                one.type,
                field(default=one.default, default_factory=one.default_factory, kw_only=one.kw_only),
            )
            for one in fields(kind)  # type: ignore[arg-type]
        ],
    )
    for guarded in ("__setattr__", "__delattr__"):
        delattr(kind, guarded)
    setattr(kind, "__init__", vars(unguarded)["__init__"])  # noqa: B010 - no assignment that a checker follows
    return kind
