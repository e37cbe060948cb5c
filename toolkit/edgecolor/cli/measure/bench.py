"""`edgecolor bench`: how fast is it here?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

_HEAD = f"{'threads':9}{'what':10}{'p50 ms':>9}{'p90':>9}{'p99':>9}{'spread':>8}{'a second':>10}"


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Model files, or names of shipped ones. Else all shipped."),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write all of it to this file, as JSON.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="CPU threads; may be given several times. Else 1 to 4, as far as cores go.",
        ),
    ] = None,
    delegate: Annotated[
        str | None, typer.Option(help="edgetpu, or the path of a TFLite delegate's library. Else the CPU.")
    ] = None,
    width: Annotated[int, typer.Option(min=16, max=8192, help="Of the frame, pixels.")] = 640,
    height: Annotated[int, typer.Option(min=16, max=8192, help="Of the frame, pixels.")] = 480,
    sustained: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Also color frames without a pause for so long. 0: not."),
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a record that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Measure models on this machine: the network alone, a whole frame and its stages, peak memory.

    Each model and number of threads is measured in processes of its own: 200 runs of the network and 200
    frames, each after a warm-up, in four turns with the others. --sustained adds a long run, with the last
    number of threads, during which temperature, clock, throttling and power are noted every second; 600
    seconds make a small board as hot as it gets. If the board throttled at any time, the record says that it
    is void.

    \b
    Examples:
      edgecolor bench
      edgecolor bench s mine.tflite --threads 1 --threads 4 --width 1280 --height 720
      edgecolor bench s --sustained 600 -o raspberry-pi-5.json
      edgecolor bench model_edgetpu.tflite --delegate edgetpu
    """
    from edgecolor.benchmarking.measure import Options, default_threads
    from edgecolor.benchmarking.measure import bench as measure
    from edgecolor_runtime.models.shipped import SHIPPED
    from edgecolor_runtime.system.files import refuse_existing, write_bytes

    if output is not None:
        refuse_existing(output, force)
    chosen = tuple(dict.fromkeys(threads or default_threads(delegate)))
    options = Options(chosen, delegate, width, height, sustained)
    names = models or sorted(SHIPPED, reverse=True)
    record = measure(names, options, _silent if quiet else _progress)
    text = json.dumps(record, indent=1) + "\n"
    if output is not None:
        write_bytes(output, text.encode(), force=force)
    print(text if as_json else "\n".join(_table(record)), end="" if as_json else "\n", flush=True)
    if record["verdict"]["result"] == "void":
        because = ", ".join(record["verdict"]["because"])
        print(
            f"edgecolor: the board was held back ({because}): these figures are void. See "
            "`edgecolor doctor`, cool it or feed it better, and measure again.",
            file=sys.stderr,
        )


def _table(record: dict[str, Any]) -> Iterator[str]:
    yield from _machine_lines(record)
    for model in record["models"]:
        yield ""
        yield (
            f"{model['file']}: {model['name']} {model['version']}, {model['precision']}, "
            f"{model['bytes'] / 1000:.0f} kB, {model['interpreter']}"
        )
        yield _HEAD
        for run in model["runs"]:
            for title, what in (("network", run["invoke"]), ("frame", run["frame"]["total"])):
                yield f"{run['threads']:<9}{title:10}{_row(what)}"
        for run in model["runs"]:
            stages = run["frame"]["stages"]
            parts = ", ".join(f"{name} {found['p50']:.2f}" for name, found in stages.items())
            yield f"a frame, {_threads(run)}: {parts} ms{_peak(run)}"
        if model["sustained"]:
            yield from _sustained_lines(model["sustained"])
    yield ""
    yield _verdict(record["verdict"])


def _peak(run: dict[str, Any]) -> str:
    peak = run["peak_memory_bytes"]
    return "" if peak is None else f"; {peak / 1e6:.0f} MB at the peak"


def _row(what: dict[str, Any]) -> str:
    spread = (what["p90"] - what["p10"]) / what["p50"]
    return f"{what['p50']:9.2f}{what['p90']:9.2f}{what['p99']:9.2f}{spread:8.0%}{1000 / what['p50']:10.1f}"


def _machine_lines(record: dict[str, Any]) -> Iterator[str]:
    from edgecolor.benchmarking.measure import BUSY

    about, settings, before, others = (record[key] for key in ("machine", "settings", "before", "others"))
    known = (
        about["board"],
        about["cpu"] and f"{about['cores']} x {about['cpu']}",
        about["architecture"],
        about["memory_bytes"] and f"{about['memory_bytes'] / 1e9:.1f} GB",
    )
    yield f"machine   {', '.join(part for part in known if part)}"
    libraries = [f"{name} {version}" for name, version in record["libraries"].items() if version]
    yield f"system    {', '.join(part for part in (about['os'], about['kernel']) if part)}"
    yield f"software  Python {about['python']}, {', '.join(libraries)}"
    state = (
        before["temperature_c"] is not None and f"{before['temperature_c']:.0f} C",
        before["clock_mhz"] is not None and f"{before['clock_mhz']:.0f} MHz",
        before["governor"],
        others is not None and f"other programs on {others:.2f} processors",
        (others or 0) > BUSY and "which makes figures worse, and spread more",
    )
    yield f"before    {', '.join(part for part in state if part)}"
    yield f"frame     {settings['width']} x {settings['height']}; capture is {settings['capture']}"


def _sustained_lines(found: dict[str, Any]) -> Iterator[str]:
    samples = found["samples"]
    first, last = samples[0]["fps"], samples[-1]["fps"]
    yield (
        f"sustained, {_threads(found)}: {found['frames']} frames in {found['seconds']:.0f} s, "
        f"{found['fps']:.1f} a second; {first:.1f} in the first second, {last:.1f} in the last"
    )
    for key, title, unit in (
        ("temperature_c", "temperature", "C"),
        ("clock_mhz", "clock", "MHz"),
        ("power_w", "power", "W"),
    ):
        if values := [s[key] for s in samples if s[key] is not None]:
            yield f"  {title} {values[0]:.4g} {unit} at first, {min(values):.4g} to {max(values):.4g}"


def _verdict(found: dict[str, Any]) -> str:
    return {
        "valid": "verdict   valid: the board did not throttle",
        "void": f"verdict   VOID: {', '.join(found['because'])}",
        "unknown": "verdict   this machine does not say whether it throttles",
    }[found["result"]]


def _threads(run: dict[str, Any]) -> str:
    return "1 thread" if run["threads"] == 1 else f"{run['threads']} threads"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    pass
