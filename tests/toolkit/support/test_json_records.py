"""Dataclasses as JSON: both directions, and the schema."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator

from edgecolor.support.json_records import (
    EXCLUDED,
    INFINITE_AS_NULL,
    INLINE,
    Count,
    NonNegative,
    Schema,
    from_json,
    json_schema,
    to_json,
)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Size:
    """A size."""

    width: Count
    height: Count


@dataclass(frozen=True)
class Everything:
    """One field of each type."""

    kind: Literal["everything/1"]
    color: Color
    second_color: Color | None
    size: Annotated[Size, INLINE]
    sizes: Annotated[tuple[Size, ...], Schema(maxItems=2)]
    size_or_none: Size | None
    weight: NonNegative | None
    error: Annotated[NonNegative, INFINITE_AS_NULL]
    versions: dict[str, str | None]
    data: bytes
    started: datetime
    note: Annotated[str, EXCLUDED] = "not written"


VALUE = Everything(
    kind="everything/1",
    color=Color.RED,
    second_color=None,
    size=Size(1, 2),
    sizes=(Size(3, 4),),
    size_or_none=None,
    weight=0.123456789,
    error=math.inf,
    versions={"numpy": "2", "cv2": None},
    data=b"\x00\xff",
    started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
)
JSON: dict[str, Any] = {
    "kind": "everything/1",
    "color": "red",
    "second_color": None,
    "width": 1,
    "height": 2,
    "sizes": [{"width": 3, "height": 4}],
    "size_or_none": None,
    "weight": 0.123456789,
    "error": None,
    "versions": {"numpy": "2", "cv2": None},
    "data": "AP8=",
    "started": "2026-01-02T03:04:05+00:00",
}
SCHEMA = json_schema(Everything, title="everything/1", description="A test.")


def test_both_directions() -> None:
    assert to_json(VALUE) == JSON
    assert from_json(Everything, json.loads(json.dumps(JSON))) == VALUE


def test_decimals() -> None:
    assert to_json(VALUE, decimals=3)["weight"] == 0.123


def test_the_schema_accepts_what_is_written() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(JSON)
    assert SCHEMA["$defs"]["Size"]["description"] == "A size."


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "everything/2"},
        {"color": "green"},
        {"color": None},
        {"second_color": "green"},
        {"width": 0},
        {"sizes": [{"width": 3, "height": 4}] * 3},
        {"sizes": [{"width": 3}]},
        {"size_or_none": {"width": 0, "height": 4}},
        {"weight": -1},
        {"error": -1},
        {"versions": {"numpy": 2}},
        {"data": None},
        {"note": "written"},
    ],
)
def test_the_schema_refuses(change: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(JSON | change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"data": "?"}, "'\\?' is not Base64"),
        ({"started": "yesterday"}, "'yesterday' is not a time in ISO 8601"),
        ({"started": "2026-01-02T03:04:05"}, "has no time zone"),
    ],
)
def test_texts_that_cannot_be_converted(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        from_json(Everything, JSON | change)
