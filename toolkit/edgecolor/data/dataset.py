"""Prepared datasets: photographs that are converted once, with the runtime's own arithmetic, for training.

A prepared dataset is a folder with three memory-mapped arrays:

    luma.npy       uint8 (n, 224, 224)     BT.601 luma of the squashed photograph, as a gray camera gives it
    lightness.npy  uint8 (n, 224, 224)     gray level with the Lab L of the color photograph
    ab.npy         int8  (n, 56, 56, 2)    its a and b in Lab units, mean over 4 x 4 pixels
    info.json      format, counts, names of all rows, row numbers of each split, hash of the photographs
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.training_sources import NpyLayout, PhotoFolder, open_source
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.inference.normalization import measure_tones, stretch
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT
from edgecolor_runtime.models.signature import AB_SCALE, CHROMA_SIZE, INPUT_SIZE
from edgecolor_runtime.system.files import staged_folder
from edgecolor_runtime.system.strict_json import parse_json

DATASET_FORMAT = 1
NEAR_GRAY_CHROMA = 3.0  # mean chroma in Lab units; a photograph below teaches no color
TONED_SPREAD = 2.5  # spread of ab in Lab units; a photograph below has one tint: sepia, cyanotype
MIN_HELD_OUT = 200  # val photographs; enough to center a network's colors and to choose its saturation
HELD_OUT_ONE_IN = 50  # of many photographs, one in this number goes to val
HELD_OUT_ONE_IN_OF_FEW = 5  # of few photographs, at most one in this number goes to val


class Split(str, Enum):
    """What a photograph is used for."""

    TRAIN = "train"
    VAL = "val"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of a prepared dataset.

    Attributes:
        photographs: all photographs of the source.
        train: photographs to train on.
        val: photographs held out.
        near_gray: photographs left out because they have hardly any color.
        toned: photographs left out because they have one tint.
        unreadable: names of the photographs that cannot be read or are damaged -> the reason.
        sha256: hash of the names and the prepared arrays.
    """

    photographs: int
    train: int
    val: int
    near_gray: int
    toned: int
    unreadable: dict[str, str]
    sha256: str


def prepare_dataset(
    photographs: str | Path,
    output: str | Path,
    *,
    split: str | Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
) -> DatasetSummary:
    """Convert photographs to a prepared dataset, the form that training reads.

    Near-gray, toned and unreadable photographs belong to neither split.

    Args:
        photographs: folder of photographs, searched with its subfolders, or a folder in the `.npy` layout.
        output: folder to make; it must not exist.
        split: CSV file with the columns `file` and `split` (train or val); photographs that it does not name
            are trained on. Default: hashes of the names decide. One photograph in 50 goes to val, but at
            least 200; of few photographs at most one in 5.
        on_progress: called with the number of photographs done and the number of all.
        workers: number of processes (default: one for each core).

    Raises:
        DataError: no usable photograph, a wrong scale, or an unreadable source.
        UsageError: the output exists.
    """
    source = open_source(Path(photographs))
    named = _read_split(Path(split)) if split else {}
    if split and not named.keys() & set(source.names):
        raise DataError(f"{split}: names none of the photographs; {photographs} has {source.names[0]}.")
    named = named or dict.fromkeys(choose_held_out(source.names), Split.VAL)
    with staged_folder(Path(output)) as folder:
        return _write_arrays(
            source,
            folder,
            lambda name: named.get(name, Split.TRAIN),
            on_progress=on_progress,
            workers=workers,
        )


def _write_arrays(
    source: PhotoFolder | NpyLayout,
    folder: Path,
    split_of: Callable[[str], Split],
    *,
    on_progress: Callable[[int, int], None],
    workers: int | None,
) -> DatasetSummary:
    names = source.names
    n, s, c = len(names), INPUT_SIZE, CHROMA_SIZE
    needed, free = n * 2 * (s * s + c * c), shutil.disk_usage(folder).free
    if needed > free:  # writing a memory map to a full disk would kill the process
        raise DataError(
            f"{folder.parent}: {needed / 1e6:.1f} MB are needed and {free / 1e6:.1f} MB are free."
        )
    luma = np.lib.format.open_memmap(folder / "luma.npy", "w+", np.uint8, (n, s, s))
    lightness = np.lib.format.open_memmap(folder / "lightness.npy", "w+", np.uint8, (n, s, s))
    ab = np.lib.format.open_memmap(folder / "ab.npy", "w+", np.int8, (n, c, c, 2))
    rows: dict[Split, list[int]] = {Split.TRAIN: [], Split.VAL: []}
    near_gray = toned = 0
    unreadable: dict[str, str] = {}
    digest = hashlib.sha256()
    for i, (name, planes) in enumerate(zip(names, source.planes(workers), strict=True)):
        on_progress(i + 1, n)
        if isinstance(planes, str):
            unreadable[name] = planes
            continue
        luma[i], lightness[i], ab[i] = planes
        digest.update(os.fsencode(name) + hashlib.sha256(b"".join(p.tobytes() for p in planes)).digest())
        flat = planes.ab.reshape(-1, 2).astype(np.float32)
        if np.hypot(flat[:, 0], flat[:, 1]).mean() < NEAR_GRAY_CHROMA:
            near_gray += 1
        elif np.hypot(*flat.std(axis=0)) < TONED_SPREAD:
            toned += 1
        else:
            rows[split_of(name)].append(i)
    if not rows[Split.TRAIN]:
        raise DataError(
            f"{source.folder}: no usable photograph to train on "
            f"({n} found, {len(unreadable)} unreadable, {near_gray} near-gray, {toned} of one tint)."
        )
    for array in (luma, lightness, ab):
        array.flush()
    summary = DatasetSummary(
        photographs=n,
        train=len(rows[Split.TRAIN]),
        val=len(rows[Split.VAL]),
        near_gray=near_gray,
        toned=toned,
        unreadable=unreadable,
        sha256=digest.hexdigest(),
    )
    info = {"format": DATASET_FORMAT, **asdict(summary), "names": names, "rows": rows}
    (folder / "info.json").write_text(json.dumps(info), encoding="utf-8")
    return summary


