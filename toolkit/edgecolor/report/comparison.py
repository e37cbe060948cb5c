"""Evaluate, time and compare files on this machine; existing measurements are used again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from edgecolor.benchmarking.measure import bench_settings, bench_with, library_versions, this_machine
from edgecolor.data.photographs import identify_data
from edgecolor.evaluation.color_plane import PROTOCOL
from edgecolor.records.identity import identify
from edgecolor.records.model_evaluation import evaluate
from edgecolor.records.reader import read_record
from edgecolor.records.thumbnails import choose_thumbnails
from edgecolor.records.types import (
    BenchRecord,
    BenchSettings,
    EvaluationRecord,
    FileIdentity,
    Verdict,
    created_by,
)
from edgecolor.report.build import build_report
from edgecolor.report.contents import Report
from edgecolor.report.output_files import ReportFiles
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.system import files


def compare(
    models: Sequence[str | Path],
    photographs: str | Path,
    output: str | Path,
    *,
    threads: Sequence[int] = (),
    width: int = 640,
    height: int = 480,
    pictures: str = "*",
    within: float = 0.1,
    reference: str | None = None,
    markdown: str | Path | None = None,
    figures: str | Path | None = None,
    force: bool = False,
    on_progress: PrintLine = print_nothing,
) -> Report:
    """Evaluate and time files on this machine, and write a page that says which one to take.

    The record of each measurement is kept in a folder beside the page (report.records for report.html). It is
    used again for the same file, photographs, machine, settings and edgecolor. A .keras is evaluated, but not
    timed.

    Args:
        models: .keras and .tflite files, or names of shipped models.
        photographs: a folder of color photographs that no model was trained on.
        output: the HTML page to write.
        threads: numbers of CPU threads (default: 1 to 4, at most the number of cores).
        width: of a frame, pixels.
        height: of a frame, pixels.
        pictures: show up to 6 photographs whose names match this pattern.
        within: dB that the choice may lose against the reference.
        reference: name of the file to compare the others with (default: the most accurate).
        markdown: also write verdict and tables to this file.
        figures: also write the figures to this file, as JSON.
        force: replace existing files.
        on_progress: called with lines of progress.

    Raises:
        UsageError: an output file exists, no file can be timed, or an option is invalid.
        MissingError: a package that the report needs is not installed.
        EdgecolorError: see `evaluate`, `bench` and `build_report`.
    """
    folder = Path(photographs)
    targets = ReportFiles(
        Path(output),
        markdown=None if markdown is None else Path(markdown),
        json=None if figures is None else Path(figures),
        force=force,
    )
    targets.verify_writable("compare")
    choose_thumbnails(folder, pictures)  # both fail now rather than after the work
    settings = bench_settings(threads=threads, delegate=None, width=width, height=height)
    identities = _identify_all([str(model) for model in models], on_progress)
    timed = {name: file for name, file in identities.items() if file.flatbuffer_sha256}
    if not timed:
        raise UsageError("A .keras cannot be timed. Add a .tflite that `edgecolor export` made.")
    records = _RecordFolder(targets.html.with_suffix(".records"))
    evaluations = [
        _evaluated(name, file, records, folder=folder, pictures=pictures, on_progress=on_progress)
        for name, file in identities.items()
    ]
    benches = _timed(timed, records, settings, on_progress)
    names = short_names(list(identities))
    labels = {file.sha256: names[name] for name, file in identities.items()}
    report = build_report(evaluations, benches, within=within, reference=reference, labels=labels)
    targets.write(report)
    return report


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Return a name for each path: the file name, with enough folders to differ from the others."""
    tails = {model: Path(model).name for model in models}
    for length in range(2, max(len(Path(model).parts) for model in models) + 1):
        names = list(tails.values())
        for model in models:
            if names.count(tails[model]) > 1:
                tails[model] = Path(*Path(model).parts[-length:]).as_posix()
    return tails


def _left_out(record: EvaluationRecord) -> list[str]:
    return [entry.name for entry in record.evaluation.left_out]


def _identify_all(models: Sequence[str], on_progress: PrintLine) -> dict[str, FileIdentity]:
    identities: dict[str, FileIdentity] = {}
    for name in dict.fromkeys(models):
        file = identify(name)
        same = [other for other, known in identities.items() if known.sha256 == file.sha256]
        if same:
            on_progress(f"{name}: the same file as {same[0]}; left out")
        else:
            identities[name] = file
    return identities


class _RecordFolder:
    """The folder of the records of a comparison."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_evaluation(self, file: FileIdentity) -> EvaluationRecord | None:
        """Return the evaluation of a file, if there is one that can be read."""
        with suppress(DataError, FileNotFoundError):
            record = read_record(self._path(file, "evaluation"))
            return record if isinstance(record, EvaluationRecord) else None
        return None

    def read_bench(self, file: FileIdentity) -> BenchRecord | None:
        """Return the benchmark of a file, if there is one that can be read."""
        with suppress(DataError, FileNotFoundError):
            record = read_record(self._path(file, "bench"))
            return record if isinstance(record, BenchRecord) else None
        return None

    def write(self, file: FileIdentity, record: EvaluationRecord | BenchRecord) -> Path:
        """Write the record of a file; return the path."""
        kind = "evaluation" if isinstance(record, EvaluationRecord) else "bench"
        text = json.dumps(record.to_json(), indent=1) + "\n"
        files.write_bytes(self._path(file, kind), text.encode(), force=True)
        return self._path(file, kind)

    def _path(self, file: FileIdentity, kind: str) -> Path:
        return self._folder / f"{file.sha256[:16]}.{kind}.json"


def _evaluated(
    name: str,
    file: FileIdentity,
    records: _RecordFolder,
    *,
    folder: Path,
    pictures: str,
    on_progress: PrintLine,
) -> EvaluationRecord:
    record = records.read_evaluation(file)
    if (
        record is not None
        and (record.file.sha256, record.created_by) == (file.sha256, created_by())
        and record.evaluation.protocol == PROTOCOL
        and record.evaluation.data == identify_data(folder, without=_left_out(record))
        and tuple(picture.name for picture in record.pictures) == choose_thumbnails(folder, pictures)
    ):
        on_progress(f"{name}: evaluated before")
        return record
    on_progress(f"{name}: coloring the photographs")
    path = records.write(file, evaluate(name, folder, pictures=pictures))
    written = read_record(path)  # as the next comparison reads it: with rounded figures
    assert isinstance(written, EvaluationRecord)
    return written


def _timed(
    identities: Mapping[str, FileIdentity],
    records: _RecordFolder,
    settings: BenchSettings,
    on_progress: PrintLine,
) -> list[BenchRecord]:
    kept: dict[str, BenchRecord] = {}
    for name, file in identities.items():
        record = records.read_bench(file)
        if record is not None and _is_current(record, file, settings):
            on_progress(f"{name}: timed before")
            kept[name] = record
    new = [name for name in identities if name not in kept]
    if new:
        on_progress(f"timing in turns: {', '.join(new)}")
        together = bench_with(new, settings, on_progress=on_progress)
        for name, model in zip(new, together.models, strict=True):
            record = replace(together, models=(model,))
            kept[name] = replace(record, path=records.write(identities[name], record))
    return [kept[name] for name in identities]


def _is_current(record: BenchRecord, file: FileIdentity, settings: BenchSettings) -> bool:
    return (
        [model.file.sha256 for model in record.models] == [file.sha256]
        and record.created_by == created_by()
        and record.settings == settings
        and (record.machine, record.libraries) == (this_machine(), library_versions())
        and record.verdict.result is not Verdict.VOID
    )
