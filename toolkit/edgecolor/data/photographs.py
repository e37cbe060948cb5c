"""Sources of training photographs: a folder of them, or the `.npy` layout of the original project.

l/gray_scale.npy                       uint8 (N, 224, 224)      L x 255 / 100
ab/ab/ab1.npy, ab2.npy, ab3.npy        uint8 (n, 224, 224, 2)   a + 128, b + 128
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgecolor_runtime.colors.spaces import F32, U8, lab_to_rgb, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.inference.preprocess import block_mean, squash
from edgecolor_runtime.models.signature import INPUT_SIZE

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}

NPY_L = Path("l/gray_scale.npy")
NPY_AB = [Path(f"ab/ab/ab{i}.npy") for i in (1, 2, 3)]


class Planes(NamedTuple):
    """One prepared photograph: luma and lightness uint8 (224, 224), ab int8 (56, 56, 2)."""

    luma: U8
    lightness: U8
    ab: NDArray[np.int8]


def planes_of_rgb(photo: Image.Image) -> Planes:
    """Prepares one photograph of mode RGB, any size."""
    luma = squash(photo.convert("L"))
    small = photo.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    lab = rgb_to_lab(np.asarray(small))
    return Planes(luma, lightness_to_gray(lab[..., 0]), _ab_blocks(lab))


def planes_of_lab(lab: F32) -> Planes:
    """Prepares one photograph given as CIE LAB, float32 (224, 224, 3)."""
    rgb = Image.fromarray(np.rint(lab_to_rgb(lab)).astype(np.uint8))
    return Planes(squash(rgb.convert("L")), lightness_to_gray(lab[..., 0]), _ab_blocks(lab))


def _ab_blocks(lab: F32) -> NDArray[np.int8]:
    ab = np.stack([block_mean(lab[..., 1]), block_mean(lab[..., 2])], axis=-1)
    return np.clip(np.rint(ab), -127, 127).astype(np.int8)


def open_source(where: Path) -> PhotoFolder | NpyLayout:
    """The source in a folder.

    Raises:
        DataError: no such folder, nothing in it, or arrays of another type, shape or scale.
    """
    if not where.is_dir():
        raise DataError(f"{where}: no such folder of photographs.")
    return NpyLayout(where) if (where / NPY_L).is_file() else PhotoFolder(where)


class PhotoFolder:
    """A folder of photographs, in the order of their names."""

    def __init__(self, where: Path) -> None:
        """Lists the folder; no file is read yet."""
        self.where = where
        self._files = sorted(
            p for p in where.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file()
        )
        if not self._files:
            raise DataError(f"{where}: no photographs ({', '.join(sorted(PHOTO_SUFFIXES))}) in it.")
        self.names = [p.relative_to(where).as_posix() for p in self._files]

    def planes(self, workers: int | None) -> Iterator[Planes | None]:
        """Prepared photographs in order; None for one that cannot be read."""
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(_read_photo, self._files, chunksize=32)


def _read_photo(path: Path) -> Planes | None:
    try:
        with Image.open(path) as file:
            return planes_of_rgb(ImageOps.exif_transpose(file).convert("RGB"))
    except Exception:  # Pillow raises anything on a damaged file
        return None


class NpyLayout:
    """The `.npy` layout of the original project; a wrong scale is an error, not a guess."""

    def __init__(self, where: Path) -> None:
        """Maps the arrays and checks type, shape and scale."""
        self.where = where
        self._lightness = _map(where / NPY_L, (INPUT_SIZE, INPUT_SIZE))
        self._ab = [_map(where / p, (INPUT_SIZE, INPUT_SIZE, 2)) for p in NPY_AB if (where / p).is_file()]
        total = sum(len(part) for part in self._ab)
        if len(self._lightness) != total:
            raise DataError(f"{where}: {len(self._lightness)} L pictures but {total} ab pictures.")
        if not total:
            raise DataError(f"{where}: the arrays are empty.")
        self._check_scale()
        self.names = [f"npy/{i:06d}" for i in range(total)]

    def _labs(self, indices: Iterable[int]) -> Iterator[F32]:
        starts = np.cumsum([0, *(len(part) for part in self._ab)])
        for i in indices:
            part = int(np.searchsorted(starts, i, side="right")) - 1
            yield opencv_to_lab(self._lightness[i], self._ab[part][i - starts[part]])

    def _check_scale(self) -> None:
        sample = range(0, len(self._lightness), max(1, len(self._lightness) // 64))
        brightest = max(int(self._lightness[i].max()) for i in sample)
        if brightest <= 100:
            raise DataError(
                f"{self.where / NPY_L}: no value above {brightest}; L seems to be on the scale 0..100. "
                "Expected L x 255 / 100, as OpenCV's 8-bit Lab has it."
            )
        labs = list(self._labs(sample))
        outside = float(np.mean([out_of_gamut(lab) for lab in labs]))
        if outside > 0.2:
            raise DataError(
                f"{self.where}: {outside:.0%} of the colors lie outside sRGB: ab is on another scale. "
                "Expected a + 128 and b + 128 in uint8, as OpenCV's 8-bit Lab has it."
            )

    def planes(self, workers: int | None) -> Iterator[Planes | None]:
        """Prepared photographs in order."""
        with ProcessPoolExecutor(workers) as pool:
            for start in range(0, len(self.names), 512):
                stop = min(start + 512, len(self.names))
                yield from pool.map(planes_of_lab, self._labs(range(start, stop)), chunksize=16)


def opencv_to_lab(lightness: U8, ab: U8) -> F32:
    """OpenCV's 8-bit Lab, uint8 (h, w) and (h, w, 2), to Lab units, float32 (h, w, 3)."""
    return np.concatenate(
        [lightness[..., None] * np.float32(100 / 255), ab.astype(np.float32) - 128], axis=-1
    )


def out_of_gamut(lab: F32) -> float:
    """Share of pixels of (..., 3) whose color changes by more than 8 Lab units when it is shown in sRGB."""
    shown = rgb_to_lab(np.rint(lab_to_rgb(lab)).astype(np.uint8))
    return float((np.abs(shown - lab).max(axis=-1) > 8).mean())


def _map(path: Path, shape: tuple[int, ...]) -> U8:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not readable as a .npy array ({error}).") from error
    if array.dtype != np.uint8 or array.shape[1:] != shape:
        raise DataError(
            f"{path}: found {array.dtype} {array.shape}; expected uint8 (n, {', '.join(map(str, shape))})."
        )
    mapped: U8 = array
    return mapped


@dataclass(frozen=True)
class DataId:
    """Which photographs: their number, and the SHA-256 of their names and contents."""

    photographs: int
    sha256: str


def photographs_of(folder: Path) -> list[Path]:
    """Every picture under a folder, sorted.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photographs.")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{folder}: no photographs in it; looked for {' '.join(sorted(PHOTO_SUFFIXES))}.")
    return paths


def data_id(folder: Path) -> DataId:
    """Which photographs are in a folder.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    paths = photographs_of(folder)
    hashes = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    return DataId(len(paths), hash_of_set(hashes))


def hash_of_set(hashes: dict[str, str]) -> str:
    """SHA-256 over the lines "sha256  name", sorted by name: a set's identity, wherever it lies."""
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(os.fsencode(lines)).hexdigest()
