"""Read records with distrust: they come from other machines.

A record is refused or accepted as a whole. Means are computed again from the single photographs, and the
report computes quantiles from the single samples. Therefore a record cannot state figures that its samples
contradict.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edgecolor.evaluation.color_plane import compute_plane
from edgecolor.records.schemas import SCHEMAS
from edgecolor.records.thumbnails import decode_thumbnail
from edgecolor.records.types import (
    EVALUATION_SCHEMA,
    BenchRecord,
    BenchRun,
    EvaluationRecord,
    Thumbnail,
)
from edgecolor.support.json_records import JsonObject, from_json
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.models.signature import INPUT_SIZE
from edgecolor_runtime.system.strict_json import parse_json

MAX_RECORD_BYTES = 64 << 20  # 321 photographs take half a megabyte
MAX_NUMBER = 1e15  # no number of a record is larger: a petabyte, thirty million years of milliseconds
MAX_TEXT_CHARACTERS = 1000  # longer texts are cut

Record = TypeVar("Record", EvaluationRecord, BenchRecord)


def read_records(paths: Sequence[Path]) -> tuple[list[EvaluationRecord], list[BenchRecord]]:
    """Read records of both kinds, in the order given.

    Raises:
        DataError: a file is no record, is damaged, or holds an impossible number.
        OSError: a file cannot be read.
    """
    evaluations, benches = [], []
    for path in paths:
        record = read_record(path)
        if isinstance(record, EvaluationRecord):
            evaluations.append(record)
        else:
            benches.append(record)
    return evaluations, benches


def read_record(path: Path) -> EvaluationRecord | BenchRecord:
    """Read one record; see `read_records`."""
    value = _parse(path)
    title = value.get("schema") if isinstance(value, dict) else None
    if isinstance(value, dict) and title is None and {"plane", "scores"} <= value.keys():
        raise DataError(f"{path}: an evaluation of an older edgecolor. Evaluate the file again.")
    if not isinstance(title, str) or title not in SCHEMAS:
        raise DataError(
            f"{path}: not a record. `edgecolor evaluate -o` and `edgecolor bench -o` write records."
        )
    _verify_schema(path, value, title)
    if title == EVALUATION_SCHEMA:
        return _verify_evaluation(path, _convert(path, EvaluationRecord, _printable_evaluation(value)))
    return _verify_bench(path, _convert(path, BenchRecord, _printable(value)))


def _parse(path: Path) -> Any:
    if path.stat().st_size > MAX_RECORD_BYTES:
        raise DataError(f"{path}: larger than {MAX_RECORD_BYTES >> 20} MiB: not a record of edgecolor.")
    try:
        return parse_json(
            path.read_text("utf-8"), parse_constant=_number, parse_float=_number, parse_int=_integer
        )
    except ValueError as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path}: not a JSON record: {reason}.") from error


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise ValueError(f"{text[:30]} is not a number that can be measured")
    return value


def _integer(text: str) -> int:
    _number(text)
    return int(text)


def _verify_schema(path: Path, value: Any, title: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        error = best_match(Draft202012Validator(SCHEMAS[title].read()).iter_errors(value))
    except RecursionError:
        raise DataError(f"{path}: not valid as {title}: it is nested too deeply.") from None
    if error:
        where = _printable(error.json_path[:100])
        why = _printable(error.message) if len(error.message) < 200 else error.validator
        raise DataError(f"{path}: not valid as {title}: {where}: {why}.")


def _printable(value: Any) -> Any:
    """Return the value with control characters (also of text direction) replaced and long texts cut."""
    if isinstance(value, str):
        shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in value[:MAX_TEXT_CHARACTERS])
        return shown if len(value) <= MAX_TEXT_CHARACTERS else f"{shown}…"
    if isinstance(value, dict):
        return {_printable(key): _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def _printable_evaluation(value: JsonObject) -> JsonObject:
    """Return the same as `_printable`, but keep the Base64 of the pictures whole."""
    pictures = [picture | {"name": _printable(picture["name"])} for picture in value["pictures"]]
    return dict(_printable(value | {"pictures": []})) | {"pictures": pictures}


def _convert(path: Path, kind: type[Record], value: JsonObject) -> Record:
    try:
        return replace(from_json(kind, value), path=path)
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from error


def _verify_evaluation(path: Path, record: EvaluationRecord) -> EvaluationRecord:
    scores, data = record.evaluation.scores, record.evaluation.data
    names = {score.name for score in scores}
    if not len(names) == len(scores) == data.photographs:
        raise DataError(
            f"{path}: {len(scores)} scores of {len(names)} photographs, not one for each of the "
            f"{data.photographs} photographs."
        )
    for picture in record.pictures:
        _verify_thumbnail(path, picture, names)
    return replace(record, evaluation=replace(record.evaluation, plane=compute_plane(scores)))


def _verify_thumbnail(path: Path, thumbnail: Thumbnail, names: set[str]) -> None:
    name = thumbnail.name[:60]
    if thumbnail.name not in names:
        raise DataError(f"{path}: a picture of {name!r}, a photograph that was not evaluated.")
    for jpeg in (thumbnail.original, thumbnail.finished):
        try:
            decode_thumbnail(jpeg)
        except ValueError as error:
            raise DataError(
                f"{path}: the picture of {name!r} is not a JPEG of {INPUT_SIZE} pixels: {error}."
            ) from error


def _verify_bench(path: Path, record: BenchRecord) -> BenchRecord:
    for model in record.models:
        for run in model.runs:
            _verify_run(path, run)
    return record


def _verify_run(path: Path, run: BenchRun) -> None:
    total, stages = run.frame.total, run.frame.stages
    stage_series = (stages.capture, stages.prepare, stages.invoke, stages.finish, stages.encode)
    for series in (run.invoke, total, *stage_series):
        if series.count != len(series.samples_ms):
            raise DataError(f"{path}: {len(series.samples_ms)} samples, but a count of {series.count}.")
    if not all(run.invoke.samples_ms) or not all(total.samples_ms):
        raise DataError(f"{path}: a run that took no time at all.")
    if any(series.count != total.count for series in stage_series):
        raise DataError(f"{path}: the stages have another number of frames than the run.")
