"""The words that the schemas of answers are made of; each takes a description for whoever reads them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def said(what: str, kind: str, **more: object) -> Schema:
    """A value of a kind of JSON's."""
    return {"type": kind, "description": what, **more}


def text(what: str, **more: object) -> Schema:
    """A text."""
    return said(what, "string", **more)


def whole(what: str) -> Schema:
    """A whole number."""
    return said(what, "integer")


def figure(what: str) -> Schema:
    """A number."""
    return said(what, "number")


def flag(what: str) -> Schema:
    """True or false."""
    return said(what, "boolean")


def one_of(values: Any, what: str) -> Schema:  # noqa: ANN401 - any closed set
    """A text out of a closed set."""
    return text(what, enum=[str(value) for value in values])


def list_of(items: Schema, what: str) -> Schema:
    """A list of such values."""
    return {"type": "array", "description": what, "items": items}


def map_of(values: Schema, what: str) -> Schema:
    """Such values under keys of any name."""
    return {"type": "object", "description": what, "additionalProperties": values}


def maybe(schema: Schema, otherwise: str) -> Schema:
    """A value that may be null, and what that means."""
    what = f"{schema.get('description', '')}; null: {otherwise}"
    return {"anyOf": [schema, {"type": "null"}], "description": what}


def object_of(what: str, /, **keys: Schema) -> Schema:
    """An object that has these keys."""
    required = [key for key, schema in keys.items() if not schema.get("x-optional")]
    return {"type": "object", "description": what, "properties": keys, "required": required}


def optional(schema: Schema) -> Schema:
    """A value whose key may not be there."""
    return schema | {"x-optional": True}
