"""Sources of training photographs: a folder of pictures, or the `.npy` layout of the original project.

The `.npy` layout:

    l/gray_scale.npy                       uint8 (N, 224, 224)      L x 255 / 100
    ab/ab/ab1.npy, ab2.npy, ab3.npy        uint8 (n, 224, 224, 2)   a + 128, b + 128
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecolor.data.photographs import list_photographs
from edgecolor.support.child_process import end_worker_with_parent
from edgecolor_runtime.colors.spaces import F32, U8, lab_to_rgb, lightness_to_gray, rgb_to_lab
from edgecolor_runtime.errors import DataError, PictureError
from edgecolor_runtime.images.reader import open_picture
from edgecolor_runtime.inference.preprocess import block_mean, squash
from edgecolor_runtime.models.signature import INPUT_SIZE

NPY_L = Path("l/gray_scale.npy")
NPY_AB = [Path(f"ab/ab/ab{i}.npy") for i in (1, 2, 3)]

VISIBLE_SHIFT = 8  # Lab units by which a color changes in sRGB that lies outside its gamut
MAX_SHARE_OUTSIDE_SRGB = 0.2  # of the pixels; ab on another scale exceeds this share
SCALE_SAMPLES = 64  # photographs whose scale is checked
ROWS_AT_ONCE = 512  # arrays of the `.npy` layout that are handed to the worker processes at a time


class TrainingPlanes(NamedTuple):
    """One prepared photograph: luma and lightness uint8 (224, 224), ab int8 (56, 56, 2)."""

    luma: U8
    lightness: U8
    ab: NDArray[np.int8]


def planes_of_rgb(photo: Image.Image) -> TrainingPlanes:
    """Prepare one photograph of mode RGB and any size."""
    luma = squash(photo.convert("L"))
    small = photo.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    lab = rgb_to_lab(np.asarray(small))
    return TrainingPlanes(luma, lightness_to_gray(lab[..., 0]), _ab_blocks(lab))


def planes_of_lab(lab: F32) -> TrainingPlanes:
    """Prepare one photograph given as CIE LAB, float32 (224, 224, 3)."""
    rgb = Image.fromarray(np.rint(lab_to_rgb(lab)).astype(np.uint8))
    return TrainingPlanes(squash(rgb.convert("L")), lightness_to_gray(lab[..., 0]), _ab_blocks(lab))


def _ab_blocks(lab: F32) -> NDArray[np.int8]:
    ab = np.stack([block_mean(lab[..., 1]), block_mean(lab[..., 2])], axis=-1)
    return np.clip(np.rint(ab), -127, 127).astype(np.int8)


def open_source(folder: Path) -> PhotoFolder | NpyLayout:
    """Open the training photographs of a folder.

    Raises:
        DataError: the folder is missing or empty, or its arrays have another type, shape or scale.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photographs.")
    return NpyLayout(folder) if (folder / NPY_L).is_file() else PhotoFolder(folder)


class PhotoFolder:
    """A folder of photographs, sorted by path.

    Attributes:
        folder: the folder.
        names: paths of the photographs below the folder, with "/".
    """

    def __init__(self, folder: Path) -> None:
        """List the folder; no photograph is read yet."""
        self.folder = folder
        self._files = list_photographs(folder)
        self.names = [path.relative_to(folder).as_posix() for path in self._files]

    def planes(self, workers: int | None) -> Iterator[TrainingPlanes | str]:
        """Yield the prepared photographs in order; for one that cannot be read or is damaged, the reason."""
        with ProcessPoolExecutor(workers, initializer=end_worker_with_parent) as pool:
            yield from pool.map(_read_photo, self._files, chunksize=32)


def _read_photo(path: Path) -> TrainingPlanes | str:
    try:
        return planes_of_rgb(open_picture(path, strict=True).to_rgb())
    except PictureError as error:
        return str(error).removeprefix(f"{path}: ")


class NpyLayout:
    """The `.npy` layout of the original project.

    Attributes:
        folder: the folder of the arrays.
        names: names of the rows, npy/000000 and so on.
    """

    def __init__(self, folder: Path) -> None:
        """Map the arrays into memory and check their type, shape and scale.

        Raises:
            DataError: an array has another type, shape or scale.
        """
        self.folder = folder
        self._lightness = _map_array(folder / NPY_L, (INPUT_SIZE, INPUT_SIZE))
        ab_files = [folder / path for path in NPY_AB if (folder / path).is_file()]
        self._ab = [_map_array(path, (INPUT_SIZE, INPUT_SIZE, 2)) for path in ab_files]
        total = sum(len(part) for part in self._ab)
        if len(self._lightness) != total:
            raise DataError(f"{folder}: {len(self._lightness)} L pictures but {total} ab pictures.")
        if not total:
            raise DataError(f"{folder}: the arrays are empty.")
        self._check_scale()
        self.names = [f"npy/{i:06d}" for i in range(total)]

    def _labs(self, indices: Iterable[int]) -> Iterator[F32]:
        starts = np.cumsum([0, *(len(part) for part in self._ab)])
        for i in indices:
            part = int(np.searchsorted(starts, i, side="right")) - 1
            yield opencv_to_lab(self._lightness[i], self._ab[part][i - starts[part]])

    def _check_scale(self) -> None:
        count = len(self._lightness)
        sample = range(0, count, max(1, count // SCALE_SAMPLES))
        brightest = max(int(self._lightness[i].max()) for i in sample)
        if brightest <= 100:
            raise DataError(
                f"{self.folder / NPY_L}: no value above {brightest}; L seems to be on the scale 0..100. "
                "Expected L x 255 / 100, as in OpenCV's 8-bit Lab."
            )
        outside = float(np.mean([out_of_gamut(lab) for lab in self._labs(sample)]))
        if outside > MAX_SHARE_OUTSIDE_SRGB:
            raise DataError(
                f"{self.folder}: {outside:.0%} of the colors lie outside sRGB: ab is on another scale. "
                "Expected a + 128 and b + 128 in uint8, as in OpenCV's 8-bit Lab."
            )

    def planes(self, workers: int | None) -> Iterator[TrainingPlanes | str]:
        """Yield the prepared photographs in order."""
        with ProcessPoolExecutor(workers, initializer=end_worker_with_parent) as pool:
            for start in range(0, len(self.names), ROWS_AT_ONCE):
                stop = min(start + ROWS_AT_ONCE, len(self.names))
                yield from pool.map(planes_of_lab, self._labs(range(start, stop)), chunksize=16)


def opencv_to_lab(lightness: U8, ab: U8) -> F32:
    """Convert OpenCV's 8-bit Lab, uint8 (h, w) and (h, w, 2), to Lab units, float32 (h, w, 3)."""
    return np.concatenate(
        [lightness[..., None] * np.float32(100 / 255), ab.astype(np.float32) - 128], axis=-1
    )


def out_of_gamut(lab: F32) -> float:
    """Return the share of pixels of (..., 3) that lie visibly outside sRGB: over 8 Lab units."""
    shown = rgb_to_lab(np.rint(lab_to_rgb(lab)).astype(np.uint8))
    return float((np.abs(shown - lab).max(axis=-1) > VISIBLE_SHIFT).mean())


def _map_array(path: Path, shape: tuple[int, ...]) -> U8:
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
