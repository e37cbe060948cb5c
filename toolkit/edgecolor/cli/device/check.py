"""`edgecolor check`: verify a model file, and compare it with the network that it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecolor.cli.common.fidelity_text import fidelity_lines
from edgecolor.cli.common.inputs import calibration_folder, verify_models
from edgecolor.cli.common.messages import print_lines, working
from edgecolor.cli.common.options import AsJson, Calibration, Delegate, Quiet, Trusted, complete_model

if TYPE_CHECKING:
    from edgecolor import ModelCheck
    from edgecolor.checking.layer_errors import LayerError
    from edgecolor.checking.reference import ReferenceCheck
    from edgecolor.support.minisign import Signer
    from edgecolor_runtime.inference.golden import Replay

SHOWN_DEVIATIONS = 12


def check(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Model file, or the name of a shipped model.",
            autocompletion=complete_model,
        ),
    ],
    *,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="The .keras file that FILE was exported from. Its weights and colors are "
            "compared with those of FILE."
        ),
    ] = None,
    calibration: Calibration = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Photographs on which colors are compared (default: the check set)."
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="With --reference, also measure the error of each layer.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Number of CPU threads of the interpreter.")] = 1,
    delegate: Delegate = None,
    trusted: Trusted = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Verify a model file and its outputs on this machine.

    The file must be intact, and this machine must reproduce its reference outputs. The hashes of the file
    are verified. Then the golden vectors run through the interpreter, and raw outputs are compared. This
    needs no TensorFlow. With --reference, on a workstation, the export is made again and compared value by
    value, and colors are compared with those of the float network, on a GPU if there is one. The exit code
    is 3 if anything misses its limit, and 5 if the file is broken. With --trusted, the file must also be
    signed: hashes prove that a file is complete, and a signature proves who made it.

    \b
    Examples:
      edgecolor check s
      edgecolor check model_edgetpu.tflite --delegate edgetpu
      edgecolor check mine.tflite --trusted workshop.pub
      edgecolor check mine.tflite --reference mine.keras --calibration camera-pictures/ --layers
    """
    from edgecolor import check as check_model
    from edgecolor.support.minisign import verify_signed
    from edgecolor_runtime import GateError

    signer = None if trusted is None else verify_signed(model, trusted, "check")
    verify_models(model, *([] if reference is None else [str(reference)]))
    with working(f"checking {model}", quiet=quiet) as print_progress:
        result = check_model(
            model,
            reference=reference,
            calibration=calibration if reference is None else calibration_folder(calibration),
            data=data,
            layers=layers,
            threads=threads,
            delegate=delegate,
            on_progress=print_progress,
        )
    if as_json:
        signature = {} if trusted is None else {"signature": signer and asdict(signer)}
        print(json.dumps(_report(result) | signature, indent=1), flush=True)
    else:
        print_lines(*_lines(result, _signature_lines(signer, trusted)))
    if result.failures:
        raise GateError(" ".join(result.failures))


def _report(result: ModelCheck) -> dict[str, Any]:
    """Return the JSON object that --json prints."""
    report = {
        key: getattr(result, key) for key in ("file", "name", "version", "precision", "sha256", "threads")
    }
    report["golden"] = asdict(result.golden) | {"passed": result.golden.passed}
    if result.reference is not None:
        report["reference"] = asdict(result.reference) | {"passed": result.reference.passed}
        report["layers"] = [asdict(error) for error in result.layers]
    return report


def _signature_lines(signer: Signer | None, trusted: Path | None) -> Iterator[str]:
    if signer is not None:
        yield f"signature    by the key {signer.key} in {trusted}: {' '.join(signer.comment.split())}"
    elif trusted is not None:
        yield "signature    none needed: a shipped model, pinned by its hash"


def _lines(result: ModelCheck, signature: Iterator[str]) -> Iterator[str]:
    yield f"file         {result.file}: {result.name} {result.version}, {result.precision}, intact"
    yield f"sha256       {result.sha256}"
    yield from signature
    yield from _golden_lines(result.golden)
    if result.reference is not None:
        yield from _reference_lines(result.reference)
        yield from _layer_lines(result.layers)


def _golden_lines(golden: Replay) -> Iterator[str]:
    where = f"delegate {golden.delegate}" if golden.delegate else "CPU"
    limits = golden.limits
    yield f"interpreter  {golden.interpreter}, {where}"
    yield f"golden       {golden.pictures} pictures against their exported outputs, in steps of 1/128:"
    for name, value, limit in (
        ("mean", golden.mean, limits.mean),
        ("p99.9", golden.p999, limits.p999),
        ("largest", golden.maximum, limits.maximum),
    ):
        yield f"{'':13}{name:8}{value:9.4g}   at most {limit:g}{'' if value <= limit else '   FAILS'}"


def _reference_lines(comparison: ReferenceCheck) -> Iterator[str]:
    yield f"float        {comparison.reference} on {comparison.device}"
    yield f"{'':13}differs from the float outputs of the golden vectors by at most {comparison.golden:.2g}"
    if comparison.gpu_against_cpu is not None:
        yield f"{'':13}{comparison.device} and the CPU differ by at most {comparison.gpu_against_cpu:.2g}"
    places = _places(len(comparison.deviations))
    if not comparison.deviations:
        yield "weights      every stored value is that of the export made again"
    elif comparison.other_processor:
        yield f"weights      differ in {places}, as little as an export on another kind of processor does:"
    else:
        yield f"weights      differ from the export made again in {places}: FAILS"
    for deviation in comparison.deviations[:SHOWN_DEVIATIONS]:
        yield f"{'':13}{deviation.layer}: {deviation.text}"
    if (more := len(comparison.deviations) - SHOWN_DEVIATIONS) > 0:
        yield f"{'':13}and {more} more"
    yield f"colors       on {comparison.photographs} photographs"
    yield from fidelity_lines(comparison.color)


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def _layer_lines(errors: Sequence[LayerError]) -> Iterator[str]:
    if errors:
        yield f"{'layer':28}{'operator':22}{'error':>8}{'SNR':>8}"
    for e in errors:
        share = e.error / e.signal if e.signal else 0.0
        yield f"{e.layer:28}{e.operator:22}{share:8.2%}{e.snr:5.0f} dB"
