"""`edgecolor check`: does a model file compute here what it should?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecolor.cli.common.fidelity_text import fidelity_lines
from edgecolor.cli.common.options import calibration_folder

if TYPE_CHECKING:
    from edgecolor.checking.layer_errors import LayerError
    from edgecolor.checking.reference import ReferenceCheck
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.inference.golden import Replay

LAYER_PICTURES = 8  # of the check set; more hardly move a layer's figure
DEVIATIONS = 12  # shown


def check(
    model: Annotated[str, typer.Argument(metavar="FILE", help="A model file, or a shipped model's name.")],
    *,
    reference: Annotated[
        Path | None,
        typer.Option(help="The .keras that FILE was made from: compares weights and colors."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="What calibrated FILE; by default ./calibration if it has a manifest."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of photographs to compare colors on. Else edgecolor's check set."),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="With --reference: the error of each layer, too.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the interpreter.")] = 1,
    delegate: Annotated[
        str | None, typer.Option(help="edgetpu, or the path of a TFLite delegate's library. Else the CPU.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Check a model file: nothing in it changed, and this device computes what the workstation computed.

    The file's hashes are verified, then its golden vectors run through the interpreter and raw outputs are
    compared. That needs no TensorFlow. With --reference, on a workstation, the export is made again and
    compared value by value, and the colors are compared with those of the float network, on a GPU if there
    is one. Ends with 3 if anything misses its limit, with 5 if the file is broken.

    \b
    Examples:
      edgecolor check s
      edgecolor check model_edgetpu.tflite --delegate edgetpu
      edgecolor check mine.tflite --reference mine.keras --calibration camera-pictures/ --layers
    """
    from edgecolor_runtime.errors import UsageError
    from edgecolor_runtime.inference.colorizer import Colorizer
    from edgecolor_runtime.inference.golden import replay, verify_replay
    from edgecolor_runtime.models.shipped import open_model

    if reference is None and (calibration or data or layers):
        raise UsageError("--calibration, --data and --layers need a network to compare with: --reference.")
    colorizer = Colorizer(open_model(model), threads=threads, delegate=delegate)
    found = replay(colorizer)
    report = {**_about(model, colorizer, threads), "golden": _json(found) | {"passed": found.passed}}
    lines = [*_file_lines(report), *_golden_lines(found)]
    gates: list[Callable[[], None]] = [lambda: verify_replay(found)]
    if reference is not None:
        from edgecolor.checking.reference import verify_reference

        say = _silent if quiet else _progress
        against, errors = _against(colorizer, model, reference, calibration, data, say, layers=layers)
        report["reference"] = _json(against) | {"passed": not against.failures}
        report["layers"] = [_json(e) for e in errors]
        lines += [*_reference_lines(against), *_layer_lines(errors)]
        gates.append(lambda: verify_reference(against, model))
    print(json.dumps(report, indent=1) if as_json else "\n".join(lines), flush=True)
    _verify(gates)


def _verify(gates: Sequence[Callable[[], None]]) -> None:
    """All that fails, in one line."""
    from edgecolor_runtime.errors import GateError

    failures = []
    for gate in gates:
        try:
            gate()
        except GateError as error:
            failures.append(str(error))
    if failures:
        raise GateError(" ".join(failures))


def _against(
    colorizer: Colorizer,
    model: str,
    reference: Path,
    calibration: Path | None,
    data: Path | None,
    say: Callable[[str], None],
    *,
    layers: bool,
) -> tuple[ReferenceCheck, list[LayerError]]:
    from edgecolor.support.extras import need_keras

    need_keras("check --reference", backend="tensorflow")
    from edgecolor.checking.reference import check_reference
    from edgecolor.data.calibration import CHECK_PICTURES, read_check_set

    folder = calibration_folder(calibration)
    found = check_reference(
        colorizer, model, reference, calibration=folder, data=data or CHECK_PICTURES, say=say
    )
    if not layers:
        return found, []
    from edgecolor.checking.layer_errors import layer_errors
    from edgecolor.network.keras_file import load_network

    say("comparing layers")
    grays = read_check_set().gray[:LAYER_PICTURES]
    return found, layer_errors(colorizer.model.flatbuffer, load_network(reference), grays)


def _about(model: str, colorizer: Colorizer, threads: int) -> dict[str, Any]:
    info = colorizer.model.info
    return {
        "file": model,
        "name": info.name,
        "version": info.version,
        "precision": info.precision,
        "sha256": colorizer.model.sha256,
        "threads": threads,
    }


def _json(result: Replay | ReferenceCheck | LayerError) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)


def _file_lines(report: dict[str, Any]) -> Iterator[str]:
    name, version, precision = report["name"], report["version"], report["precision"]
    yield f"file         {report['file']}: {name} {version}, {precision}, intact"
    yield f"sha256       {report['sha256']}"


def _golden_lines(found: Replay) -> Iterator[str]:
    where = f"delegate {found.delegate}" if found.delegate else "CPU"
    limits = found.limits
    yield f"interpreter  {found.interpreter}, {where}"
    yield f"golden       {found.pictures} pictures against their exported outputs, in steps of 1/128:"
    for name, value, limit in (
        ("mean", found.mean, limits.mean),
        ("99.9 %", found.p999, limits.p999),
        ("largest", found.maximum, limits.maximum),
    ):
        yield f"{'':13}{name:8}{value:9.4g}   at most {limit:g}{'' if value <= limit else '   FAILS'}"


def _reference_lines(found: ReferenceCheck) -> Iterator[str]:
    yield f"float        {found.reference} on {found.device}"
    yield f"{'':13}{found.golden:.2g} at most from the float outputs of the golden vectors"
    if found.gpu_against_cpu is not None:
        yield f"{'':13}{found.device} and the CPU differ by {found.gpu_against_cpu:.2g} at most"
    if not found.deviations:
        yield "weights      every stored value is that of the export made again"
    elif found.other_processor:
        yield (
            f"weights      differ in {_places(len(found.deviations))}, by as little as an export on "
            "another kind of processor does:"
        )
    else:
        yield f"weights      not those of the export made again, in {_places(len(found.deviations))}: FAILS"
    for deviation in found.deviations[:DEVIATIONS]:
        yield f"{'':13}{deviation.layer}: {deviation.text}"
    if (more := len(found.deviations) - DEVIATIONS) > 0:
        yield f"{'':13}and {more} more"
    yield f"colors      on {found.photographs} photographs"
    yield from fidelity_lines(found.color)


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def _layer_lines(errors: Sequence[LayerError]) -> Iterator[str]:
    if errors:
        yield f"{'layer':28}{'operator':22}{'error':>8}{'SNR':>8}"
    for e in errors:
        share = e.error / e.signal if e.signal else 0.0
        yield f"{e.layer:28}{e.operator:22}{share:8.2%}{e.snr:5.0f} dB"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    pass
