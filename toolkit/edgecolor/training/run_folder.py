"""A run's folder: what was asked for, and how far it got. Each file appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import DataError, UsageError

RECIPE = "recipe.json"  # what was asked for; a resumed run must ask for the same
STATE = "state.json"  # epochs done, the checkpoint they left, and every epoch's figures


def open_run(run: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """The state of a run, or that of one which has not begun; nothing is written.

    Args:
        run: the folder; it may be missing.
        asked: what the run is to do: "recipe", a dict, and "data_sha256".

    Raises:
        UsageError: the folder belongs to another recipe or other data.
        DataError: its files are unreadable.
    """
    path = run / RECIPE
    asked = json.loads(json.dumps(asked))  # as a file has it
    found = read_json(path) if path.exists() else asked
    if found != asked:
        theirs, ours = found.get("recipe", {}), asked["recipe"]
        differing = _differing(theirs, ours) or ["data"]
        raise UsageError(f"{run} was begun with another {', '.join(differing)}. Name another folder with -o.")
    state = run / STATE
    return read_json(state) if state.exists() else {"done": 0, "checkpoint": None, "epochs": []}


def _differing(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Names of what differs; within a group, such as those of the loss, of its members."""
    found = []
    for key, value in ours.items():
        other = theirs.get(key)
        if other != value:
            grouped = _differing(other, value) if isinstance(value, dict) and isinstance(other, dict) else []
            found += grouped or [key.replace("_", "-")]
    return found


@contextmanager
def alone_in(folder: Path, doing: str = "lock") -> Iterator[None]:
    """Waits until no other process of this machine is doing this in here; a killed one does not count."""
    import fcntl  # POSIX; elsewhere nothing but this is missing

    with (folder / f".{doing}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_json(path: Path, value: Any) -> None:
    """Writes a file beside its target, then renames it."""
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(value, indent=1), encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        DataError: it cannot be read.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}). Name another folder with -o.") from error
    return value
