"""Records for tests: copies of real records with changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def write(path: Path, record: Record) -> Path:
    path.write_text(json.dumps(record), "utf-8")
    return path


def copied(record: Record) -> Record:
    copy: Record = json.loads(json.dumps(record))
    return copy


def hash_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def evaluation_of(record: Record, name: str, *, gain: float = 0.0, bytes: int | None = None) -> Record:
    """Return an evaluation of another file, `gain` dB better at every saturation above 0."""
    changed = copied(record)
    changed["file"] |= {"file": name, "sha256": hash_of(name)} | ({"bytes": bytes} if bytes else {})
    for score in changed["scores"]:
        score["psnr"] = [p + gain * (i > 0) for i, p in enumerate(score["psnr"])]
    return changed


def timing_of(record: Record, **frames: float) -> Record:
    """Return a benchmark of other files; the values are milliseconds per frame."""
    changed = copied(record)
    model = changed["models"][0]
    changed["models"] = []
    for name, milliseconds in frames.items():
        made = copied(model) | {"file": name, "sha256": hash_of(name)}
        total = made["runs"][0]["frame"]["total"]
        total["samples_ms"] = [milliseconds] * total["count"]
        changed["models"].append(made)
    return changed


def machine_of(record: Record, **about: Any) -> Record:
    """Return a benchmark of another machine."""
    changed = copied(record)
    changed["machine"] |= about
    return changed


def model_of(record: Record, name: str) -> Record:
    models: list[Record] = [model for model in record["models"] if model["file"] == name]
    assert len(models) == 1
    return models[0]
