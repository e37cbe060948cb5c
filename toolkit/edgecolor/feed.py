"""Batches for training, made in this process or in several beside it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from edgecolor.cuts import Cuts
from edgecolor.dataset import Dataset, open_dataset
from edgecolor.recipe import Augmentation
from edgecolor_runtime.color import F32
from edgecolor_runtime.preprocess import AB_SCALE, NETWORK_INPUT

AHEAD = 3  # batches that each worker makes before they are asked for

Cut = tuple[F32, F32]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random cuts of `size` pixels from the train rows: L (n, size, size, 1), ab (n, size / 4, size / 4, 2).

    A resumed run sees what the killed one would have seen, and so do any number of workers: see `Cuts`.
    """

    def __init__(
        self,
        data: Dataset,
        *,
        batch: int,
        size: int,
        seed: int,
        outputs: int = 2,
        augment: Augmentation | None = None,
        workers: int = 0,
    ) -> None:
        """Batches of `batch` photographs; the ab target is repeated for each of the model's `outputs`.

        With `workers`, so many processes make them ahead; without, this one does when it is asked.
        """
        super().__init__(workers=1)
        self._rows, self._outputs, self._workers_beside = len(data.rows["train"]), outputs, workers
        self._cuts = Cuts(data, min(batch, self._rows), seed, augment or Augmentation())
        self._pool = _pool(workers, data.path, self._cuts) if workers else None
        self._begun: dict[int, Future[Cut]] = {}
        self.start_epoch(0, size)

    def start_epoch(self, epoch: int, size: int) -> None:
        """Chooses the order of this epoch and the size of its pictures, a multiple of 32."""
        self._epoch, self._size = epoch, size
        self._begun.clear()

    @property
    def batch(self) -> int:
        """Photographs in a batch."""
        return self._cuts.batch

    def __len__(self) -> int:
        """Batches in an epoch; the incomplete last one is left out."""
        return self._rows // self.batch

    def __getitem__(self, index: int) -> tuple[F32, tuple[F32, ...]]:
        """One batch: (L, (ab, ...)), on the network's scales."""
        if self._pool is None:
            lightness, ab = self._cuts.of(self._epoch, self._size, index)
        else:
            for i in range(index, min(index + AHEAD * self._workers_beside, len(self))):
                if i not in self._begun:
                    self._begun[i] = self._pool.submit(_cut_beside, self._epoch, self._size, i)
            lightness, ab = self._begun.pop(index).result()
        return lightness, (ab,) * self._outputs

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


_beside: Cuts


def _pool(workers: int, data: Path, cuts: Cuts) -> ProcessPoolExecutor:
    # Started anew and not forked: a forked process would inherit the backend's threads and locks.
    return ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        initializer=_open_beside,
        initargs=(data, cuts.batch, cuts.seed, cuts.augment),
    )


def _open_beside(data: Path, batch: int, seed: int, augment: Augmentation) -> None:
    global _beside
    _beside = Cuts(open_dataset(data), batch, seed, augment)


def _cut_beside(epoch: int, size: int, index: int) -> Cut:
    return _beside.of(epoch, size, index)


def whole(data: Dataset, rows: NDArray[np.int64]) -> tuple[F32, F32]:
    """Whole photographs: L (n, 224, 224, 1) from luma, ab (n, 56, 56, 2), on the network's scales."""
    return NETWORK_INPUT[data.luma[rows]][..., None], data.ab[rows].astype(np.float32) / np.float32(AB_SCALE)
