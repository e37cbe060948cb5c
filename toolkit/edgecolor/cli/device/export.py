"""`edgecolor export`: a trained network to the one-file model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.options import calibration_folder

if TYPE_CHECKING:
    from edgecolor.exporting.pipeline import ExportReport


def export(
    model: Annotated[
        Path, typer.Argument(help="A .keras file; with --edgetpu also an exported int8 .tflite.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .tflite file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Integers throughout: any device. The default.")
    ] = False,
    int16x8: Annotated[
        bool,
        typer.Option(
            "--int16x8", help="int8 weights, int16 in between: truer, and a hundred times slower on a CPU."
        ),
    ] = False,
    float32: Annotated[bool, typer.Option("--float32", help="As trained.")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half the size of float32.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float arithmetic.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of at least 20 pictures; by default ./calibration if it has a manifest."),
    ] = None,
    no_repair: Annotated[
        bool,
        typer.Option(
            "--no-repair", help="Refuse an int8 file that strays, rather than leave layers in float."
        ),
    ] = False,
    edgetpu: Annotated[
        bool, typer.Option("--edgetpu", help="int8, compiled for a Coral Edge TPU by edgetpu_compiler.")
    ] = False,
    min_mapped: Annotated[
        float | None, typer.Option(help="Share of operators that the Edge TPU must map; 1 by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model calls itself.")] = None,
    saturation: Annotated[float | None, typer.Option(help="Its default gain on color.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Export a network to one .tflite file that proves itself.

    The calibration pictures set the int8 ranges. The file is compared with the float network on other
    photographs, which come with edgecolor, and kept only if it colors alike. An int8 file that does not is
    repaired: the few layers that cost most stay in float, and are named. Golden vectors inside let a device
    repeat the comparison.

    \b
    Examples:
      edgecolor export models/s/s.keras -o s.tflite
      edgecolor export mine.keras --int8 --calibration camera-pictures/ -o mine.tflite
      edgecolor export mine.keras --edgetpu -o mine_edgetpu.tflite
      edgecolor export mine.tflite --edgetpu -o mine_edgetpu.tflite
    """
    from edgecolor_runtime.errors import UsageError

    chosen = {"int8": int8, "int16x8": int16x8, "float32": float32, "float16": float16, "dynamic": dynamic}
    asked = [precision for precision, on in chosen.items() if on]
    if len(asked) > 1:
        raise UsageError(f"--{' and --'.join(asked)}: choose one.")
    if min_mapped is not None and not edgetpu:
        raise UsageError("--min-mapped is about an Edge TPU: add --edgetpu.")
    if edgetpu and asked not in ([], ["int8"]):
        raise UsageError(f"An Edge TPU computes in int8: leave --{asked[0]} out.")
    share = (1.0 if min_mapped is None else min_mapped) if edgetpu else None
    from edgecolor.exporting.pipeline import compile_exported, export_model
    from edgecolor_runtime.models.info import Precision

    if share is not None and model.suffix == ".tflite":
        report = compile_exported(model, output, min_mapped=share, force=force)
    else:
        report = export_model(
            model,
            output,
            calibration=calibration_folder(calibration),
            precision=Precision(asked[0] if asked else "int8"),
            name=name,
            saturation=saturation,
            repair=not no_repair,
            min_mapped=share,
            force=force,
            say=lambda line: None if quiet else print(line, file=sys.stderr, flush=True),
        )
    print(_json(report) if as_json else _text(report))


def _json(report: ExportReport) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(report), indent=1)


def _text(report: ExportReport) -> str:
    fidelity = report.fidelity
    operators = ", ".join(f"{count} {name}" for name, count in report.operators.items())
    lines = [
        report.path,
        f"model        {report.name}, {report.precision}, {report.bytes / 1000:.0f} kB, "
        f"{report.parameters / 1e6:.2f} M parameters, {report.macs / 1e6:.0f} M multiply-adds",
        f"operators    {operators}",
    ]
    if report.coverage:
        shares = report.coverage
        lines.append(
            f"calibration  reaches {shares.luminance:.0%} of the training data's luminance, "
            f"{shares.contrast:.0%} of its contrast, {shares.chroma:.0%} of its chroma"
        )
    if report.halves_ab_difference is not None:
        lines.append(f"halves       of it give files {report.halves_ab_difference:.2f} Lab units apart")
    if report.float_layers:
        lines.append(
            f"in float     {', '.join(report.float_layers)}: {report.time_ratio:g} x plain int8's time here"
        )
    lines += [
        f"against the float network on {fidelity.pictures} pictures",
        f"ab           {fidelity.ab_difference:.2f} Lab units apart in the mean",
        f"chroma       {fidelity.chroma_ratio:.3f} of the float network's",
    ]
    if report.edgetpu:
        done = report.edgetpu
        lines.append(
            f"Edge TPU     {done.mapped} of {done.operators} operators mapped, weights: "
            f"{done.on_chip / 1e6:.2f} MB on the chip, {done.off_chip / 1e6:.2f} MB sent with every picture"
        )
    return "\n".join(lines)
