"""The folder of a run: `recipe.json` says what the run does, `state.json` how far it got.

Each file appears as a whole or not at all, which makes a killed run resumable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecolor.support.file_lock import lock_file
from edgecolor.support.json_records import JsonObject
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.system import files
from edgecolor_runtime.system.strict_json import parse_json

RECIPE = "recipe.json"
STATE = "state.json"


@dataclass(frozen=True)
class RunIdentity:
    """What a resumed run must have in common with the run that began: recipe, data and split.

    Attributes:
        recipe: the options, as JSON.
        data_sha256: hash of the prepared dataset.
        split_sha256: hash of its rows by split.
    """

    recipe: JsonObject
    data_sha256: str
    split_sha256: str


@dataclass(frozen=True)
class RunState:
    """How far a run got.

    Attributes:
        done: epochs up to the checkpoint.
        checkpoint: name of the checkpoint after these epochs.
        epochs: figures of each epoch.
    """

    done: int = 0
    checkpoint: str | None = None
    epochs: tuple[dict[str, float], ...] = ()

    @property
    def seconds(self) -> float:
        """Return the time that all epochs took."""
        return float(sum(figures["seconds"] for figures in self.epochs))

    @property
    def hours(self) -> float:
        """Return the time that all epochs took, rounded to 36 seconds."""
        return round(self.seconds / 3600, 2)


def open_run(folder: Path, identity: RunIdentity) -> RunState:
    """Return the state of a run. Nothing is written.

    Args:
        folder: the folder of the run; it may be missing.
        identity: what the run is to do.

    Raises:
        UsageError: the folder holds a run with another recipe or other data.
        DataError: a file of the folder is unreadable.
    """
    path = folder / RECIPE
    if path.exists():
        stored, wanted = _read_json(path), json.loads(json.dumps(asdict(identity)))
        if stored != wanted:
            names = _differences(stored.get("recipe", {}), wanted["recipe"]) or ["data"]
            raise UsageError(
                f"{folder} holds a run with another {', '.join(names)}. Name another folder with -o."
            )
    return read_state(folder)


def begin_run(folder: Path, identity: RunIdentity) -> None:
    """Make the folder and write what the run does. From then on the folder is bound to it."""
    files.write_json(folder / RECIPE, asdict(identity), force=True)


def read_state(folder: Path) -> RunState:
    """Return the state of a run; that of a new run if there is no `state.json`.

    Raises:
        DataError: the file is unreadable.
    """
    path = folder / STATE
    if not path.exists():
        return RunState()
    values = _read_json(path)
    try:
        return RunState(values["done"], values["checkpoint"], tuple(values["epochs"]))
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not the state of a run. Name another folder with -o.") from error


def write_state(folder: Path, state: RunState) -> None:
    """Write the state of a run."""
    files.write_json(folder / STATE, asdict(state), force=True)


def _differences(stored: JsonObject, wanted: JsonObject) -> list[str]:
    """Return the names of the options that differ; in a group of options, those of its members."""
    names = []
    for key, value in wanted.items():
        other = stored.get(key)
        if other != value:
            grouped = (
                _differences(other, value) if isinstance(other, dict) and isinstance(value, dict) else []
            )
            names += grouped or [key.replace("_", "-")]
    return names


@contextmanager
def lock_folder(folder: Path, name: str = "lock") -> Iterator[None]:
    """Wait until no other process of this machine holds the lock `name` of a folder, and hold it.

    The operating system releases the lock of a killed process.
    """
    with (folder / f".{name}").open("w") as file:
        lock_file(file, wait=True)
        yield


def _read_json(path: Path) -> JsonObject:
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}). Name another folder with -o.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object. Name another folder with -o.")
    return value
