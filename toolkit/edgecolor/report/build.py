"""What records say together: which file to take on each device, what each costs and loses, what to beware of.

Times of different devices, frame sizes, delegates or libraries never stand in one list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

from edgecolor.benchmarking.measure import BUSY
from edgecolor.records.types import BenchRecord, EvaluationRecord
from edgecolor.report.choice import (
    Choice,
    Timing,
    Variant,
    choose,
    pareto_of,
    refuse_unlike,
    timing,
    variants_of,
)
from edgecolor_runtime.errors import UsageError

_One = TypeVar("_One")


@dataclass(frozen=True)
class Device:
    """One machine with one frame size, delegate and set of libraries.

    Attributes:
        machine, libraries, settings: as `bench.schema.json` has them.
        benches: the records that were used.
        timings: fastest first.
        missing: files without a time here.
        pareto: those that no other one beats in both speed and accuracy, fastest first.
    """

    title: str
    machine: dict[str, Any]
    libraries: dict[str, Any]
    settings: dict[str, Any]
    benches: tuple[BenchRecord, ...]
    timings: tuple[Timing, ...]
    missing: tuple[Variant, ...]
    pareto: tuple[Timing, ...]
    choice: Choice
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        variants: by accuracy, best first, those without at the end.
        reference: the one of them that the others are compared with.
        within: dB that a choice may lose against it.
        warnings: that are not about one device.
    """

    variants: tuple[Variant, ...]
    reference: Variant
    within: float
    devices: tuple[Device, ...]
    warnings: tuple[str, ...]


def report(
    evaluations: Sequence[EvaluationRecord],
    benches: Sequence[BenchRecord],
    *,
    within: float,
    reference: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Report:
    """Compares files.

    Args:
        evaluations: of one set of photographs by one protocol.
        benches: of any machines.
        within: dB that a choice may lose against the reference.
        reference: label or file name of the file that the others are compared with; None: the most accurate.
        labels: by SHA-256, what to call a file instead of its name.

    Raises:
        UsageError: no such `within`, records of one kind are missing, or no file is called as the reference.
        DataError: evaluations that cannot be compared, or none with enough color.
    """
    if not 0 <= within < math.inf:
        raise UsageError(f"--within {within:g}: expected dB, 0 or more.")
    if not evaluations:
        raise UsageError("No record of colors: make one with `edgecolor evaluate MODEL PHOTOGRAPHS -o FILE`.")
    if not benches:
        raise UsageError("No record of speed: make one with `edgecolor bench MODEL -o FILE`.")
    refuse_unlike(evaluations)
    warnings: list[str] = []
    newest = _newest(((e.file.sha256, e) for e in evaluations), lambda e: e, warnings)
    timed = {file.sha256: file for bench in benches for file, _ in bench.models}
    variants, base = variants_of(newest, timed, reference=reference, labels=labels or {})
    devices = _devices(variants, benches, within, base)
    warnings += _same_name_other_file(variants)
    return Report(tuple(variants), base, within, devices, tuple(warnings))


def _newest(
    found: Iterable[tuple[str, _One]],
    record: Callable[[_One], EvaluationRecord | BenchRecord],
    warnings: list[str],
) -> dict[str, _One]:
    """By key the one of the newest record; says which others were left out."""
    kept: dict[str, _One] = {}
    for key, one in found:
        if key not in kept:
            kept[key] = one
            continue
        old, new = sorted((kept[key], one), key=lambda o: record(o).started)
        warnings.append(
            f"{record(old).path.name}: left out, {record(new).path.name} measured the same later."
        )
        kept[key] = new
    return kept


def _devices(
    variants: Sequence[Variant], benches: Sequence[BenchRecord], within: float, reference: Variant
) -> tuple[Device, ...]:
    def like(bench: BenchRecord) -> str:
        kept = {key: bench.settings[key] for key in ("delegate", "width", "height", "capture")}
        return json.dumps([bench.machine, bench.libraries, kept], sort_keys=True)

    groups: dict[str, list[BenchRecord]] = {}
    for bench in benches:
        groups.setdefault(like(bench), []).append(bench)
    titles = _titles([group[0] for group in groups.values()])
    return tuple(
        _device(title, group, variants, within, reference)
        for title, group in zip(titles, groups.values(), strict=True)
    )


def _titles(benches: Sequence[BenchRecord]) -> list[str]:
    names = []
    for bench in benches:
        about, delegate = bench.machine, bench.settings["delegate"]
        name = about["board"] or about["cpu"] or about["architecture"] or "a machine without a name"
        names.append(f"{name} with {PurePosixPath(delegate).name}" if delegate else name)
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _device(
    title: str, benches: Sequence[BenchRecord], variants: Sequence[Variant], within: float, reference: Variant
) -> Device:
    warnings: list[str] = []
    models = ((file.sha256, (bench, model)) for bench in benches for file, model in bench.models)
    newest = _newest(models, lambda pair: pair[0], warnings)
    used = [bench for bench in benches if any(bench is b for b, _ in newest.values())]
    found = [timing(v, newest[v.file.sha256][1]) for v in variants if v.file.sha256 in newest]
    timings = tuple(sorted(found, key=lambda t: t.ms))
    if any(bench.verdict["result"] == "void" for bench in used):
        choice = Choice(None, (f"No choice on {title}: the board was held back, and its times are void.",))
    else:
        choice = choose(title, timings, within, reference)
    return Device(
        title=title,
        machine=benches[0].machine,
        libraries=benches[0].libraries,
        settings=benches[0].settings,
        benches=tuple(used),
        timings=timings,
        missing=tuple(v for v in variants if v.file.sha256 not in newest),
        pareto=pareto_of(timings),
        choice=choice,
        warnings=(*warnings, *_beware(used, timings)),
    )


def _beware(benches: Sequence[BenchRecord], timings: Sequence[Timing]) -> Iterator[str]:
    if void := sorted({why for bench in benches for why in bench.verdict["because"]}):
        yield f"held back while it was measured: {', '.join(void)}. Cool it or feed it better, and repeat."
    elif any(bench.verdict["result"] == "unknown" for bench in benches):
        yield "this machine does not say whether it was throttled."
    others = [bench.others for bench in benches if bench.others and bench.others > BUSY]
    if others:
        yield f"other programs kept up to {max(others):.1f} processors busy: times are too long."
    if unsteady := [t.variant.label for t in timings if t.unsteady]:
        yield f"times vary by more than half: {', '.join(unsteady)}."


def _same_name_other_file(variants: Sequence[Variant]) -> Iterator[str]:
    """An evaluation and a bench of one name, but of two files: somebody exported in between."""
    for v in variants:
        for w in variants:
            if v.file.file == w.file.file and v.evaluation and not w.evaluation:
                yield (
                    f"{v.file.file} was evaluated as {v.file.sha256[:8]} and timed as {w.file.sha256[:8]}: "
                    "two files of one name, whose figures do not belong together."
                )
