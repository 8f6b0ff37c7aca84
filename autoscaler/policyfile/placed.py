"""A policy as it was written, and where: what checks look at and complain of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.typed import SectionT, read_section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.policyfile.problem import Problem
    from autoscaler.policyfile.schema import PolicyKeys
    from autoscaler.policyfile.strict_yaml import Document, KeyPath
    from autoscaler.policyfile.typed import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPolicy:
    """One policy, its file and its place there."""

    keys: PolicyKeys
    document: Document
    path: KeyPath
    reading: Reading[PolicyKeys]

    @property
    def source(self) -> str:
        """``file:line`` at which the policy starts, fit for a terminal."""
        return f"{printable(self.document.file)}:{self.line()}"

    def line(self, *keys: str | int) -> int:
        """Line of the file in which the value at `keys` starts."""
        return self.document.values[*self.path, *keys][0]

    def read(self, *keys: str | int) -> bool:
        """Whether the value at `keys` stands for what was written."""
        return self.reading.has((*self.path, *keys))

    def each(self, key: str, model: type[SectionT]) -> Iterator[tuple[int, SectionT]]:
        """Those parts of a list that were read whole, each with its index; others may be wrong."""
        if self.read(key):
            yield from enumerate(getattr(self.keys, key))
            return
        path = (*self.path, key)
        for index in range(self.document.length(path)):
            reading = read_section(model, self.document, (*path, index))
            if reading.value is not None and not reading.refused:
                yield index, reading.value

    def problem(self, message: str, *keys: str | int) -> Problem:
        """A problem at `keys` of this policy."""
        return self.document.problem((*self.path, *keys), message)
