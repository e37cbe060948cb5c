"""Files evaluated, timed and reported on this machine; what was measured before is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecolor.benchmarking import measure
from edgecolor.data.photographs import identify_data
from edgecolor.evaluation.color_plane import PROTOCOL
from edgecolor.records.evaluation import chosen, created_by, evaluate_file
from edgecolor.records.identity import identify
from edgecolor.records.reader import read_record
from edgecolor.records.types import BenchRecord, EvaluationRecord, FileIdentity
from edgecolor.report.build import Report, report
from edgecolor_runtime.errors import DataError, UsageError
from edgecolor_runtime.system import files, machine

Say = Callable[[str], None]


def compare(
    models: Sequence[str],
    folder: Path,
    records: Path,
    options: measure.Options,
    *,
    pictures: str,
    within: float,
    reference: str | None,
    say: Say,
) -> Report:
    """Evaluates and times files, keeps a record of each, and compares them.

    A record that is there already serves if it is about the same file, photographs and machine, by the same
    edgecolor and protocol. A .keras is evaluated, and not timed.

    Args:
        models: .keras and .tflite files, or shipped models' names.
        folder: of photographs.
        records: the folder to keep records in.
        options: how to time.
        pictures: as of `evaluate_file`.
        within: as of `report`.
        reference: as of `report`.
        say: takes a line of progress.

    Raises:
        UsageError: no file that can be timed.
        EdgecolorError: whatever `evaluate_file`, `bench` and `report` raise.
    """
    chosen(folder, pictures)  # both refused now rather than after the work
    measure.refuse_threads(options)
    files = _identified(models, say)
    timed = {name: file for name, file in files.items() if file.flatbuffer_sha256}
    if not timed:
        raise UsageError("A .keras cannot be timed: add a .tflite, as `edgecolor export` makes it.")
    evaluations = [_evaluated(name, file, folder, records, pictures, say) for name, file in files.items()]
    benches = _timed(timed, records, options, say)
    names = short_names(list(files))
    labels = {file.sha256: names[name] for name, file in files.items()}
    return report(evaluations, benches, within=within, reference=reference, labels=labels)


def short_names(models: Sequence[str]) -> dict[str, str]:
    """What to call each: its file's name, with as many folders before it as tell it from the others."""
    tails = {model: Path(model).name for model in models}
    for length in range(2, max(len(Path(model).parts) for model in models) + 1):
        names = list(tails.values())
        for model in models:
            if names.count(tails[model]) > 1:
                tails[model] = Path(*Path(model).parts[-length:]).as_posix()
    return tails


def _identified(models: Sequence[str], say: Say) -> dict[str, FileIdentity]:
    files: dict[str, FileIdentity] = {}
    for name in dict.fromkeys(models):
        file = identify(name)
        same = [other for other, known in files.items() if known.sha256 == file.sha256]
        if same:
            say(f"{name}: the same file as {same[0]}; left out")
        else:
            files[name] = file
    return files


def _evaluated(
    name: str, file: FileIdentity, folder: Path, records: Path, pictures: str, say: Say
) -> EvaluationRecord:
    path = records / f"{file.sha256[:16]}.evaluation.json"
    found = _read(path)
    if (
        isinstance(found, EvaluationRecord)
        and (found.file.sha256, found.protocol, found.created_by) == (file.sha256, PROTOCOL, created_by())
        and found.data == identify_data(folder)
        and tuple(p.name for p in found.pictures) == chosen(folder, pictures)
    ):
        say(f"{name}: evaluated before")
        return found
    say(f"{name}: colors the photographs")
    _, record = evaluate_file(name, folder, pictures=pictures)
    _write(path, record)
    kept = read_record(path)
    assert isinstance(kept, EvaluationRecord)
    return kept


def _timed(
    files: Mapping[str, FileIdentity], records: Path, options: measure.Options, say: Say
) -> list[BenchRecord]:
    paths = {name: records / f"{file.sha256[:16]}.bench.json" for name, file in files.items()}
    new = [name for name, file in files.items() if not _was_timed(paths[name], file, options)]
    for name in files:
        if name not in new:
            say(f"{name}: timed before")
    if new:
        say(f"timed in turns: {', '.join(new)}")
        record = measure.bench(new, options, say)
        for name, model in zip(new, record["models"], strict=True):
            _write(paths[name], record | {"models": [model]})
    kept = [read_record(path) for path in paths.values()]
    return [record for record in kept if isinstance(record, BenchRecord)]


def _was_timed(path: Path, file: FileIdentity, options: measure.Options) -> bool:
    found = _read(path)
    return (
        isinstance(found, BenchRecord)
        and [known.sha256 for known, _ in found.models] == [file.sha256]
        and found.created_by == created_by()
        and found.settings == measure.settings(options)
        and (found.machine, found.libraries) == (machine.identity(), measure.libraries())
        and found.verdict["result"] != "void"
    )


def _read(path: Path) -> EvaluationRecord | BenchRecord | None:
    """A record, if there is one that can be read."""
    with suppress(DataError, FileNotFoundError):
        return read_record(path)
    return None


def _write(path: Path, record: dict[str, Any]) -> None:
    files.write_bytes(path, json.dumps(record, indent=1).encode() + b"\n", force=True)
