"""Batches for training, made in this process or in several beside it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import keras

from edgecolor.data.dataset import Dataset
from edgecolor.training.augmentation import F16, Cuts
from edgecolor.training.recipe import Augmentation
from edgecolor_runtime.errors import MissingError

AHEAD = 3  # batches that each worker makes before they are asked for

Cut = tuple[F16, F16]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random cuts of `size` pixels from the train rows: L (n, size, size, 1), ab (n, size / 4, size / 4, 2).

    They are float16; the network takes them in at its own precision, and Keras the targets at the loss's.

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
        self._rows, self._outputs, self._ahead = len(data.rows["train"]), outputs, AHEAD * workers
        self._cuts = Cuts(data, min(batch, self._rows), seed, augment or Augmentation())
        # Started anew and not forked: a forked process would inherit the backend's threads and locks.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, context) if workers else None
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

    def __getitem__(self, index: int) -> tuple[F16, tuple[F16, ...]]:
        """One batch: (L, (ab, ...)), on the network's scales."""
        if self._pool is None:
            lightness, ab = self._cuts.of(self._epoch, self._size, index)
        else:
            lightness, ab = self._beside(self._pool, index)
        return lightness, (ab,) * self._outputs

    def _beside(self, pool: ProcessPoolExecutor, index: int) -> Cut:
        try:
            for i in range(index, min(index + self._ahead, len(self))):
                if i not in self._begun:
                    self._begun[i] = pool.submit(self._cuts.of, self._epoch, self._size, i)
            return self._begun.pop(index).result()
        except BrokenProcessPool as error:
            raise MissingError(
                "A process that made batches was killed; memory may be short. Try fewer --workers."
            ) from error

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
