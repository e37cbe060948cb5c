"""The types of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from edgecolor.data.photographs import DataId
from edgecolor.evaluation.color_plane import Score
from edgecolor.support.timing import quantile
from edgecolor_runtime.colors.spaces import U8


@dataclass(frozen=True)
class Distribution:
    """Samples in ascending order, and some of their quantiles."""

    samples: tuple[float, ...]
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    p99: float


def distribution(samples: Sequence[float]) -> Distribution:
    """Of at least one sample."""
    ordered = sorted(samples)
    return Distribution(tuple(ordered), *(quantile(ordered, q / 100) for q in (10, 25, 50, 75, 90, 99)))


class Picture(NamedTuple):
    """A photograph and what a model made of it, uint8 (224, 224, 3) each."""

    name: str
    original: U8
    finished: U8


@dataclass(frozen=True)
class EvaluationRecord:
    """How well one file colors one set of photographs."""

    path: Path
    started: datetime
    created_by: str
    file: FileIdentity
    data: DataId
    protocol: str
    scores: tuple[Score, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class BenchRecord:
    """How fast files are on one machine; the dicts are as `bench.schema.json` has them."""

    path: Path
    started: datetime
    created_by: str
    machine: dict[str, Any]
    libraries: dict[str, Any]
    settings: dict[str, Any]
    verdict: dict[str, Any]
    before: dict[str, Any]
    others: float | None
    models: tuple[tuple[FileIdentity, dict[str, Any]], ...]


@dataclass(frozen=True)
class FileIdentity:
    """A model file.

    Attributes:
        file: its name without folders, or the shipped model's name.
        sha256: of the whole file.
        flatbuffer_sha256: of the part that computes; None for a .keras, which has none.
        bytes: of the whole file.
        name: what the model calls itself.
        precision: one of the runtime's PRECISIONS; a .keras is float32.
        alpha: the width multiplier; None where a .keras has no facts beside it.
        parameters: their number; None for a .keras.
    """

    file: str
    sha256: str
    flatbuffer_sha256: str | None
    bytes: int
    name: str
    version: str
    precision: str
    alpha: float | None
    parameters: int | None
