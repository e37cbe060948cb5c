"""Files of hints: the colors that a user gave to a photograph, as JSON beside it.

{"schema": "edgecolor-hints/1", "size": [1024, 768], "reach": 1,
"hints": [{"x": 320, "y": 200, "color": "#3355aa"}, {"x": 50, "y": 80, "color": "gray"}]}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import ImageColor

from edgecolor_runtime.colors.hints import MAX_HINTS, Hint, HintSet
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.system.files import write_text
from edgecolor_runtime.system.strict_json import parse_json

SUFFIX = ".hints.json"
"""Replaces the extension of a photograph in the name of its hints."""

SCHEMA = "edgecolor-hints/1"
KEEP = "keep"
"""Stands for a color: the place keeps its predicted color."""

_MAX_BYTES = 1 << 20


def hint_path(picture: Path) -> Path:
    """Return the path of a photograph's hints: photo.hints.json for photo.jpg."""
    return picture.with_name(picture.stem + SUFFIX)


def parse_color(text: str) -> tuple[int, int, int] | None:
    """Return the sRGB bytes of a color such as #3355aa, "gray" or "navy"; None for "keep".

    Raises:
        UsageError: the text is not a color.
    """
    if text == KEEP:
        return None
    try:
        rgb = ImageColor.getrgb(text)
    except ValueError:
        raise UsageError(
            f'"{text}" is not a color; expected #rrggbb, a name such as gray or navy, or {KEEP}'
        ) from None
    return rgb[0], rgb[1], rgb[2]


def parse_hint(text: str) -> Hint:
    """Return a hint from text such as 320,200=#3355aa.

    Raises:
        UsageError: the text has another form.
    """
    place, separator, color = text.partition("=")
    x, comma, y = place.partition(",")
    if not (separator and comma and x.strip().isdecimal() and y.strip().isdecimal()):
        raise UsageError(f'hint "{text}": expected X,Y=COLOR in pixels, such as 320,200=#3355aa')
    return Hint(int(x), int(y), parse_color(color.strip()))


def read_hints(path: Path) -> HintSet:
    """Read a file of hints.

    Raises:
        DataError: the file cannot be read, or is not a file of hints.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: larger than {_MAX_BYTES >> 20} MB; a file of hints is small")
        return _to_hint_set(parse_json(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UsageError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a file of hints ({SCHEMA}): {error or type(error).__name__}") from error


def write_hints(path: Path, hint_set: HintSet, *, force: bool = False) -> None:
    """Write a file of hints. The same hints give the same bytes.

    Raises:
        UsageError: the file exists, and `force` is not set.
        EdgecolorError: the file cannot be written.
    """
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "size": hint_set.size,
        "reach": hint_set.reach,
        "hints": [{"x": hint.x, "y": hint.y, "color": _color_text(hint)} for hint in hint_set.hints],
    }
    write_text(path, json.dumps(value, indent=1) + "\n", force=force)


def _color_text(hint: Hint) -> str:
    return KEEP if hint.color is None else "#{:02x}{:02x}{:02x}".format(*hint.color)


def _to_hint_set(value: Any) -> HintSet:
    if value["schema"] != SCHEMA:
        raise ValueError(f"its schema is {value['schema']!r}")
    if len(value["hints"]) > MAX_HINTS:
        raise ValueError(f"{len(value['hints'])} hints; a picture can have {MAX_HINTS}")
    hints = tuple(
        Hint(_whole(entry["x"]), _whole(entry["y"]), parse_color(_text(entry["color"])))
        for entry in value["hints"]
    )
    size = value.get("size")
    if size is not None:
        width, height = size
        size = _whole(width), _whole(height)
    reach = value.get("reach", 1)
    if isinstance(reach, bool) or not isinstance(reach, int | float):
        raise TypeError("reach is not a number")
    return HintSet(hints, float(reach), size)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{number!r} is not a whole number")
    return number


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a text")
    return text
