"""`edgecolor bench`: how fast are models on this machine?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.durations import duration_parser
from edgecolor.cli.common.inputs import verify_models
from edgecolor.cli.common.messages import print_line, print_lines, progress_printer
from edgecolor.cli.common.options import (
    AsJson,
    Delegate,
    Force,
    FrameHeight,
    FrameWidth,
    Quiet,
    ThreadCounts,
    complete_model,
)

if TYPE_CHECKING:
    from edgecolor.records.types import (
        BenchedModel,
        BenchRecord,
        BenchRun,
        BenchVerdict,
        Series,
        SustainedRun,
    )

_HEAD = f"{'threads':9}{'what':10}{'p50 ms':>9}{'p90':>9}{'p99':>9}{'spread':>8}{'per second':>12}"


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Model files, or names of shipped models (default: all shipped models).",
            autocompletion=complete_model,
        ),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the record to FILE, as JSON.")
    ] = None,
    threads: ThreadCounts = None,
    delegate: Delegate = None,
    width: FrameWidth = 640,
    height: FrameHeight = 480,
    sustained: Annotated[
        float,
        typer.Option(
            metavar="TIME",
            parser=duration_parser("s"),
            help="After the measurement, run continuously for this time: 10min, 600s; a bare "
            "number is in seconds (0: skip).",
        ),
    ] = 0,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Measure speed and memory of models on this machine.

    The record holds inference alone, a whole frame with its stages, and peak memory. Each model and number
    of threads is measured in processes of its own: 200 inferences and 200 frames after a warm-up, in four
    rounds. The models take turns within a round. --sustained adds a continuous run with the last number of
    threads, and records temperature, clock, throttling and power every second; 600 seconds heat a small
    board as far as it goes. If the board throttled at any time, the record is void.

    \b
    Examples:
      edgecolor bench
      edgecolor bench s mine.tflite --threads 1 --threads 4 --width 1280 --height 720
      edgecolor bench s --sustained 10min -o raspberry-pi-5.json
      edgecolor bench model_edgetpu.tflite --delegate edgetpu
    """
    import edgecolor
    from edgecolor.records.types import Verdict
    from edgecolor_runtime.models.shipped import SHIPPED
    from edgecolor_runtime.system.files import refuse_existing, write_bytes

    verify_models(*(models or []))
    if output is not None:
        refuse_existing(output, force)
    record = edgecolor.bench(
        models or sorted(SHIPPED, reverse=True),
        threads=threads or (),
        delegate=delegate,
        width=width,
        height=height,
        sustained=sustained,
        on_progress=progress_printer(quiet),
    )
    text = json.dumps(record.to_json(), indent=1) + "\n"
    if output is not None:
        write_bytes(output, text.encode(), force=force)
    if as_json:
        print(text, end="", flush=True)
    else:
        print_lines(*_table(record))
    if record.verdict.result is Verdict.VOID:
        print_line(
            f"edgecolor: the board was throttled ({', '.join(record.verdict.because)}): the times are void. "
            "`edgecolor doctor` names the cause. Cool the board or use a stronger power supply, and repeat."
        )


def _table(record: BenchRecord) -> Iterator[str]:
    yield from _machine_lines(record)
    for model in record.models:
        yield ""
        yield from _model_lines(model)
    yield ""
    yield f"verdict   {_verdict(record.verdict)}"


def _model_lines(model: BenchedModel) -> Iterator[str]:
    file = model.file
    yield (
        f"{file.file}: {file.name} {file.version}, {file.precision.value}, {file.bytes / 1000:.0f} kB, "
        f"{model.interpreter}"
    )
    yield _HEAD
    for run in model.runs:
        for title, series in (("inference", run.invoke), ("frame", run.frame.total)):
            yield f"{run.threads:<9}{title:10}{_row(series)}"
    for run in model.runs:
        yield f"stages of a frame, {_threads(run.threads)}: {_stages(run)} ms{_peak(run)}"
    if model.sustained:
        yield from _sustained_lines(model.sustained)


def _row(series: Series) -> str:
    spread = (series.p90 - series.p10) / series.p50
    return f"{series.p50:9.2f}{series.p90:9.2f}{series.p99:9.2f}{spread:8.0%}{1000 / series.p50:12.1f}"


def _stages(run: BenchRun) -> str:
    from edgecolor.records.types import STAGES

    return ", ".join(f"{name} {getattr(run.frame.stages, name).p50:.2f}" for name in STAGES)


def _peak(run: BenchRun) -> str:
    peak = run.peak_memory_bytes
    return "" if peak is None else f"; peak memory {peak / 1e6:.0f} MB"


def _machine_lines(record: BenchRecord) -> Iterator[str]:
    from edgecolor.records.types import MAX_OTHERS

    machine, settings, before, others = record.machine, record.settings, record.before, record.others
    hardware = (
        machine.board,
        machine.cpu and f"{machine.cores} x {machine.cpu}",
        machine.architecture,
        machine.memory_bytes and f"{machine.memory_bytes / 1e9:.1f} GB",
    )
    yield f"machine   {', '.join(part for part in hardware if part)}"
    libraries = [f"{name} {version}" for name, version in record.libraries.items() if version]
    yield f"system    {', '.join(part for part in (machine.os, machine.kernel) if part)}"
    yield f"software  Python {machine.python}, {', '.join(libraries)}"
    state = (
        before.temperature_c is not None and f"{before.temperature_c:.0f} C",
        before.clock_mhz is not None and f"{before.clock_mhz:.0f} MHz",
        before.governor,
        others is not None and f"other programs on {others:.2f} processors",
        (others or 0) > MAX_OTHERS and "which makes times longer and less even",
    )
    yield f"before    {', '.join(part for part in state if part)}"
    yield f"frame     {settings.width} x {settings.height}; capture is {settings.capture}"


def _sustained_lines(run: SustainedRun) -> Iterator[str]:
    first, last = run.samples[0].rate.fps, run.samples[-1].rate.fps
    yield (
        f"continuous run, {_threads(run.threads)}: {run.frames} frames in {run.seconds:.0f} s, "
        f"{run.fps:.1f} per second; {first:.1f} in the first second, {last:.1f} in the last"
    )
    states = [sample.state for sample in run.samples]
    for title, unit, readings in (
        ("temperature", "C", [state.temperature_c for state in states]),
        ("clock", "MHz", [state.clock_mhz for state in states]),
        ("power", "W", [state.power_w for state in states]),
    ):
        if values := [value for value in readings if value is not None]:
            yield f"  {title} {values[0]:.4g} {unit} at first, {min(values):.4g} to {max(values):.4g}"


def _verdict(verdict: BenchVerdict) -> str:
    from edgecolor.records.types import Verdict

    return {
        Verdict.VALID: "valid: the board did not throttle",
        Verdict.VOID: f"VOID: {', '.join(verdict.because)}",
        Verdict.UNKNOWN: "unknown: this machine does not report throttling",
    }[verdict.result]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
