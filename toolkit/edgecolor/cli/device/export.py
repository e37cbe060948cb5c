"""`edgecolor export`: a trained network to the one-file model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.inputs import calibration_folder, has_calibration, verify_network
from edgecolor.cli.common.messages import print_lines, working
from edgecolor.cli.common.options import AsJson, Calibration, Force, Quiet
from edgecolor.cli.common.samples import sample_network, sample_photographs

if TYPE_CHECKING:
    from edgecolor import ExportReport
    from edgecolor_runtime import Precision


def export(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="A .keras file; with --edgetpu also an exported int8 .tflite."),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The .tflite file to write (default: beside MODEL, as MODEL_int8.tflite).",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Integers throughout, for any device (default).")
    ] = False,
    int16x8: Annotated[
        bool,
        typer.Option(
            "--int16x8",
            help="int8 weights and int16 activations: more exact, and a hundred times slower on a CPU.",
        ),
    ] = False,
    float32: Annotated[bool, typer.Option("--float32", help="The network as it was trained.")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half the size of float32.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float arithmetic.")] = False,
    calibration: Calibration = None,
    no_repair: Annotated[
        bool,
        typer.Option(
            "--no-repair", help="Refuse an int8 file that misses its gate; leave no layers in float."
        ),
    ] = False,
    edgetpu: Annotated[
        bool, typer.Option("--edgetpu", help="Compile int8 for a Coral Edge TPU with edgetpu_compiler.")
    ] = False,
    min_mapped: Annotated[
        float | None, typer.Option(help="Share of operators that the Edge TPU must map (default: 1).")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model (default: the name in the network's sidecar).")
    ] = None,
    saturation: Annotated[
        float | None,
        typer.Option(
            help="Gain on the colors that the file stores (default: the gain in the sidecar, or 1)."
        ),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Secret key of minisign: also write the signature FILE.minisig, which `edgecolor check "
            "--trusted` and `minisign -V` verify.",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Export a network to one .tflite file, and verify the file.

    The calibration pictures set the int8 ranges. The file is compared with the float network on other
    photographs, which come with edgecolor, and written only if both give the same colors. An int8 file that
    misses this gate is repaired: the few layers that cost most stay in float, and are named. Golden vectors
    in the file let a device repeat the comparison.

    \b
    Examples:
      edgecolor export mine.keras
      edgecolor export models/s/s.keras -o s.tflite
      edgecolor export mine.keras --int8 --calibration camera-pictures/ -o mine.tflite
      edgecolor export mine.keras --edgetpu -o mine_edgetpu.tflite
      edgecolor export mine.tflite --edgetpu -o mine_edgetpu.tflite
      edgecolor export mine.keras --sign workshop.key
    """
    from edgecolor import export as export_model
    from edgecolor.support.minisign import read_signing_key, signature_path, write_signature
    from edgecolor_runtime import Precision, UsageError
    from edgecolor_runtime.system.files import refuse_existing

    flags = {"int8": int8, "int16x8": int16x8, "float32": float32, "float16": float16, "dynamic": dynamic}
    chosen = [precision for precision, is_set in flags.items() if is_set]
    if len(chosen) > 1:
        raise UsageError(f"--{' and --'.join(chosen)}: choose one.")
    if min_mapped is not None and not edgetpu:
        raise UsageError("--min-mapped is about an Edge TPU: add --edgetpu.")
    if edgetpu and chosen not in ([], ["int8"]):
        raise UsageError(f"An Edge TPU computes in int8: remove --{chosen[0]}.")
    precision = Precision(chosen[0]) if chosen else Precision.INT8
    if model is None:
        raise UsageError(_missing_model(precision))
    is_exported = edgetpu and model.suffix == ".tflite"
    if not is_exported:
        verify_network(model)
    output = output or _default_output(model, "edgetpu" if edgetpu else precision.value)
    key = None
    if sign is not None:
        refuse_existing(signature_path(output), force)
        key = read_signing_key(sign, lambda: _ask_password(sign, output))
    with working(f"exporting {model}", quiet=quiet) as print_progress:
        report = export_model(
            model,
            output,
            precision=precision,
            calibration=None if is_exported else calibration_folder(calibration),
            name=name,
            saturation=saturation,
            repair=not no_repair,
            min_mapped=(1.0 if min_mapped is None else min_mapped) if edgetpu else None,
            force=force,
            on_progress=print_progress,
        )
    signature = None if key is None else write_signature(output, key)
    if as_json:
        print(_json(report, signature))
    else:
        print_lines(*_lines(report), *([] if signature is None else [f"signature    {signature}"]))


def _default_output(model: Path, kind: str) -> Path:
    """Return the file beside the model that is written without -o, as MODEL_int8.tflite."""
    return model.with_name(f"{model.stem}_{kind}.tflite")


def _missing_model(precision: Precision) -> str:
    """Return what to add to `edgecolor export`, with an example for a network in the current folder."""
    network = sample_network()
    if network is None:
        return (
            f"Name the network to export: edgecolor export --{precision.value} MODEL.keras. "
            "`edgecolor train` writes .keras files, and the repository of edgecolor has them in models/."
        )
    words = ["edgecolor", "export", f"--{precision.value}", network.as_posix()]
    output = _default_output(network, precision.value)
    if output.exists():
        words += ["-o", output.name] if output.name != str(output) else ["--force"]
    if not has_calibration():
        words += ["--calibration", sample_photographs().as_posix()]
    return f"Name the network to export. For example: {shlex.join(words)}"


def _ask_password(key: Path, output: Path) -> str:
    import getpass
    import sys

    from edgecolor_runtime import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            f"{key} has a password, and there is no terminal to ask for it. Use a key without a password "
            "(minisign -G -W), or export without --sign and then run: "
            + shlex.join(["minisign", "-S", "-s", str(key), "-m", str(output)])
        )
    return getpass.getpass(f"Password of {key}: ")


def _json(report: ExportReport, signature: Path | None) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(report) | ({} if signature is None else {"signature": str(signature)}), indent=1)


def _lines(report: ExportReport) -> list[str]:
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
        lines.append(
            f"halves       of the set give files that differ by {report.halves_ab_difference:.2f} Lab units"
        )
    if report.float_layers:
        lines.append(
            f"in float     {', '.join(report.float_layers)}: {report.time_ratio:g} x the time of plain int8"
        )
    lines += [
        f"compared with the float network on {fidelity.pictures} pictures:",
        f"ab           mean difference {fidelity.ab_difference:.2f} Lab units",
        f"chroma       {fidelity.chroma_ratio:.3f} of the float network's",
    ]
    if compilation := report.edgetpu:
        lines.append(
            f"Edge TPU     {compilation.mapped} of {compilation.operators} operators mapped, weights: "
            f"{compilation.on_chip / 1e6:.2f} MB on the chip, "
            f"{compilation.off_chip / 1e6:.2f} MB sent with every picture"
        )
    return lines
