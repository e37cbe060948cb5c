"""`edgecolor export`: a trained network to the one-file model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecolor.export import ExportReport


def export(
    model: Annotated[Path, typer.Argument(help="A .keras file, from `edgecolor train` or your own.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .tflite file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Integers throughout: any device. The default.")
    ] = False,
    float32: Annotated[bool, typer.Option("--float32", help="As trained.")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half the size of float32.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float arithmetic.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of at least 20 pictures; by default ./calibration if it has a manifest."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model calls itself.")] = None,
    saturation: Annotated[float | None, typer.Option(help="Its default gain on colour.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Export a network to one .tflite file that proves itself.

    The calibration pictures set the int8 ranges; then the file is compared with the float network on them,
    and kept only if it colours alike. Golden vectors inside let a device repeat the comparison.

    \b
    Examples:
      edgecolor export models/s/s.keras -o s.tflite
      edgecolor export mine.keras --int8 --calibration camera-pictures/ -o mine.tflite
    """
    from edgecolor_runtime.errors import UsageError

    asked = [
        n
        for n, on in (("int8", int8), ("float32", float32), ("float16", float16), ("dynamic", dynamic))
        if on
    ]
    if len(asked) > 1:
        raise UsageError(f"--{' and --'.join(asked)}: choose one.")
    folder = calibration or default_calibration()
    from edgecolor.export import export_model

    report = export_model(
        model,
        output,
        calibration=folder,
        precision=asked[0] if asked else "int8",
        name=name,
        saturation=saturation,
        force=force,
        say=lambda line: None if quiet else print(line, file=sys.stderr, flush=True),
    )
    print(_json(report) if as_json else _text(report))


def default_calibration() -> Path:
    """./calibration, where it has a manifest.

    Raises:
        UsageError: it has none.
    """
    from edgecolor.calibration import MANIFEST
    from edgecolor_runtime.errors import UsageError

    folder = Path("calibration")
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            "No ./calibration with a manifest here. Name a folder of pictures with --calibration."
        )
    return folder


def _json(report: ExportReport) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(report), indent=1)


def _text(report: ExportReport) -> str:
    fidelity = report.fidelity
    operators = ", ".join(f"{count} {name}" for name, count in report.operators.items())
    return "\n".join(
        (
            f"{report.path}",
            f"model        {report.name}, {report.precision}, {report.bytes / 1000:.0f} kB, "
            f"{report.parameters / 1e6:.2f} M parameters, {report.macs / 1e6:.0f} M multiply-adds",
            f"operators    {operators}",
            f"against the float network on {fidelity.pictures} pictures",
            f"ab           {fidelity.ab_difference:.2f} Lab units apart in the mean",
            f"chroma       {fidelity.chroma_ratio:.3f} of the float network's",
        )
    )
