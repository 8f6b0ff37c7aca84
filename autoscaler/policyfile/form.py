"""One kind of value: how it is read from a file, and how an editor is told what to write.

Invariant: what `schema` refuses of a scalar, `read` refuses too, or it is text that YAML takes for a number
or a truth value; the schema cannot state every rule, so `read` refuses more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler


def _as_it_is(value: Any) -> object:  # noqa: ANN401 - whatever the field holds
    return value


class Form:
    """An annotation of a model's field: `read` makes its value from what is written."""

    def __init__(
        self,
        read: Callable[[object], object],
        schema: Mapping[str, Any],
        *,
        allowed: str = "",
        write: Callable[[Any], object] = _as_it_is,
    ) -> None:
        """Describe a kind of value.

        Args:
            read: from a `Scalar` to the value, or a refusal (`values.wrong`, `values.said`).
            schema: JSON Schema of the written form.
            allowed: the part of the rule that a JSON Schema cannot state, in words; or nothing.
            write: from a value that `read` gives back to what is written for it.
        """
        self.read = read
        self.schema = schema
        self.allowed = allowed
        self.write = write

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> Any:  # noqa: ANN401 - pydantic's own
        """Read first, then check the type: how pydantic uses this."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))
