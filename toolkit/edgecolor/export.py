"""A trained network to the one-file model: convert, correct, verify, prove, pack."""

from __future__ import annotations

import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgecolor import __version__
from edgecolor.bias import correct_output_bias
from edgecolor.calibration import Calibration, read_calibration
from edgecolor.convert import PRECISIONS, Conversion, convert, need_tensorflow
from edgecolor.golden import choose_golden
from edgecolor.graph import Graph, read_graph
from edgecolor.verify import Fidelity, measure, run_pictures, to_real, verify_fidelity, verify_graph
from edgecolor_runtime import sinks
from edgecolor_runtime.color import F32, U8
from edgecolor_runtime.errors import EdgecolorError, ModelFileError, UsageError
from edgecolor_runtime.interpreter import Interpreter, TensorInfo, load_interpreter
from edgecolor_runtime.model_file import pack
from edgecolor_runtime.preprocess import AB_SCALE

UNLICENSED = "Not stated by whoever trained it."

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CORRECTIONS = 2  # the second takes what the tanh's curvature left of the first


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    path: str
    name: str
    precision: str
    bytes: int
    parameters: int
    macs: int
    operators: dict[str, int]
    fidelity: Fidelity
    calibration_sha256: str


def export_model(
    model: Path,
    out: Path,
    *,
    calibration: Path,
    precision: str = "int8",
    name: str | None = None,
    saturation: float | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> ExportReport:
    """Exports a .keras file of the fusion network's signature.

    Facts that training left beside it (`model.json` for `model.keras`) go into the file.

    Args:
        model: the .keras file.
        out: the .tflite file to write; it appears whole or not at all.
        calibration: folder of the calibration pictures; each precision is judged on them.
        precision: "int8", "float32", "float16" or "dynamic".
        name: what the model calls itself; by default as the facts say, or the file's stem.
        saturation: the default gain on ab; by default as the facts say, or 1.
        force: replace an existing `out`.
        say: takes a line of progress.

    Raises:
        UsageError: an unknown precision, a bad name or gain, an existing `out`.
        PictureError: `out` cannot be written.
        DataError: an unusable calibration set or facts file.
        MissingError: TensorFlow is not installed.
        ModelFileError: not a .keras file of this signature.
        GateError: the exported file misses a gate; nothing is written.
    """
    _verify_archive(model)
    facts = read_facts(model)
    name = name or str(facts.get("name", model.stem))
    gain = _gain(facts, model) if saturation is None else saturation
    _verify_call(out, precision, name, gain, force=force)
    if out.resolve() in (model.resolve(), model.with_suffix(".json").resolve()):
        raise UsageError(f"{out} would replace what is exported; choose another -o.")
    need_tensorflow()
    pictures = read_calibration(calibration)
    say(f"{len(pictures.names)} calibration pictures")
    conversion = make_flatbuffer(model, pictures.gray, precision)
    say(f"converted to {precision}")
    graph = read_graph(conversion.flatbuffer)
    verify_graph(graph, precision, conversion.kernel_values)
    interpreter = load_interpreter(conversion.flatbuffer)
    raw = run_pictures(interpreter, pictures.gray)
    fidelity = measure(to_real(raw, interpreter.output), conversion.reference)
    verify_fidelity(fidelity, precision)
    info = _info(
        conversion, interpreter, pictures, fidelity, facts, name=name, precision=precision, gain=gain
    )
    golden = choose_golden(pictures.gray, conversion.reference, raw)
    packed = pack(conversion.flatbuffer, info, golden)
    sinks.write(out, packed, force=force)
    return _report(out, info, graph, fidelity, len(packed))


def make_flatbuffer(model: Path, gray: U8, precision: str, float_layers: Sequence[str] = ()) -> Conversion:
    """Converts a .keras file and corrects its bias: from the same input, the same bytes.

    Args:
        model: the .keras file.
        gray: the calibration pictures, uint8 (n, 224, 224).
        precision: one of PRECISIONS.
        float_layers: layers that an int8 file keeps in float; none is possible yet.

    Raises:
        UsageError: layers in float.
        ModelFileError: not a .keras file of this signature.
        GateError: the converter refuses the network.
    """
    if float_layers:
        raise UsageError("This edgecolor exports no int8 file with layers in float.")
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        conversion = convert(model, gray, precision, Path(folder))
    return _corrected(conversion, gray) if precision == "int8" else conversion


def read_facts(model: Path) -> dict[str, Any]:
    """What training wrote beside a .keras file; empty if there is nothing.

    Raises:
        ModelFileError: the facts are no JSON object.
    """
    path = model.with_suffix(".json")
    if not path.is_file() or path == model:
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: the facts about {model.name} are unreadable: {error}") from error
    if not isinstance(facts, dict):
        raise ModelFileError(f"{path}: expected a JSON object with the facts about {model.name}.")
    return facts


def _gain(facts: dict[str, Any], model: Path) -> float:
    try:
        return float(facts.get("saturation", 1.0))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{model.with_suffix('.json')}: its saturation is no number.") from error


def _verify_archive(model: Path) -> None:
    # Told at once; the child takes seconds before it looks.
    if not model.is_file():
        raise ModelFileError(f"{model}: no such file. Name a .keras file.")
    if not zipfile.is_zipfile(model):
        raise ModelFileError(f"{model}: not a .keras file.")


def _verify_call(out: Path, precision: str, name: str, gain: float, *, force: bool) -> None:
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision}: expected one of {', '.join(PRECISIONS)}.")
    if not _NAME.fullmatch(name):
        raise UsageError(f"name {name!r}: use letters, digits, dot, dash and underscore.")
    if not 0 < gain <= 4:
        raise UsageError(f"saturation {gain:g}: expected a gain above 0 and at most 4.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; -o names the file to write.")
    if out.exists() and not force:
        raise UsageError(f"{out} exists. Add --force to replace it, or name another file.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):  # told before minutes of work, not after them
        raise EdgecolorError(f"{out}: cannot be written: {folder} is no folder that you may write in.")


def _corrected(conversion: Conversion, gray: U8) -> Conversion:
    flatbuffer = conversion.flatbuffer
    for _ in range(_CORRECTIONS):
        flatbuffer = correct_output_bias(flatbuffer, outputs(flatbuffer, gray), conversion.reference)
    return replace(conversion, flatbuffer=flatbuffer)


def outputs(flatbuffer: bytes, gray: U8) -> F32:
    """What a TFLite file says to gray pictures, uint8 (n, 224, 224): float32 (n, 56, 56, 2) in [-1, 1]."""
    interpreter = load_interpreter(flatbuffer)
    return to_real(run_pictures(interpreter, gray), interpreter.output)


def _info(
    conversion: Conversion,
    interpreter: Interpreter,
    pictures: Calibration,
    fidelity: Fidelity,
    facts: dict[str, Any],
    *,
    name: str,
    precision: str,
    gain: float,
) -> dict[str, Any]:
    return {
        "name": name,
        "version": str(facts.get("version", __version__)),
        "alpha": conversion.alpha,
        "precision": precision,
        "input": _end(interpreter.input, "L of CIE LAB / 50 - 1, in [-1, 1]"),
        "output": _end(interpreter.output, f"a and b of CIE LAB / {AB_SCALE:g}, in [-1, 1]"),
        "ab_scale": AB_SCALE,
        "saturation": gain,
        "parameters": conversion.parameters,
        "calibration": {"manifest_sha256": pictures.sha256, "photographs": len(pictures.names)},
        "training": facts.get("training", {}),
        "accuracy": facts.get("accuracy", {}),
        "fidelity": asdict(fidelity),
        "licence": str(facts.get("licence", UNLICENSED)),
        "created_by": conversion.created_by,
    }


def _end(tensor: TensorInfo, meaning: str) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "meaning": meaning,
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _report(out: Path, info: dict[str, Any], graph: Graph, fidelity: Fidelity, size: int) -> ExportReport:
    names = [op.name for op in graph.operators]
    return ExportReport(
        path=str(out),
        name=info["name"],
        precision=info["precision"],
        bytes=size,
        parameters=info["parameters"],
        macs=graph.macs,
        operators={n: names.count(n) for n in sorted(set(names))},
        fidelity=fidelity,
        calibration_sha256=info["calibration"]["manifest_sha256"],
    )
