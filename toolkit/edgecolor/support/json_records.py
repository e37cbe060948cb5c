"""Frozen dataclasses as JSON: conversion in both directions, and the JSON Schema of what is written.

All three follow the annotations of the dataclass. Therefore they cannot disagree:

- `str`, `int`, `float`, `bool`, `X | None`, `tuple[X, ...]`, `dict[str, X]` and dataclasses keep their form.
- An `Enum` is written as its value, a `datetime` in ISO 8601, `bytes` as Base64, a `Literal` as a constant.
- `Annotated[X, Schema(minimum=0)]` adds keywords of JSON Schema.
- `Annotated[X, INLINE]` writes the members of dataclass X among the members of the outer dataclass.
- `Annotated[X, EXCLUDED]` is not written. The field needs a default.
- `Annotated[X, OPTIONAL]` need not be there when it is read. The field needs a default.
- `Annotated[float, INFINITE_AS_NULL]` writes infinity as null.
"""

from __future__ import annotations

import base64
import binascii
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Record = TypeVar("Record")
JsonObject = dict[str, Any]


class Schema:
    """Keywords of JSON Schema for an annotated type."""

    def __init__(self, **keywords: object) -> None:
        """Keep the keywords, such as `minimum=0`."""
        self.keywords = keywords


INLINE, EXCLUDED, OPTIONAL, INFINITE_AS_NULL = object(), object(), object(), object()

NonNegative = Annotated[float, Schema(minimum=0)]
Count = Annotated[int, Schema(minimum=1)]
Sha256 = Annotated[str, Schema(pattern="^[0-9a-f]{64}$")]

_TYPE_NAMES = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
}


def to_json(record: object, *, decimals: int | None = None) -> JsonObject:
    """Return a dataclass as a JSON object.

    Args:
        record: the dataclass.
        decimals: decimals of every float; None: all of them.
    """
    return dict(_members(record, decimals))


def from_json(kind: type[Record], value: JsonObject) -> Record:
    """Return the dataclass that a JSON object describes.

    The object must be valid against `json_schema(kind, ...)`; this function does not check it again.

    Raises:
        ValueError: a text is not the Base64, time or enum value that the dataclass asks for.
    """
    members: JsonObject = {}
    for name, hint in _hints(kind).items():
        inner, marks = _split(hint)
        if EXCLUDED in marks or (OPTIONAL in marks and name not in value):
            continue
        members[name] = from_json(inner, value) if INLINE in marks else _from_value(hint, value[name])
    return kind(**members)


def json_schema(kind: type, *, title: str, description: str) -> JsonObject:
    """Return the JSON Schema of a dataclass; descriptions of its parts are the first lines of docstrings."""
    definitions: JsonObject = {}
    root = _object_schema(kind, definitions)
    head = {"$schema": DIALECT, "title": title, "description": description}
    return head | root | {"$defs": dict(sorted(definitions.items()))}


def _hints(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cast(Any, kind))}


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return an annotated type and its marks."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    inner, *marks = get_args(hint)
    return inner, tuple(marks)


def _members(record: object, decimals: int | None) -> Iterator[tuple[str, Any]]:
    for name, hint in _hints(type(record)).items():
        marks = _split(hint)[1]
        value = getattr(record, name)
        if INLINE in marks:
            yield from _members(value, decimals)
        elif EXCLUDED not in marks:
            yield name, _to_value(value, decimals)


def _to_value(value: Any, decimals: int | None) -> Any:  # noqa: PLR0911
    if is_dataclass(value):
        return to_json(value, decimals=decimals)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _to_value(inner, decimals) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_value(inner, decimals) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if decimals is None else round(value, decimals)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _from_value(hint: Any, value: Any) -> Any:  # noqa: PLR0911
    hint, marks = _split(hint)
    if value is None:
        return math.inf if INFINITE_AS_NULL in marks else None
    if (inner := _without_none(hint)) is not None:
        return _from_value(inner, value)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return tuple(_from_value(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _from_value(arguments[1], item) for key, item in value.items()}
    if not isinstance(hint, type):
        return value
    if is_dataclass(hint):
        return from_json(hint, value)
    if issubclass(hint, Enum):
        return hint(value)
    if hint is datetime:
        return _time(value)
    return _bytes(value) if hint is bytes else value


def _without_none(hint: Any) -> Any:
    """Return X of `X | None`; None for any other type."""
    if get_origin(hint) not in (Union, types.UnionType):
        return None
    (inner,) = (part for part in get_args(hint) if part is not type(None))
    return inner


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a time in ISO 8601") from None
    if time.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone")
    return time


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"{text[:40]!r} is not Base64") from None


def _object_schema(kind: type, definitions: JsonObject) -> JsonObject:
    properties: JsonObject = {}
    optional: set[str] = set()
    for name, hint in _hints(kind).items():
        inner, marks = _split(hint)
        if INLINE in marks:
            members = _object_schema(inner, definitions)
            properties |= members["properties"]
            optional |= properties.keys() & (members["properties"].keys() - set(members["required"]))
        elif EXCLUDED not in marks:
            properties[name] = _schema(hint, definitions)
            optional |= {name} if OPTIONAL in marks else set()
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "properties": properties,
    }


def _schema(hint: Any, definitions: JsonObject) -> JsonObject:
    inner, marks = _split(hint)
    schema = _plain_schema(inner, definitions)
    for mark in marks:
        if isinstance(mark, Schema):
            schema |= mark.keywords
    return _nullable(schema) if INFINITE_AS_NULL in marks else schema


def _plain_schema(hint: Any, definitions: JsonObject) -> JsonObject:  # noqa: PLR0911
    if (inner := _without_none(hint)) is not None:
        return _nullable(_schema(inner, definitions))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"const": arguments[0]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if is_dataclass(hint):
        return _reference(cast(type, hint), definitions)
    if issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return dict(_TYPE_NAMES[hint])


def _reference(kind: type, definitions: JsonObject) -> JsonObject:
    if kind.__name__ not in definitions:
        description = (kind.__doc__ or "").strip().splitlines()[0]
        definitions[kind.__name__] = {"description": description} | _object_schema(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _nullable(schema: JsonObject) -> JsonObject:
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [{"type": "null"}, schema]}
