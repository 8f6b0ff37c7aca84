"""What JSON Schemas of answers are put together from: each value with what it is in words."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def said(what: str, kind: str, **more: object) -> Schema:
    """A value of this type, and what it is."""
    return {"type": kind, "description": what, **more}


def text(what: str, **more: object) -> Schema:
    """Some text."""
    return said(what, "string", **more)


def whole(what: str) -> Schema:
    """A whole number."""
    return said(what, "integer")


def figure(what: str) -> Schema:
    """A number."""
    return said(what, "number")


def flag(what: str) -> Schema:
    """Yes or no."""
    return said(what, "boolean")


def one_of(values: Any, what: str) -> Schema:  # noqa: ANN401 - any closed set
    """One text of a closed set."""
    return text(what, enum=[str(value) for value in values])


def many(items: Schema, what: str) -> Schema:
    """Any number of the same."""
    return {"type": "array", "description": what, "items": items}


def mapping(values: Schema, what: str) -> Schema:
    """An object with keys that are not known beforehand."""
    return {"type": "object", "description": what, "additionalProperties": values}


def maybe(schema: Schema, otherwise: str) -> Schema:
    """A value that may be null, and what that means."""
    what = f"{schema.get('description', '')}; null: {otherwise}"
    return {"anyOf": [schema, {"type": "null"}], "description": what}


def record(what: str, /, **keys: Schema) -> Schema:
    """An object with these keys."""
    required = [key for key, schema in keys.items() if not schema.get("x-optional")]
    return {"type": "object", "description": what, "properties": keys, "required": required}


def optional(schema: Schema) -> Schema:
    """A value whose key may not be there."""
    return schema | {"x-optional": True}
