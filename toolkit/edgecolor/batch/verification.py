"""Check a folder of results against its manifest. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgecolor.batch.manifest import read_entries, recorded_result
from edgecolor.batch.plan import MANIFEST_NAME, PictureJob, are_many, plan_jobs
from edgecolor.support.json_records import JsonObject
from edgecolor_runtime.errors import UsageError
from edgecolor_runtime.system.machine import count_cores


@dataclass(frozen=True)
class ResultFault:
    """What is wrong with the result of one picture.

    Attributes:
        job: the picture and the path of its result.
        fault: what is wrong, the end of a sentence that begins with the path of the result.
    """

    job: PictureJob
    fault: str


@dataclass(frozen=True)
class FolderVerification:
    """The state of a folder of results.

    Attributes:
        results: number of results that should be there: one for each picture.
        faults: the results that are not there or not intact.
    """

    results: int
    faults: tuple[ResultFault, ...]


def verify_results(
    inputs: Sequence[Path],
    output: Path | None,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> FolderVerification:
    """Compare length and hash of every result with its line in the manifest.

    Args:
        inputs: the pictures and folders that were colored.
        output: the folder of results.
        on_progress: called with the number of results that were checked and the number of all.

    Raises:
        UsageError: the output has no manifest.
        PictureError: a folder has no pictures.
        DataError: the manifest was not written by edgecolor.
    """
    if output is None or not are_many(inputs) or not (output / MANIFEST_NAME).is_file():
        raise UsageError(f"--verify needs -o with a folder of results that has a {MANIFEST_NAME}")
    jobs = plan_jobs(inputs, output).jobs
    entries = {entry["result"]: entry for entry, _ in read_entries(output / MANIFEST_NAME)}

    def describe(job: PictureJob) -> str | None:
        return _describe_fault(job, entries.get(job.target.relative_to(output).as_posix()))

    faults = []
    with ThreadPoolExecutor(count_cores()) as pool:
        for done, (job, fault) in enumerate(zip(jobs, pool.map(describe, jobs), strict=True), 1):
            if fault is not None:
                faults.append(ResultFault(job, fault))
            on_progress(done, len(jobs))
    return FolderVerification(len(jobs), tuple(faults))


def _describe_fault(job: PictureJob, entry: JsonObject | None) -> str | None:
    if entry is None:
        return "has no line in the manifest: its picture has not been colored"
    if entry["status"] != "done":
        return f"was not made: {entry.get('reason')}"
    recorded = recorded_result(entry, ())
    if damage := recorded.describe_damage(job.target):
        return damage
    return None if recorded.has_same_source(job.source) else "is older than its picture, which has changed"
