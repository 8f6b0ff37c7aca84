"""Describes the policy language to editors, as a JSON Schema made from the models that read it.

Made here and not by pydantic, which knows what a value is once it was read and not how it is written, and
whose output changes from version to version: the schema is shipped as a file.
"""

from __future__ import annotations

from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from autoscaler.policyfile.form import Form
from autoscaler.policyfile.schema import PolicyFileKeys
from autoscaler.policyfile.typed import Section, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> Schema:
    """The JSON Schema of a policy file."""
    return {"$schema": _DIALECT, "title": "A policy file of vcpu-autoscaler"} | section_schema(PolicyFileKeys)


def section_schema(section: type[Section]) -> Schema:
    """The JSON Schema of a group of keys."""
    keys = keys_of(section)
    schema: Schema = {
        "description": section.__doc__,
        "type": "object",
        "properties": {key: _key(field) for key, field in keys.items()},
        "required": [key for key, field in keys.items() if field.is_required()],
        "additionalProperties": False,
    }
    extra = section.model_config.get("json_schema_extra") or {}
    assert isinstance(extra, dict)
    return schema | extra


def _key(field: FieldInfo) -> Schema:
    """One key: what it is for, what it takes, and what holds where it is not written."""
    written, forms = _unwrapped(field.annotation, field.metadata)
    allowed = "".join(f" Takes {form.allowed}." for form in forms if form.allowed)
    described: Schema = {"description": f"{field.description}{allowed}"}
    schema = described | _value(written, forms) | described
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is not None and not isinstance(default, Section):
        schema["default"] = _written(default, forms)
    return schema


def _value(written: object, forms: Sequence[Form]) -> Schema:
    """A value by its type, and what its forms add to that."""
    schema: Schema = {}
    arguments = get_args(written)
    if isinstance(written, type) and issubclass(written, Section):
        schema = section_schema(written)
    elif get_origin(written) is tuple:
        schema = {"type": "array", "items": _value(*_unwrapped(arguments[0]))}
    elif get_origin(written) is dict:
        key, value = (_value(*_unwrapped(argument)) for argument in arguments)
        schema = {"type": "object", "propertyNames": key, "additionalProperties": value}
    elif get_origin(written) in (Union, UnionType):
        schema = {"oneOf": [_value(*_unwrapped(argument)) for argument in arguments]}
    for form in forms:
        schema |= form.schema
    return schema


def _unwrapped(annotation: Any, metadata: Sequence[object] = ()) -> tuple[object, list[Form]]:  # noqa: ANN401 - a type
    """A type without its annotations and without None, which is never written; and the forms among them."""
    forms = [form for form in metadata if isinstance(form, Form)]
    if get_origin(annotation) is Annotated:
        inner, inner_forms = _unwrapped(annotation.__origin__, annotation.__metadata__)
        return inner, [*inner_forms, *forms]
    others = [argument for argument in get_args(annotation) if argument is not NoneType]
    if get_origin(annotation) in (Union, UnionType) and len(others) == 1:
        inner, inner_forms = _unwrapped(others[0])
        return inner, [*inner_forms, *forms]
    return annotation, forms


def _written(default: object, forms: Sequence[Form]) -> object:
    """A default as one would write it."""
    if isinstance(default, tuple):
        return [str(entry) for entry in default]
    if isinstance(default, StrEnum):
        return str(default)
    for form in forms:
        default = form.write(default)
    return default
