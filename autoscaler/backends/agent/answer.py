"""Takes apart what a guest agent returned, one checked step at a time.

Invariant: what comes out has the type and lies within the bounds that were asked for; anything else is
`AgentNonsense` that says where in the answer it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.model import MOST_VCPUS
from autoscaler.errors import AgentNonsense


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of an answer, and where it was found."""

    value: object
    place: str
    """For messages: ``guest-get-vcpus of domain web-1``, then ``[0].online`` and so on."""

    def field(self, name: str) -> Answer:
        """The member `name` of an object."""
        found = self.optional(name)
        if found is None:
            raise self._nonsense(f"an object without {name}")
        return found

    def optional(self, name: str) -> Answer | None:
        """The member `name` of an object, or None where it has none."""
        if not isinstance(self.value, dict):
            raise self._nonsense("no object")
        return Answer(self.value[name], f"{self.place}.{name}") if name in self.value else None

    def items(self, *, at_most: int) -> list[Answer]:
        """The elements of a list of `at_most` so many."""
        if not isinstance(self.value, list):
            raise self._nonsense("no list")
        if len(self.value) > at_most:
            raise self._nonsense(f"a list of {len(self.value)}, more than {at_most}")
        return [Answer(value, f"{self.place}[{number}]") for number, value in enumerate(self.value)]

    def count(self, *, below: int = 2**63) -> int:
        """An integer from 0 up to, not including, `below`."""
        # bool is an int to isinstance, and true is no count.
        if type(self.value) is not int or not 0 <= self.value < below:
            raise self._nonsense(f"no integer from 0 to {below - 1}")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self._nonsense("neither true nor false")
        return self.value

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self._nonsense("no string")
        return self.value

    def vcpu_id(self) -> int:
        """A logical vCPU id."""
        return self.count(below=MOST_VCPUS)

    def _nonsense(self, what: str) -> AgentNonsense:
        return AgentNonsense(f"the guest agent answered {self.place} with {what}: its answer is not believed")
