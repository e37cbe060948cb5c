"""The folder of a run: `recipe.json` says what the run does, `state.json` how far it got.

Each file appears as a whole or not at all, and is on the disk before the state names it. A run that is
killed, or that loses its power, can be resumed. The last two checkpoints are kept, the older with its
state in `state-older.json`. If the newer is damaged, the run resumes from the older.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from edgecolor.support.file_lock import lock_file
from edgecolor.support.json_records import JsonObject
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor_runtime.errors import DataError, EdgecolorError, UsageError
from edgecolor_runtime.system import files
from edgecolor_runtime.system.strict_json import parse_json

RECIPE = "recipe.json"
STATE = "state.json"
OLDER_STATE = "state-older.json"
MAX_EPOCH_SECONDS = 1e9  # thirty years


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
        sha256: name of each file of the checkpoint -> its SHA-256.
    """

    done: int = 0
    checkpoint: str | None = None
    epochs: tuple[dict[str, float], ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Return the time that all epochs took."""
        return float(sum(figures["seconds"] for figures in self.epochs))

    @property
    def hours(self) -> float:
        """Return the time that all epochs took, rounded to 36 seconds."""
        return round(self.seconds / 3600, 2)


def open_run(folder: Path, identity: RunIdentity, on_progress: PrintLine = print_nothing) -> RunState:
    """Return the state of a run. Nothing is written.

    Args:
        folder: the folder of the run; it may be missing.
        identity: what the run is to do.
        on_progress: takes a line if the last checkpoint is damaged.

    Raises:
        UsageError: the folder holds a run with another recipe or other data.
        DataError: a file of the folder is unreadable.
    """
    path = folder / RECIPE
    if path.exists():
        try:
            stored = _read_json(path)
        except DataError as error:
            raise DataError(f"{error} Name another folder with -o.") from error
        wanted = json.loads(json.dumps(asdict(identity)))
        if stored != wanted:
            recipe = stored.get("recipe")
            names = _differences(recipe if isinstance(recipe, dict) else {}, wanted["recipe"]) or ["data"]
            raise UsageError(
                f"{folder} holds a run with another {', '.join(names)}. Name another folder with -o."
            )
    return read_state(folder, on_progress)


def begin_run(folder: Path, identity: RunIdentity) -> None:
    """Make the folder and write what the run does. From then on the folder is bound to it."""
    files.write_json(folder / RECIPE, asdict(identity), force=True)


def read_state(folder: Path, on_progress: PrintLine = print_nothing) -> RunState:
    """Return the newest state whose checkpoint is intact; that of a new run if there is no `state.json`.

    Args:
        folder: the folder of the run.
        on_progress: takes a line if the last checkpoint is damaged and the older one is used.

    Raises:
        DataError: both states are unreadable, or both checkpoints are damaged.
    """
    damage = None
    for path in (folder / STATE, folder / OLDER_STATE):
        if not path.exists():
            continue
        try:
            state = _intact_state(path)
        except DataError as error:
            damage = damage or error
            continue
        if damage:
            on_progress(f"{damage} Using the checkpoint after epoch {state.done}.")
        return state
    if damage:
        raise DataError(f"{damage} Name another folder with -o.") from damage
    return RunState()


def write_state(folder: Path, state: RunState, older: RunState) -> None:
    """Write the state of a run and that of the checkpoint before.

    Args:
        folder: the folder of the run.
        state: the state that names the new checkpoint.
        older: the state that names the checkpoint before.
    """
    if older.checkpoint:
        files.write_json(folder / OLDER_STATE, asdict(older), force=True)
    files.write_json(folder / STATE, asdict(state), force=True)


def verify_present(folder: Path) -> None:
    """Raise EdgecolorError if the folder of a run was removed while the run worked in it."""
    if not (folder / RECIPE).exists():
        raise EdgecolorError(
            f"{folder}: the folder of the run was removed or replaced while the run worked in it. "
            "Run the same command again."
        )


def secure_checkpoint(folder: Path, stem: str) -> dict[str, str]:
    """Flush the files of a checkpoint to the disk. Return the SHA-256 of each."""
    paths = sorted(folder.glob(f"{stem}.*"))
    for path in paths:
        files.flush(path)
    files.flush(folder)
    return {path.name: _hash(path) for path in paths}


def _intact_state(path: Path) -> RunState:
    """Return a state whose checkpoint has the recorded hashes.

    Raises:
        DataError: the state is unreadable, or its checkpoint is damaged.
    """
    values = _read_json(path)
    try:
        state = _parse_state(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not the state of a run.") from error
    for name, sha256 in state.sha256.items():
        file = path.parent / name
        try:
            is_intact = _hash(file) == sha256
        except OSError as error:
            raise DataError(f"{file}: unreadable ({error.strerror}).") from error
        except ValueError as error:  # a name that no file can have
            raise DataError(f"{path}: not the state of a run.") from error
        if not is_intact:
            raise DataError(f"{file}: has other bytes than were written.")
    return state


def _parse_state(values: JsonObject) -> RunState:
    """Convert the object of a state file.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it was not written by edgecolor.
    """
    done, checkpoint = values["done"], values["checkpoint"]
    epochs, sums = tuple(values["epochs"]), dict(values.get("sha256", {}))
    numbers = [number for figures in epochs for number in figures.values()]
    if done != len(epochs) or not all(isinstance(number, (int, float)) for number in numbers):
        raise ValueError("figures are missing")
    if not all(0 <= figures["seconds"] <= MAX_EPOCH_SECONDS for figures in epochs):
        raise ValueError("an epoch took an impossible time")
    names = [*sums, *([] if checkpoint is None else [checkpoint])]
    if not all(isinstance(text, str) for text in (*names, *sums.values())):
        raise TypeError("a name or a hash is no text")
    if any(Path(name).name != name for name in names):
        raise ValueError("a file of the checkpoint is not in the folder")
    return RunState(len(epochs), checkpoint, epochs, sums)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
def lock_folder(folder: Path, name: str = "lock", *, wait: bool = True) -> Iterator[None]:
    """Hold the lock `name` of a folder. The operating system releases the lock of a killed process.

    Args:
        folder: an existing folder.
        name: name of the lock.
        wait: wait until no other process of this machine holds the lock.

    Raises:
        EdgecolorError: another process holds the lock, and `wait` is off.
    """
    with (folder / f".{name}").open("a") as file:
        try:
            lock_file(file, wait=wait)
        except BlockingIOError:
            raise EdgecolorError(
                f"{folder}: another process works in this folder. Wait until it has ended, or name another "
                "folder with -o."
            ) from None
        yield


class RunFolder:
    """The folder of one run, used by one process at a time.

    The lock of an existing folder is taken at once. A folder that does not exist is made by `begin`, because
    a run that cannot begin must leave nothing behind.

    Args:
        folder: the folder; it may be missing.
        identity: what the run is to do.

    Attributes:
        state: how far the run got.

    Raises:
        EdgecolorError: another process works in this folder.
        UsageError: the folder holds a run with another recipe or other data.
        DataError: a file of the folder is unreadable.
    """

    def __init__(self, folder: Path, identity: RunIdentity, on_progress: PrintLine = print_nothing) -> None:
        self._folder, self._identity = folder, identity
        self._stack = ExitStack()
        self._is_locked = False
        if folder.is_dir():
            self._lock()
        try:
            self.state = open_run(folder, identity, on_progress)
        except BaseException:
            self._stack.close()
            raise

    def begin(self) -> None:
        """Make the folder, and write what the run does. From then on the folder is bound to it.

        Raises:
            EdgecolorError: another process has begun a run in this folder meanwhile.
        """
        if not self._is_locked:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock()
            if open_run(self._folder, self._identity).done:
                raise EdgecolorError(f"{self._folder}: another process has trained here. Run this again.")
        begin_run(self._folder, self._identity)

    def _lock(self) -> None:
        self._stack.enter_context(lock_folder(self._folder, wait=False))
        self._is_locked = True

    def __enter__(self) -> RunFolder:
        """Return the folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self._stack.close()


def _read_json(path: Path) -> JsonObject:
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}).") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object.")
    return value
