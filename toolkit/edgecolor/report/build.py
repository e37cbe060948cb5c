"""Combine records: which file to take on each device, what each costs and loses, and what to distrust.

Times of different devices, frame sizes, delegates or libraries are never compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeVar

from edgecolor.records.types import (
    MAX_OTHERS,
    BenchedModel,
    BenchRecord,
    EvaluationRecord,
    Verdict,
)
from edgecolor.report.choice import choose_file, find_unbeaten, summarize_timing
from edgecolor.report.compared_files import compare_files, verify_comparable
from edgecolor.report.contents import BenchedDevice, Choice, ComparedFile, FileTiming, Report
from edgecolor_runtime.errors import UsageError

_Item = TypeVar("_Item")


def build_report(
    evaluations: Sequence[EvaluationRecord],
    benches: Sequence[BenchRecord],
    *,
    within: float,
    reference: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Report:
    """Compare files.

    Args:
        evaluations: of one set of photographs by one protocol.
        benches: of any machines.
        within: dB that a choice may lose against the reference.
        reference: label or file name of the reference; None: the most accurate file.
        labels: labels to use instead of file names, by SHA-256.

    Raises:
        UsageError: `within` is invalid, records of one kind are missing, or no file has the reference's name.
        DataError: the evaluations cannot be compared, or none has enough color.
    """
    if not 0 <= within < math.inf:
        raise UsageError(f"--within {within:g}: expected dB, 0 or more.")
    if not evaluations:
        raise UsageError(
            "There is no evaluation. Make one with `edgecolor evaluate MODEL PHOTOGRAPHS -o FILE`."
        )
    if not benches:
        raise UsageError("There is no benchmark. Make one with `edgecolor bench MODEL -o FILE`.")
    verify_comparable(evaluations)
    warnings: list[str] = []
    newest = _newest(((e.file.sha256, e) for e in evaluations), lambda e: e, warnings)
    timed = {model.file.sha256: model.file for bench in benches for model in bench.models}
    files, base = compare_files(newest, timed, reference=reference, labels=labels or {})
    devices = _devices(files, benches, within, base)
    warnings += _different_files_of_one_name(files)
    return Report(
        files=tuple(files), reference=base, within=within, devices=devices, warnings=tuple(warnings)
    )


def _newest(
    keyed: Iterable[tuple[str, _Item]],
    record_of: Callable[[_Item], EvaluationRecord | BenchRecord],
    warnings: list[str],
) -> dict[str, _Item]:
    """Return the item of the newest record for each key; warn of the other records."""
    newest: dict[str, _Item] = {}
    for key, item in keyed:
        if key not in newest:
            newest[key] = item
            continue
        old, new = sorted((newest[key], item), key=lambda i: record_of(i).started)
        warnings.append(
            f"{record_of(old).source}: left out, because {record_of(new).source} measured the same later."
        )
        newest[key] = new
    return newest


def _devices(
    files: Sequence[ComparedFile], benches: Sequence[BenchRecord], within: float, reference: ComparedFile
) -> tuple[BenchedDevice, ...]:
    groups: list[list[BenchRecord]] = []
    for bench in benches:
        group = next((group for group in groups if _same_device(group[0], bench)), None)
        if group is None:
            groups.append([bench])
        else:
            group.append(bench)
    titles = _titles([group[0] for group in groups])
    return tuple(
        _device(title, group, files, within=within, reference=reference)
        for title, group in zip(titles, groups, strict=True)
    )


def _same_device(one: BenchRecord, other: BenchRecord) -> bool:
    """Return whether two records can be compared: their settings may differ in threads and continuous run."""
    settings = replace(other.settings, threads=one.settings.threads, sustained=one.settings.sustained)
    return (one.machine, one.libraries, one.settings) == (other.machine, other.libraries, settings)


def _titles(benches: Sequence[BenchRecord]) -> list[str]:
    names = []
    for bench in benches:
        machine, delegate = bench.machine, bench.settings.delegate
        name = machine.board or machine.cpu or machine.architecture or "a machine without a name"
        names.append(f"{name} with {PurePosixPath(delegate).name}" if delegate else name)
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _device(
    title: str,
    benches: Sequence[BenchRecord],
    files: Sequence[ComparedFile],
    *,
    within: float,
    reference: ComparedFile,
) -> BenchedDevice:
    warnings: list[str] = []
    models: list[tuple[str, tuple[BenchRecord, BenchedModel]]] = [
        (model.file.sha256, (bench, model)) for bench in benches for model in bench.models
    ]
    newest = _newest(models, lambda pair: pair[0], warnings)
    used = [bench for bench in benches if any(bench is b for b, _ in newest.values())]
    summaries = (
        summarize_timing(file, newest[file.identity.sha256][1])
        for file in files
        if file.identity.sha256 in newest
    )
    timings = tuple(sorted(summaries, key=lambda t: t.ms))
    if any(bench.verdict.result is Verdict.VOID for bench in used):
        choice = Choice(None, (f"No choice on {title}: the board was throttled, and its times are void.",))
    else:
        choice = choose_file(title, timings, within=within, reference=reference)
    return BenchedDevice(
        title=title,
        machine=benches[0].machine,
        libraries=benches[0].libraries,
        settings=benches[0].settings,
        benches=tuple(used),
        timings=timings,
        missing=tuple(file for file in files if file.identity.sha256 not in newest),
        unbeaten=find_unbeaten(timings),
        choice=choice,
        warnings=(*warnings, *_device_warnings(used, timings)),
    )


def _device_warnings(benches: Sequence[BenchRecord], timings: Sequence[FileTiming]) -> Iterator[str]:
    if causes := sorted({cause for bench in benches for cause in bench.verdict.because}):
        yield (
            f"throttled during the measurement: {', '.join(causes)}. Cool the board or use a stronger power "
            "supply, and measure again."
        )
    elif any(bench.verdict.result is Verdict.UNKNOWN for bench in benches):
        yield "this machine does not report throttling."
    others = [bench.others for bench in benches if bench.others and bench.others > MAX_OTHERS]
    if others:
        yield f"other programs kept up to {max(others):.1f} processors busy. The times are too long."
    if unsteady := [t.file.label for t in timings if t.unsteady]:
        yield f"the times vary by more than half: {', '.join(unsteady)}."


def _different_files_of_one_name(files: Sequence[ComparedFile]) -> Iterator[str]:
    """Warn of an evaluation and a benchmark of two files of one name: the file was exported in between."""
    for evaluated in files:
        for timed in files:
            name = evaluated.identity.file
            if name == timed.identity.file and evaluated.record and not timed.record:
                yield (
                    f"{name} was evaluated as {evaluated.identity.sha256[:8]} and timed as "
                    f"{timed.identity.sha256[:8]}: two files of one name. Do not combine their figures."
                )
