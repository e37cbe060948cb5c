"""The records of `edgecolor evaluate` and `edgecolor bench`.

A record is one frozen dataclass from its measurement to the report. `edgecolor.support.json_records` writes
and reads its JSON form; the members of the JSON objects have the names of the fields. `schemas.py` generates
the JSON schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import edgecolor_runtime
from edgecolor.evaluation.scores import DECIMALS, Evaluation
from edgecolor.support.json_records import (
    EXCLUDED,
    INLINE,
    Count,
    JsonObject,
    NonNegative,
    Schema,
    Sha256,
    to_json,
)
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.system.machine import THROTTLING

EVALUATION_SCHEMA: Literal["edgecolor-evaluation/1"] = "edgecolor-evaluation/1"
BENCH_SCHEMA: Literal["edgecolor-bench/1"] = "edgecolor-bench/1"

MAX_THUMBNAILS = 6  # of a record
MAX_OTHERS = 0.25  # processors that other programs may keep busy; with more, times are too long
CAPTURE = "a gray JPEG frame, decoded by Pillow"  # what the stage of this name does

ThrottlingCause = Annotated[str, Schema(enum=list(THROTTLING))]
Jpeg = Annotated[bytes, Schema(maxLength=300_000)]


def created_by() -> str:
    """Return what a record of this version names as its creator."""
    return f"edgecolor {edgecolor_runtime.__version__}"


@dataclass(frozen=True)
class FileIdentity:
    """A model file.

    Attributes:
        file: file name without folders, or the name of a shipped model.
        sha256: of the whole file.
        flatbuffer_sha256: of the flatbuffer in the file; None for a .keras, which has none.
        bytes: size of the whole file.
        name: name in the model's description.
        version: version in the model's description.
        precision: what the network computes in; a .keras is float32.
        alpha: width multiplier; None for a .keras without a description.
        parameters: number of parameters; None for a .keras.
    """

    file: str
    sha256: Annotated[Sha256, Schema(description="of the whole file")]
    flatbuffer_sha256: Annotated[Sha256 | None, Schema(description="null: a .keras")]
    bytes: Count
    name: str
    version: str
    precision: Precision
    alpha: float | None
    parameters: Count | None


@dataclass(frozen=True)
class ExportedIdentity(FileIdentity):
    """An exported model file."""

    flatbuffer_sha256: Sha256
    alpha: float
    parameters: Count


@dataclass(frozen=True)
class Thumbnail:
    """A photograph and the picture that a model made of it: JPEG of 224 x 224 pixels, in Base64."""

    name: str
    original: Jpeg
    finished: Jpeg


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """How well one file colors one set of photographs.

    Attributes:
        schema: kind and version of the record.
        created_by: name and version of the program that measured.
        started: time at which the measurement began.
        file: the evaluated file.
        evaluation: the figures.
        pictures: thumbnails of some of the photographs.
        path: file that the record was read from; None for a record that was not read.
    """

    schema: Literal["edgecolor-evaluation/1"] = EVALUATION_SCHEMA
    created_by: str
    started: datetime
    file: FileIdentity
    evaluation: Annotated[Evaluation, INLINE]
    pictures: Annotated[tuple[Thumbnail, ...], Schema(maxItems=MAX_THUMBNAILS)]
    path: Annotated[Path | None, EXCLUDED] = None

    @property
    def source(self) -> str:
        """Name of the record in messages."""
        return self.path.name if self.path else f"the evaluation of {self.file.file}"

    def to_json(self) -> JsonObject:
        """Return the JSON form."""
        return to_json(self, decimals=DECIMALS)


class Verdict(Enum):
    """Whether times are those of the machine at full speed."""

    VALID = "valid"
    VOID = "void"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BenchVerdict:
    """Whether the times are valid; void: the board was throttled; unknown: the machine does not report it."""

    result: Verdict
    because: tuple[ThrottlingCause, ...]


@dataclass(frozen=True)
class MachineIdentity:
    """What does not change on a machine while it runs; null: the machine does not report it."""

    board: str | None
    cpu: str | None
    cores: int | None
    architecture: str | None
    bits: Annotated[int, Schema(enum=[32, 64], description="of the Python that ran")]
    memory_bytes: int | None
    os: str | None
    kernel: str | None
    python: str


@dataclass(frozen=True)
class MachineState:
    """The machine at one moment; null: the machine does not report it."""

    temperature_c: float | None
    clock_mhz: float | None
    governor: str | None
    throttled: Annotated[
        tuple[ThrottlingCause, ...] | None, Schema(description="what throttles the board at this moment")
    ]
    power_w: float | None


@dataclass(frozen=True)
class BenchSettings:
    """What to measure.

    Attributes:
        threads: numbers of CPU threads, measured one after the other.
        delegate: `edgetpu`, or the path of a TFLite delegate; None: the CPU.
        width: of a frame, pixels.
        height: of a frame, pixels.
        sustained: seconds of an additional continuous run, with the last of `threads`; 0: none.
    """

    threads: Annotated[tuple[Count, ...], Schema(minItems=1)]
    delegate: str | None
    width: Count
    height: Count
    sustained: Annotated[NonNegative, Schema(description="seconds of a continuous run; 0: none")] = 0
    capture: Annotated[str, Schema(description="what the stage of this name does")] = CAPTURE


@dataclass(frozen=True)
class Series:
    """Milliseconds: quantiles, extremes and all samples in their order, to 1 us."""

    count: Count
    p10: NonNegative
    p50: NonNegative
    p90: NonNegative
    p99: NonNegative
    min: NonNegative
    max: NonNegative
    samples_ms: Annotated[tuple[NonNegative, ...], Schema(minItems=1)]


@dataclass(frozen=True)
class StageTimes:
    """The stages of a frame: JPEG to luma, luma to 224 x 224, inference, ab to colors, colors to JPEG."""

    capture: Series
    prepare: Series
    invoke: Series
    finish: Series
    encode: Series


STAGES = tuple(field.name for field in fields(StageTimes))


@dataclass(frozen=True)
class FrameTimes:
    """Whole frames, one after the other; total i is the sum of sample i of the stages."""

    total: Series
    stages: StageTimes


@dataclass(frozen=True)
class BenchRun:
    """One number of threads, measured in processes of its own."""

    threads: Count
    load_ms: NonNegative
    peak_memory_bytes: int | None
    invoke: Annotated[Series, Schema(description="inference alone, run after run")]
    frame: FrameTimes


@dataclass(frozen=True)
class FrameRate:
    """About one second of a continuous run.

    Attributes:
        seconds: since the run began.
        fps: frames per second.
        p50_ms: median time of a frame.
    """

    seconds: Annotated[NonNegative, Schema(description="since the run began")]
    fps: NonNegative
    p50_ms: NonNegative


@dataclass(frozen=True)
class SustainedSample:
    """About one second of a continuous run, and the machine at its end."""

    rate: Annotated[FrameRate, INLINE]
    state: Annotated[MachineState, INLINE]


@dataclass(frozen=True)
class SustainedRun:
    """A continuous run: frames without a pause."""

    threads: Count
    seconds: NonNegative
    frames: Count
    fps: NonNegative
    peak_memory_bytes: int | None
    samples: Annotated[tuple[SustainedSample, ...], Schema(minItems=1)]


@dataclass(frozen=True)
class BenchedModel:
    """How fast one model file is."""

    file: Annotated[ExportedIdentity, INLINE]
    interpreter: Annotated[str, Schema(description="library and version")]
    runs: Annotated[tuple[BenchRun, ...], Schema(minItems=1)]
    sustained: SustainedRun | None


@dataclass(frozen=True, kw_only=True)
class BenchRecord:
    """How fast model files are on one machine.

    Attributes:
        schema: kind and version of the record.
        created_by: name and version of the program that measured.
        started: time at which the measurement began.
        machine: what does not change while the machine runs.
        libraries: version of each library; None for one that is not installed.
        settings: what was measured.
        verdict: whether the times are valid.
        before: the machine before the first run.
        others: number of processors that other programs kept busy before the first run.
        after: the machine after the last run.
        models: times of each model, in the order of the call.
        path: file that the record was read from; None for a record that was not read.
    """

    schema: Literal["edgecolor-bench/1"] = BENCH_SCHEMA
    created_by: str
    started: datetime
    machine: MachineIdentity
    libraries: Annotated[
        dict[str, str | None],
        Schema(description="version of each library that a frame passes through; null: not installed"),
    ]
    settings: BenchSettings
    verdict: BenchVerdict
    before: MachineState
    others: Annotated[
        NonNegative | None,
        Schema(description="processors that other programs kept busy in the second before"),
    ]
    after: MachineState
    models: Annotated[tuple[BenchedModel, ...], Schema(minItems=1)]
    path: Annotated[Path | None, EXCLUDED] = None

    @property
    def source(self) -> str:
        """Name of the record in messages."""
        return self.path.name if self.path else "the benchmark"

    def to_json(self) -> JsonObject:
        """Return the JSON form."""
        return to_json(self)