def choose_held_out(names: Sequence[str]) -> list[str]:
    """Return the photographs that go to val if no CSV file names them; their order does not matter."""
    count = max(len(names) // HELD_OUT_ONE_IN, min(MIN_HELD_OUT, len(names) // HELD_OUT_ONE_IN_OF_FEW))
    return sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[:count]


def _read_split(path: Path) -> dict[str, Split]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            named = {row["file"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a CSV with the columns file and split ({error}).") from error
    if wrong := set(named.values()) - {split.value for split in Split}:
        raise DataError(f"{path}: column split holds {wrong.pop()!r}; expected train or val.")
    return {name: Split(value) for name, value in named.items()}


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset, memory-mapped.

    Attributes:
        luma: uint8 (n, 224, 224).
        lightness: uint8 (n, 224, 224).
        ab: int8 (n, 56, 56, 2).
        names: names of the n photographs.
        rows: row numbers of each split, for all three arrays.
        sha256: hash of the names and the prepared arrays.
        path: the folder.
    """

    luma: U8
    lightness: U8
    ab: NDArray[np.int8]
    names: list[str]
    rows: dict[Split, NDArray[np.int64]]
    sha256: str
    path: Path

    @property
    def identity(self) -> dict[str, str]:
        """The hashes of the photographs and of their split; a run resumes only with the same two."""
        split = json.dumps({name: rows.tolist() for name, rows in self.rows.items()}, sort_keys=True)
        return {
            "data_sha256": self.sha256,
            "split_sha256": hashlib.sha256(split.encode()).hexdigest(),
        }

    def __reduce__(self) -> tuple[Callable[[Path], Dataset], tuple[Path]]:
        """Send only the path to another process; that process opens the files once."""
        return _reopen_dataset, (self.path,)


@cache
def _reopen_dataset(path: Path) -> Dataset:
    return open_dataset(path)


def open_dataset(path: Path) -> Dataset:
    """Open a folder that `prepare_dataset` made.

    Raises:
        DataError: not a prepared dataset, or one of another format.
    """
    try:
        return _open_arrays(path, parse_json((path / "info.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: not a prepared dataset. Make one with `edgecolor dataset` ({error})."
        ) from error


def _open_arrays(path: Path, info: Any) -> Dataset:
    """Open the arrays of a dataset that info.json describes.

    Raises:
        DataError: info.json has another format.
        ValueError, and other errors that a wrong type causes: info.json does not describe the arrays.
    """
    if info["format"] != DATASET_FORMAT:
        raise DataError(f"{path}: format {info['format']}; expected {DATASET_FORMAT}. Prepare it again.")
    load = partial(np.load, mmap_mode="r", allow_pickle=False)
    luma, lightness, ab = (load(path / f"{name}.npy") for name in ("luma", "lightness", "ab"))
    names, sha256 = info["names"], info["sha256"]
    if not isinstance(names, list) or not all(isinstance(text, str) for text in (*names, sha256)):
        raise ValueError("info.json holds other values than names and a hash")
    if not len(names) == len(luma) == len(lightness) == len(ab):
        raise ValueError("info.json describes other arrays")
    rows = {split: _parse_rows(info["rows"][split.value], len(names)) for split in Split}
    return Dataset(luma, lightness, ab, names=names, rows=rows, sha256=sha256, path=path)


def _parse_rows(numbers: list[int], photographs: int) -> NDArray[np.int64]:
    rows = np.array(numbers, dtype=np.int64)
    if rows.ndim != 1 or rows.tolist() != numbers or not all(0 <= number < photographs for number in numbers):
        raise ValueError("info.json has a split with wrong rows")
    return rows


def load_pairs(data: Dataset, rows: NDArray[np.int64]) -> tuple[F32, F32]:
    """Return inputs and targets of whole photographs, on the network's scales.

    Returns:
        L (n, 224, 224, 1) from luma, stretched as on the device, and ab (n, 56, 56, 2).
    """
    luma = np.array(data.luma[rows])
    for i, gray in enumerate(luma):
        luma[i] = stretch(gray, measure_tones(gray))
    return NETWORK_INPUT[luma][..., None], data.ab[rows].astype(np.float32) / np.float32(AB_SCALE)
