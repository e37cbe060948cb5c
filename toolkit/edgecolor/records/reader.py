"""Records of `evaluate` and `bench`, read with distrust: they come from other machines.

A record is refused as a whole or taken as a whole. What can be computed from single photographs and single
runs is computed again from them, so that a record cannot say one thing and mean another.
"""

from __future__ import annotations

import base64
import io
import json
import math
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgecolor.benchmarking import measure
from edgecolor.data.photographs import DataId
from edgecolor.evaluation.color_plane import Score
from edgecolor.records import evaluation
from edgecolor.records.types import BenchRecord, EvaluationRecord, FileIdentity, Picture
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import DataError
from edgecolor_runtime.models.signature import INPUT_SIZE

SCHEMAS = {
    measure.SCHEMA: measure.SCHEMA_FILE,
    evaluation.SCHEMA: evaluation.SCHEMA_FILE,
}
LARGEST = 64 << 20  # bytes of one record; 321 photographs take half a megabyte
GREATEST = 1e15  # no number of a record is beyond: a petabyte, thirty million years of milliseconds
LONGEST = 1000  # characters of a text that are kept


def read_records(paths: Sequence[Path]) -> tuple[list[EvaluationRecord], list[BenchRecord]]:
    """Reads records of both kinds, in the order given.

    Raises:
        DataError: one is no record, is damaged, or holds a number that cannot be.
        OSError: one cannot be read.
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
    """Reads one record; see `read_records`."""
    value = _parse(path)
    pictures = value.pop("pictures", []) if isinstance(value, dict) else []
    value = _printable(value)
    kind = value.get("schema") if isinstance(value, dict) else None
    if isinstance(value, dict) and kind is None and {"plane", "scores"} <= value.keys():
        raise DataError(f"{path}: an evaluation of an older edgecolor. Evaluate the file again.")
    if not isinstance(kind, str) or kind not in SCHEMAS:
        raise DataError(f"{path}: no record of `edgecolor evaluate -o` or `edgecolor bench -o`.")
    if kind == evaluation.SCHEMA:
        _verify(path, value | {"pictures": pictures}, kind)
        return _evaluation(path, value, pictures)
    _verify(path, value, kind)
    return _bench(path, value)


def _parse(path: Path) -> Any:
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST >> 20} MiB: no record of edgecolor.")
    try:
        return json.loads(
            path.read_text("utf-8"), parse_constant=_number, parse_float=_number, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{path}: not a JSON record: {reason}.") from error


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > GREATEST:
        raise ValueError(f"{text[:30]} is no number that can be measured")
    return value


def _integer(text: str) -> int:
    _number(text)
    return int(text)


def _printable(value: Any) -> Any:
    """The same without control characters, also those that turn the direction of text, and not too long."""
    if isinstance(value, str):
        shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in value[:LONGEST])
        return shown if len(value) <= LONGEST else f"{shown}…"
    if isinstance(value, dict):
        return {_printable(key): _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def _verify(path: Path, value: Any, kind: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(SCHEMAS[kind].read_text("utf-8"))
    if error := best_match(Draft202012Validator(schema).iter_errors(value)):
        where, why = error.json_path[:100], error.message if len(error.message) < 200 else error.validator
        raise DataError(f"{path}: not as {kind} has it: {where}: {why}.")


def _evaluation(path: Path, value: dict[str, Any], pictures: Sequence[dict[str, str]]) -> EvaluationRecord:
    scores = tuple(
        Score(**s | {key: tuple(s[key]) for key in ("colorfulness", "psnr")}) for s in value["scores"]
    )
    names = {s.name for s in scores}
    if not len(names) == len(scores) == value["data"]["photographs"]:
        raise DataError(f"{path}: {len(scores)} scores, which are not one for each photograph.")
    return EvaluationRecord(
        path=path,
        started=_moment(path, value["started"]),
        created_by=value["created_by"],
        file=FileIdentity(**value["file"]),
        data=DataId(**value["data"]),
        protocol=value["protocol"],
        scores=scores,
        pictures=tuple(_picture(path, p, names) for p in pictures),
    )


def _bench(path: Path, value: dict[str, Any]) -> BenchRecord:
    identity = FileIdentity.__dataclass_fields__
    for model in value["models"]:
        for run in model["runs"]:
            _verify_run(path, run)
    return BenchRecord(
        path=path,
        started=_moment(path, value["started"]),
        created_by=value["created_by"],
        machine=value["machine"],
        libraries=value["libraries"],
        settings=value["settings"],
        verdict=value["verdict"],
        before=value["before"],
        others=value["others"],
        models=tuple((FileIdentity(**{key: m[key] for key in identity}), m) for m in value["models"]),
    )


def _verify_run(path: Path, run: dict[str, Any]) -> None:
    total, stages = run["frame"]["total"], run["frame"]["stages"]
    for series in (run["invoke"], total, *stages.values()):
        if series["count"] != len(series["samples_ms"]):
            raise DataError(f"{path}: {len(series['samples_ms'])} samples where {series['count']} are told.")
    if not all(run["invoke"]["samples_ms"]) or not all(total["samples_ms"]):
        raise DataError(f"{path}: a run that took no time at all.")
    if any(series["count"] != total["count"] for series in stages.values()):
        raise DataError(f"{path}: stages of another number of frames than were measured.")


def _moment(path: Path, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{path}: started at {text[:40]!r}, which is no time.") from None
    if moment.tzinfo is None:
        raise DataError(f"{path}: started at {text[:40]!r}, without a time zone.")
    return moment


def _picture(path: Path, value: dict[str, str], names: set[str]) -> Picture:
    name = _printable(value["name"])
    if name not in names:
        raise DataError(f"{path}: a picture of {name[:60]!r}, which was not evaluated.")
    return Picture(name, *(_decoded(path, name, value[key]) for key in ("original", "finished")))


def _decoded(path: Path, name: str, encoded: str) -> U8:
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["JPEG"]) as image:
            if (image.mode, image.size) != ("RGB", (INPUT_SIZE, INPUT_SIZE)):
                raise ValueError(f"{image.mode} {image.size}")  # before any of its pixels are decoded
            return np.asarray(image)
    except Exception as error:  # Pillow raises anything on a damaged file
        raise DataError(f"{path}: the picture of {name[:60]!r} is no JPEG of {INPUT_SIZE} pixels.") from error
