"""Parse JSON that comes from outside, with a limit on its depth."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 32  # objects and arrays inside each other; what edgecolor writes has at most 8

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")


def parse_json(text: bytes | str, **options: Any) -> Any:
    """Parse JSON.

    Args:
        text: the JSON; bytes are UTF-8.
        options: passed to `json.loads`.

    Raises:
        ValueError: the text is not JSON, or it is nested deeper than MAX_DEPTH. Python's parser would
            raise RecursionError, or overflow the stack.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", _STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(text, **options)
