"""Batches for training, made in this process or ahead of time in worker processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import keras

from edgecolor.data.dataset import Dataset, Split
from edgecolor.support.child_process import end_worker_with_parent
from edgecolor.training.augmentation import F16, AugmentedCrops
from edgecolor.training.recipe import Augmentation
from edgecolor_runtime.errors import MissingError

BATCHES_AHEAD = 3  # per worker

CropBatch = tuple[F16, F16]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random crops of the train photographs: L (n, size, size, 1), ab (n, size / 4, size / 4, 2), float16.

    The network converts L to its own precision, and Keras converts ab to that of the loss.

    A batch depends only on seed, epoch and index, see `AugmentedCrops`. A resumed run, or one with workers,
    therefore sees the same batches as an unbroken run in one process.
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
        """Prepare the batches of epoch 0.

        Args:
            data: a prepared dataset.
            batch: photographs in a batch; at most all train photographs.
            size: pixels per side in epoch 0, a multiple of 32.
            seed: of the order and of every random choice.
            outputs: of the model; ab is the target of each.
            augment: how photographs are varied (default: as `Augmentation`).
            workers: number of processes that make batches ahead; 0: this process makes each batch when
                needed.
        """
        super().__init__(workers=1)
        self._rows, self._outputs, self._ahead = len(data.rows[Split.TRAIN]), outputs, BATCHES_AHEAD * workers
        self._crops = AugmentedCrops(data, min(batch, self._rows), seed, augment or Augmentation())
        # Spawned, because a forked process would inherit the backend's threads and locks.
        context = multiprocessing.get_context("spawn")
        self._pool = None
        if workers:
            self._pool = ProcessPoolExecutor(workers, context, initializer=end_worker_with_parent)
        self._pending: dict[int, Future[CropBatch]] = {}
        self.start_epoch(0, size)

    def start_epoch(self, epoch: int, size: int) -> None:
        """Choose the order of this epoch and its picture size, a multiple of 32."""
        self._epoch, self._size = epoch, size
        self._pending.clear()

    @property
    def batch(self) -> int:
        """Photographs in a batch."""
        return self._crops.batch

    def __len__(self) -> int:
        """Return the number of batches in an epoch, without the incomplete last one."""
        return self._rows // self.batch

    def __getitem__(self, index: int) -> tuple[F16, tuple[F16, ...]]:
        """Return one batch: (L, (ab, ...)), on the scales of the network."""
        if self._pool is None:
            lightness, ab = self._crops.make_batch(self._epoch, self._size, index)
        else:
            lightness, ab = self._from_workers(self._pool, index)
        return lightness, (ab,) * self._outputs

    def _from_workers(self, pool: ProcessPoolExecutor, index: int) -> CropBatch:
        try:
            for i in range(index, min(index + self._ahead, len(self))):
                if i not in self._pending:
                    self._pending[i] = pool.submit(self._crops.make_batch, self._epoch, self._size, i)
            return self._pending.pop(index).result()
        except BrokenProcessPool as error:
            raise MissingError(
                "A process that makes batches was killed, perhaps for lack of memory. Try fewer --workers."
            ) from error

    def close(self) -> None:
        """Stop the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
