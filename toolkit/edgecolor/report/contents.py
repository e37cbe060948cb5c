"""The contents of a report: files, their timings, the choice for each device."""

from __future__ import annotations

from dataclasses import dataclass

from edgecolor.evaluation.scores import Difference
from edgecolor.records.types import (
    BenchRecord,
    BenchSettings,
    EvaluationRecord,
    FileIdentity,
    MachineIdentity,
)
from edgecolor.support.statistics import Distribution

MAX_STEADY_RATIO = 1.5  # p90 over p10 of the frame times; beyond, other programs had the processor


@dataclass(frozen=True, kw_only=True)
class WorstPhotograph:
    """The photograph that loses most against the reference, and its dB minus those of the reference."""

    name: str
    decibels: float


@dataclass(frozen=True, kw_only=True)
class ComparedFile:
    """One file of a report.

    Attributes:
        letter: stands for the file in drawings.
        label: file name, made different where two are equal.
        identity: hashes, size and description.
        record: evaluation of the file; None if it was not evaluated. The figures are then None, too.
        against: dB at 56 % of the color minus those of the reference, photograph by photograph.
        gains: dB over gray of each photograph at 56 % of the color.
        worst: photograph that loses most; None for the reference.
        released: the hash of the file is pinned in this edgecolor.
        notes: what a reader must know about the file.
    """

    letter: str
    label: str
    identity: FileIdentity
    record: EvaluationRecord | None
    against: Difference | None
    gains: Distribution | None
    worst: WorstPhotograph | None
    released: bool
    notes: tuple[str, ...]

    @property
    def g56(self) -> float | None:
        """Gain over gray at 56 % of the color, dB; None if it is not reached or not known."""
        return self.record.evaluation.plane.g56 if self.record else None


@dataclass(frozen=True, kw_only=True)
class FileTiming:
    """One file on one device, in milliseconds, with the number of threads at which a frame takes least.

    Attributes:
        tried: numbers of threads that were measured.
        interpreter: library and version.
        frame: times of whole frames.
        invoke: times of inference alone.
        stages: medians of the stages of a frame, by name.
        peak_memory_bytes: None if the machine does not report it.
    """

    file: ComparedFile
    threads: int
    tried: tuple[int, ...]
    interpreter: str
    frame: Distribution
    invoke: Distribution
    stages: dict[str, float]
    peak_memory_bytes: int | None

    @property
    def ms(self) -> float:
        """Median time of a whole frame."""
        return self.frame.p50

    @property
    def unsteady(self) -> bool:
        """Whether the times depend more on other programs than on the file."""
        return self.frame.p90 > MAX_STEADY_RATIO * self.frame.p10


@dataclass(frozen=True)
class Choice:
    """The choice for one device.

    Attributes:
        timing: the chosen file; None if none can be chosen.
        words: the choice in one to three sentences.
    """

    timing: FileTiming | None
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BenchedDevice:
    """One machine with one frame size, delegate and set of libraries.

    Attributes:
        title: what the report calls it.
        settings: of its first record; the numbers of threads of its records may differ.
        benches: the records that were used.
        timings: timed files, fastest first.
        missing: files that were not timed here.
        unbeaten: timings that no other one beats in both speed and accuracy, fastest first.
    """

    title: str
    machine: MachineIdentity
    libraries: dict[str, str | None]
    settings: BenchSettings
    benches: tuple[BenchRecord, ...]
    timings: tuple[FileTiming, ...]
    missing: tuple[ComparedFile, ...]
    unbeaten: tuple[FileTiming, ...]
    choice: Choice
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Files compared on all devices.

    Attributes:
        files: by accuracy, best first, files without one at the end.
        reference: the file that the others are compared with.
        within: dB that a choice may lose against the reference.
        warnings: warnings that are not about one device.
    """

    files: tuple[ComparedFile, ...]
    reference: ComparedFile
    within: float
    devices: tuple[BenchedDevice, ...]
    warnings: tuple[str, ...]
