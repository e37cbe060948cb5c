"""Give finished pictures their names in batches: data first, then the lines of the manifest.

A flush to the disk costs milliseconds. Pictures that share a flush cost a fraction of that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from edgecolor.batch.manifest import Manifest
from edgecolor.batch.plan import ColoringOptions, PictureResult
from edgecolor.support.signals import postponed_signals
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.system.files import StagedFile, discard, publish_all

MAX_UNSYNCED_RESULTS = 64
"""Finished pictures that a power cut or a kill may lose: the next run colors them again."""

MAX_UNSYNCED_SECONDS = 1.0
"""Time for which a finished picture waits for others while pictures keep finishing."""


class ResultCommitter:
    """Collects staged results; flushes, names and records them together.

    At the end of a batch every result is on the disk under its name before its line is in the manifest.

    Args:
        manifest: the manifest of the output; None if there is none.
        options: say which existing files may be replaced.
        on_result: called with each result that is on the disk, and with each failed result.
    """

    def __init__(
        self,
        manifest: Manifest | None,
        options: ColoringOptions,
        on_result: Callable[[PictureResult], None],
    ) -> None:
        self._manifest = manifest
        self._options = options
        self._on_result = on_result
        self._results: list[PictureResult] = []
        self._committed = time.monotonic()
        self._failed = False

    def add(self, result: PictureResult) -> None:
        """Take a result, and commit the batch if it is full or old.

        Raises:
            EdgecolorError: the manifest cannot be written, or the output folder has vanished.
        """
        self._results.append(result)
        if self._failed:
            return
        if (
            len(self._results) >= MAX_UNSYNCED_RESULTS
            or time.monotonic() - self._committed > MAX_UNSYNCED_SECONDS
        ):
            self.commit()

    def commit(self) -> None:
        """Flush and name the results that wait, then record them. A signal is handled afterwards.

        Raises:
            EdgecolorError: the manifest cannot be written, or the output folder has vanished.
        """
        with postponed_signals():  # `on_result` learns of every line in the manifest
            self._commit()

    def _commit(self) -> None:
        results, self._results = self._results, []
        try:
            if self._manifest:
                self._manifest.verify_present()
            results = publish_results(results, self._options)
            if self._manifest:
                self._manifest.append(results)
        except EdgecolorError:
            self._failed = True
            raise
        finally:
            discard(_staged(results))
        for result in results:
            self._on_result(result)
        self._committed = time.monotonic()

    def __enter__(self) -> ResultCommitter:
        """Return the committer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what waits. After an error of the output, discard it."""
        if self._failed:
            discard(_staged(self._results))
        else:
            self.commit()


def publish_results(results: list[PictureResult], options: ColoringOptions) -> list[PictureResult]:
    """Flush staged results and give them their names. A result that has not got its name gets the error."""
    numbers = [number for number, result in enumerate(results) if result.staged is not None]
    staged = _staged(results)
    replaceable = {file.path for file in staged} if options.force else options.replaceable
    errors = publish_all(staged, replaceable=replaceable)
    published = list(results)
    for number, error in zip(numbers, errors, strict=True):
        published[number] = replace(results[number], staged=None, error=error)
    return published


def _staged(results: list[PictureResult]) -> list[StagedFile]:
    return [result.staged for result in results if result.staged is not None]
