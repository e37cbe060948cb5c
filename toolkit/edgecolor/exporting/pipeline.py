"""Export a trained network to the one-file model: convert, correct, assess, repair, pack."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgecolor.data.calibration import read_calibration
from edgecolor.exporting import edge_tpu
from edgecolor.exporting.bias_correction import correct
from edgecolor.exporting.conversion import convert, need_tensorflow
from edgecolor.exporting.gates import assess, passes, verify_fidelity
from edgecolor.exporting.packing import pack_model, packed_earlier, read_description
from edgecolor.exporting.repair import repair_int8
from edgecolor.exporting.stages import Packed
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor_runtime.errors import EdgecolorError, ModelFileError, UsageError
from edgecolor_runtime.models.info import (
    CalibrationCoverage,
    EdgeTpuCompilation,
    ExportFidelity,
    Precision,
)
from edgecolor_runtime.models.model_file import read
from edgecolor_runtime.system.files import refuse_existing, write_bytes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: the file.
        name: name of the model.
        precision: number format of the exported network.
        bytes: size of the file.
        parameters: number of parameters of the Keras network.
        macs: multiply-adds of one run.
        operators: operator -> how many the file has.
        fidelity: how close the file is to the float network, on the check set.
        calibration_sha256: hash of the calibration set.
        check_sha256: hash of the check set.
        coverage: of the calibration set; None without histograms of the training data, or if the precision
            needs no calibration.
        halves_ab_difference: Lab units between the int8 files of two halves of the set; None for other
            precisions.
        float_layers: layers that were left in float so that the int8 file passes its gate.
        time_ratio: median time of a run over that of plain int8, on the CPU of this machine; None without
            float layers.
        edgetpu: the report of the Edge TPU compiler; None for a file that was not compiled.
    """

    path: str
    name: str
    precision: Precision
    bytes: int
    parameters: int
    macs: int
    operators: dict[str, int]
    fidelity: ExportFidelity
    calibration_sha256: str
    check_sha256: str
    coverage: CalibrationCoverage | None = None
    halves_ab_difference: float | None = None
    float_layers: tuple[str, ...] = ()
    time_ratio: float | None = None
    edgetpu: EdgeTpuCompilation | None = None


def export(
    model: str | Path,
    output: str | Path,
    *,
    precision: Precision = Precision.INT8,
    calibration: str | Path | None = None,
    name: str | None = None,
    saturation: float | None = None,
    repair: bool = True,
    min_mapped: float | None = None,
    force: bool = False,
    on_progress: PrintLine = print_nothing,
) -> ExportReport:
    """Export a network to a one-file model, and write it only if it colors like the float network.

    The sidecar of the network (`model.json` for `model.keras`), which training writes, goes into the file.

    Args:
        model: a .keras file of the fusion network's signature. With `min_mapped`, also an exported int8
            .tflite: it is compiled for an Edge TPU, which needs no TensorFlow.
        output: the .tflite file to write. A failed export leaves no file.
        precision: number format of the exported network.
        calibration: folder of calibration pictures; needed for a .keras file. The file is assessed on other
            pictures, those of the check set.
        name: name of the model (default: the name in the sidecar, or the stem of the file).
        saturation: default gain on ab, above 0 and at most 4 (default: the gain in the sidecar, or 1).
        repair: leave the costliest layers in float if int8 misses its gate; never for an Edge TPU.
        min_mapped: compile for an Edge TPU that maps at least this share of the operators, in [0, 1].
        force: replace an existing output.
        on_progress: takes a line of progress.

    Raises:
        UsageError: a bad name or gain, an existing output, no calibration folder.
        EdgecolorError: the output cannot be written.
        DataError: an unusable calibration set.
        MissingError: TensorFlow or the Edge TPU compiler is not installed.
        ModelFileError: not a model of this signature, or an unreadable sidecar.
        GateError: the exported file misses a gate; nothing is written.
    """
    model, output, precision = Path(model), Path(output), Precision(precision)
    if min_mapped is not None and model.suffix == ".tflite":
        packed = _compile_exported(model, output, min_mapped=min_mapped, force=force)
        return _write(packed, output, force=force)
    _verify_archive(model)
    description = read_description(model, name=name, saturation=saturation)
    _verify_options(description.name, description.saturation, min_mapped)
    _verify_output(output, model, force=force)
    if calibration is None:
        raise UsageError(f"{model}: no calibration pictures. Name a folder of at least 20 pictures.")
    compiler = None if min_mapped is None else edge_tpu.find_compiler()
    need_tensorflow()
    pictures = read_calibration(Path(calibration))
    on_progress(f"{len(pictures.names)} calibration pictures")
    on_progress(f"converting to {precision}; this takes half a minute or more")
    converted = convert(model, pictures.gray, precision, halves=precision is Precision.INT8)
    on_progress(f"converted to {precision}")
    corrected = correct(converted, pictures.gray)
    assessed = assess(corrected, pictures.gray, description.training_histograms, on_progress)
    misses_gate = precision is Precision.INT8 and not passes(assessed.fidelity, precision)
    if misses_gate and repair and compiler is None:
        assessed = repair_int8(assessed, pictures.gray, on_progress)
    verify_fidelity(assessed.fidelity, precision)
    packed = pack_model(assessed, description, pictures)
    if compiler is not None and min_mapped is not None:
        packed = edge_tpu.compile_packed(packed, compiler, min_mapped=min_mapped)
    return _write(packed, output, force=force)


