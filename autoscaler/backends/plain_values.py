"""Values as plain JSON and back, for a closed set of types.

Invariant: what is read makes values of these types and nothing else; no text can run anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from autoscaler.core.model import DomainId
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

_MANY: dict[str, type[list[Any] | tuple[Any, ...] | frozenset[Any]]] = {
    "list": list,
    "tuple": tuple,
    "set": frozenset,
}


def _types_of(modules: Iterable[ModuleType]) -> dict[str, type]:
    """The dataclasses, enumerations and errors that these modules define, by name."""
    return {
        found.__name__: found
        for module in modules
        for found in vars(module).values()
        if isinstance(found, type)
        and found.__module__ == module.__name__
        and (is_dataclass(found) or issubclass(found, Enum | AutoscalerError | DomainId))
    }


class PlainValues:
    """The values of the types that some modules define."""

    def __init__(self, place: str, modules: Iterable[ModuleType]) -> None:
        """Take the types of `modules`; `place` is what holds the values, for sentences."""
        self._place = place
        self._types = _types_of(modules)

    def to_plain(self, value: object) -> Any:  # noqa: ANN401 - whatever JSON has
        """A value as plain JSON values.

        Raises:
            TypeError: it is of no type of the set.
        """
        if isinstance(value, Enum):
            return {"enum": type(value).__name__, "is": value.value}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, AutoscalerError):
            return {"error": type(value).__name__, "is": str(value)}
        if isinstance(value, ZoneInfo):
            return {"zone": value.key}
        if type(value).__name__ in self._types:
            return {"type": type(value).__name__, "is": self._fields_of(value)}
        return self._many_to_plain(value)

    def from_plain(self, plain: Any) -> Any:  # noqa: ANN401 - as above
        """The value that was made plain.

        Raises:
            ValueError: it is none.
        """
        try:
            return self._value_of(plain)
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{self._place} holds a damaged value ({type(error).__name__}: {error})"
            ) from error

    def _fields_of(self, value: Any) -> dict[str, object]:  # noqa: ANN401 - whatever is in the set
        names = value._fields if isinstance(value, DomainId) else [field.name for field in fields(value)]
        return {name: self.to_plain(getattr(value, name)) for name in names}

    def _many_to_plain(self, value: object) -> dict[str, object]:
        if isinstance(value, Mapping):
            return {"map": [[self.to_plain(key), self.to_plain(held)] for key, held in value.items()]}
        for name, kind in _MANY.items():
            if isinstance(value, kind):
                return {
                    name: [self.to_plain(held) for held in (sorted(value) if kind is frozenset else value)]
                }
        raise TypeError(f"{self._place} holds no {type(value).__name__}")

    def _value_of(self, plain: Any) -> Any:  # noqa: ANN401 - as above
        if not isinstance(plain, dict):
            return plain
        (kind, content), *rest = plain.items()
        if rest:
            return self._of_type(self._types.get(content), plain["is"])
        if kind == "zone":
            return ZoneInfo(content)
        if kind == "map":
            return MappingProxyType({self._value_of(key): self._value_of(held) for key, held in content})
        return _MANY[kind](self._value_of(held) for held in content)

    def _of_type(self, found: type | None, content: Any) -> object:  # noqa: ANN401 - as above
        if found is None:
            raise ValueError("a type that this version does not know")
        if is_dataclass(found) or found is DomainId:
            return found(**{name: self._value_of(held) for name, held in content.items()})
        return found(content)
