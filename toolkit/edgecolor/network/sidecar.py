"""What is known about a network beside its weights, and what a model file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import ModelFileError


def read_facts(model: Path) -> dict[str, Any]:
    """What training wrote beside a .keras file; empty if there is nothing.

    Raises:
        ModelFileError: the facts are no JSON object.
    """
    path = model.with_suffix(".json")
    if not path.is_file() or path == model:
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: the facts about {model.name} are unreadable: {error}") from error
    if not isinstance(facts, dict):
        raise ModelFileError(f"{path}: expected a JSON object with the facts about {model.name}.")
    return facts


def gain_of(facts: dict[str, Any], model: Path) -> float:
    """The saturation that training found, or 1.

    Raises:
        ModelFileError: it is no number.
    """
    try:
        return float(facts.get("saturation", 1.0))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{model.with_suffix('.json')}: its saturation is no number.") from error