def _compile_exported(model: Path, output: Path, *, min_mapped: float, force: bool) -> Packed:
    """Compile an exported int8 model for an Edge TPU."""
    file = read(model)
    if file.info.fidelity is None or file.info.check is None:
        raise ModelFileError(
            f"{model}: its description has no check set, which older versions did not have. Export it again."
        )
    _verify_options(file.info.name, 1.0, min_mapped)
    _verify_output(output, model, force=force)
    compiler = edge_tpu.find_compiler()
    return edge_tpu.compile_packed(packed_earlier(file), compiler, min_mapped=min_mapped)


def _verify_archive(model: Path) -> None:
    # Before the work: the child process needs seconds before it reads the file.
    if not model.is_file():
        raise ModelFileError(f"{model}: no such file. Name a .keras file.")
    if model.suffix == ".tflite":
        raise ModelFileError(
            f"{model}: already exported. Name a .keras file, or add --edgetpu to compile it."
        )
    if not zipfile.is_zipfile(model):
        raise ModelFileError(f"{model}: not a .keras file.")


def _verify_options(name: str, saturation: float, min_mapped: float | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"name {name!r}: use letters, digits, dot, dash and underscore.")
    if not 0 < saturation <= 4:
        raise UsageError(f"saturation {saturation:g}: expected a gain above 0 and at most 4.")
    if min_mapped is not None and not 0 <= min_mapped <= 1:
        raise UsageError(f"--min-mapped {min_mapped:g}: expected a share from 0 to 1.")


def _verify_output(output: Path, model: Path, *, force: bool) -> None:
    refuse_existing(output, force)
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):  # before minutes of work, not after them
        raise EdgecolorError(f"{output}: cannot be written: {folder} is not a folder that you may write in.")
    if output.resolve() in (model.resolve(), model.with_suffix(".json").resolve()):
        raise UsageError(f"{output} would replace the exported network. Name another file with --output.")


def _write(packed: Packed, output: Path, *, force: bool) -> ExportReport:
    write_bytes(output, packed.data, force=force)
    info, assessed, graph = packed.info, packed.assessed, packed.model.graph
    assert info.fidelity is not None and info.calibration is not None and info.check is not None
    names = [op.name for op in graph.operators]
    return ExportReport(
        path=str(output),
        name=info.name,
        precision=info.precision,
        bytes=len(packed.data),
        parameters=info.parameters,
        macs=graph.macs,
        operators={name: names.count(name) for name in sorted(set(names))},
        fidelity=info.fidelity,
        calibration_sha256=info.calibration.manifest_sha256,
        check_sha256=info.check.manifest_sha256,
        coverage=assessed.coverage if assessed else None,
        halves_ab_difference=assessed.halves_ab_difference if assessed else None,
        float_layers=assessed.float_layers if assessed else (),
        time_ratio=assessed.time_ratio if assessed else None,
        edgetpu=info.edgetpu,
    )
