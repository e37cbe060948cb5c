"""Photographs, prepared once with the runtime's own arithmetic, into three memory-mapped arrays.

A prepared dataset is a folder:

    luma.npy       uint8 (n, 224, 224)     BT.601 luma of the squashed photograph, what a camera would give
    lightness.npy  uint8 (n, 224, 224)     the neutral of its Lab L
    ab.npy         int8  (n, 56, 56, 2)    its a and b in Lab units, mean over 4 x 4 pixels
    info.json      format, counts, names of the train and val rows, hash of the photographs
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecolor.data.photographs import NpyLayout, PhotoFolder, open_source
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT
from edgecolor_runtime.models.signature import AB_SCALE, CHROMA_SIZE, INPUT_SIZE

FORMAT = 1
NEAR_GRAY_CHROMA = 3.0  # mean chroma in Lab units under which a photograph teaches no color
TONED_SPREAD = 2.5  # spread of ab under which it is one tint: sepia, cyanotype
HELD_OUT = 200  # val photographs: enough to center a network's colors by and to choose its saturation
ONE_IN = 50  # of many photographs, to val
FEW_ONE_IN = 5  # at most, of few


@dataclass(frozen=True)
class Summary:
    """What preparing found."""

    photographs: int
    train: int
    val: int
    near_gray: int
    toned: int
    unreadable: list[str]
    sha256: str


def prepare(
    source: Path,
    out: Path,
    *,
    split: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
) -> Summary:
    """Writes a prepared dataset; near-gray, toned and unreadable photographs are kept out of both splits.

    Args:
        source: a folder of photographs (searched with its subfolders), or one in the `.npy` layout.
        out: the folder to make; must not exist.
        split: CSV with the columns `file` and `split` (train or val); what it does not name is trained on.
            Without one hashes of the names decide: one in fifty goes to val, but at least 200, though of few
            photographs no more than a fifth.
        progress: called with (done, total).
        workers: processes; all cores by default.

    Raises:
        DataError: no usable photograph, a wrong scale, an unreadable source.
        UsageError: `out` exists.
    """
    if out.exists():
        raise UsageError(f"{out} exists. Name another folder, or remove it first.")
    photographs = open_source(source)
    named = _read_split(split) if split else {}
    if split and not named.keys() & set(photographs.names):
        raise DataError(f"{split}: names none of the photographs; {source} has {photographs.names[0]}.")
    named = named or dict.fromkeys(held_out(photographs.names), "val")
    partial_out = out.with_name(f".{out.name}.partial-{os.getpid()}")
    shutil.rmtree(partial_out, ignore_errors=True)
    partial_out.mkdir(parents=True)
    try:
        summary = _write(
            photographs,
            partial_out,
            lambda name: named.get(name, "train"),
            progress=progress,
            workers=workers,
        )
        partial_out.rename(out)
    except BaseException:
        shutil.rmtree(partial_out, ignore_errors=True)
        raise
    return summary


def _write(
    source: PhotoFolder | NpyLayout,
    out: Path,
    split_of: Callable[[str], str],
    *,
    progress: Callable[[int, int], None],
    workers: int | None,
) -> Summary:
    names = source.names
    n, s, c = len(names), INPUT_SIZE, CHROMA_SIZE
    needed, free = n * 2 * (s * s + c * c), shutil.disk_usage(out).free
    if needed > free:  # a full disk under a memory map is no error but the end of the process
        raise DataError(f"{out.parent}: {needed / 1e6:.1f} MB are needed and {free / 1e6:.1f} MB are free.")
    luma = np.lib.format.open_memmap(out / "luma.npy", "w+", np.uint8, (n, s, s))
    lightness = np.lib.format.open_memmap(out / "lightness.npy", "w+", np.uint8, (n, s, s))
    ab = np.lib.format.open_memmap(out / "ab.npy", "w+", np.int8, (n, c, c, 2))
    rows: dict[str, list[int]] = {"train": [], "val": []}
    near_gray = toned = 0
    unreadable: list[str] = []
    digest = hashlib.sha256()
    for i, (name, planes) in enumerate(zip(names, source.planes(workers), strict=True)):
        progress(i + 1, n)
        if planes is None:
            unreadable.append(name)
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
    if not rows["train"]:
        raise DataError(
            f"{source.where}: no usable photograph to train on "
            f"({n} found, {len(unreadable)} unreadable, {near_gray} near-gray, {toned} of one tint)."
        )
    for array in (luma, lightness, ab):
        array.flush()
    summary = Summary(
        n, len(rows["train"]), len(rows["val"]), near_gray, toned, unreadable, digest.hexdigest()
    )
    (out / "info.json").write_text(
        json.dumps({"format": FORMAT, **asdict(summary), "names": names, "rows": rows}), encoding="utf-8"
    )
    return summary


def held_out(names: Sequence[str]) -> list[str]:
    """Those of the photographs that go to val where no CSV says; whatever their order, the same."""
    count = max(len(names) // ONE_IN, min(HELD_OUT, len(names) // FEW_ONE_IN))
    return sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[:count]


def _read_split(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            named = {row["file"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a CSV with the columns file and split ({error}).") from error
    if wrong := set(named.values()) - {"train", "val"}:
        raise DataError(f"{path}: column split holds {wrong.pop()!r}; expected train or val.")
    return named


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset, memory-mapped. Row numbers of a split index all three arrays."""

    luma: U8
    lightness: U8
    ab: NDArray[np.int8]
    names: list[str]
    rows: dict[str, NDArray[np.int64]]
    sha256: str
    path: Path

    @property
    def identity(self) -> dict[str, str]:
        """What a run must find again to go on: hashes of the photographs and of their split."""
        split = json.dumps({name: rows.tolist() for name, rows in self.rows.items()}, sort_keys=True)
        return {
            "data_sha256": self.sha256,
            "split_sha256": hashlib.sha256(split.encode()).hexdigest(),
        }

    def __reduce__(self) -> tuple[Callable[[Path], Dataset], tuple[Path]]:
        """Another process opens the files for itself, once."""
        return _reopened, (self.path,)


@cache
def _reopened(path: Path) -> Dataset:
    return open_dataset(path)


def open_dataset(path: Path) -> Dataset:
    """Opens a folder that `prepare` made.

    Raises:
        DataError: not a prepared dataset, or one of another format.
    """
    load = partial(np.load, mmap_mode="r", allow_pickle=False)
    try:
        info = json.loads((path / "info.json").read_text(encoding="utf-8"))
        if info["format"] != FORMAT:
            raise DataError(f"{path}: format {info['format']}; expected {FORMAT}. Prepare it again.")
        rows = {name: np.asarray(r, dtype=np.int64) for name, r in info["rows"].items()}
        arrays = (load(path / "luma.npy"), load(path / "lightness.npy"), load(path / "ab.npy"))
        return Dataset(*arrays, info["names"], rows, info["sha256"], path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"{path}: not a prepared dataset; make one with `edgecolor dataset` ({error})."
        ) from error


def whole(data: Dataset, rows: NDArray[np.int64]) -> tuple[F32, F32]:
    """Whole photographs: L (n, 224, 224, 1) from luma, ab (n, 56, 56, 2), on the network's scales."""
    return NETWORK_INPUT[data.luma[rows]][..., None], data.ab[rows].astype(np.float32) / np.float32(AB_SCALE)
