"""A trained network to the one-file model: convert, correct, judge, repair, prove, pack."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecolor import __version__
from edgecolor.data.calibration import read_calibration, read_check_set
from edgecolor.exporting import edge_tpu
from edgecolor.exporting.bias_correction import correct_output
from edgecolor.exporting.conversion import CALIBRATED, Conversion, convert, need_tensorflow
from edgecolor.exporting.gates import (
    Say,
    judge,
    judge_coverage,
    judge_halves,
    mend,
    passes,
    verify_fidelity,
)
from edgecolor.exporting.golden_vectors import choose_golden
from edgecolor.network.sidecar import gain_of, read_facts
from edgecolor.tflite.graph import Graph, read_graph
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.errors import EdgecolorError, ModelFileError, UsageError
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.info import (
    CalibrationCoverage,
    CalibrationInfo,
    EdgeTpuCompilation,
    ExportFidelity,
    ModelInfo,
    PhotographSet,
    Precision,
    TensorDescription,
)
from edgecolor_runtime.models.model_file import pack, parse, read
from edgecolor_runtime.models.signature import AB_SCALE
from edgecolor_runtime.system import files

UNLICENSED = "Not stated by whoever trained it."


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        coverage: of the calibration set; None where the training data's histograms are not known, or the
            precision needs no calibration.
        halves_ab_difference: Lab units between the int8 files of two halves of the set; None for others.
        float_layers: layers that were left in float so that the int8 file passes its gate.
        time_ratio: what they cost: median time of a run over plain int8's, on this machine's CPU.
        edgetpu: what the Edge TPU compiler said.
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


def export_model(
    model: Path,
    out: Path,
    *,
    calibration: Path,
    precision: Precision = Precision.INT8,
    name: str | None = None,
    saturation: float | None = None,
    repair: bool = True,
    min_mapped: float | None = None,
    force: bool = False,
    say: Say = lambda _: None,
) -> ExportReport:
    """Exports a .keras file of the fusion network's signature.

    Facts that training left beside it (`model.json` for `model.keras`) go into the file.

    Args:
        model: the .keras file.
        out: the .tflite file to write; it appears whole or not at all.
        calibration: folder of the calibration pictures. The file is judged on others, those of `check_set`.
        precision: number format of the exported network.
        name: what the model calls itself; by default as the facts say, or the file's stem.
        saturation: the default gain on ab; by default as the facts say, or 1.
        repair: leave the costliest layers in float where int8 misses its gate; never for an Edge TPU.
        min_mapped: compile for an Edge TPU, and refuse where it maps a smaller share of the operators.
        force: replace an existing `out`.
        say: takes a line of progress.

    Raises:
        UsageError: a bad name or gain, an existing `out`.
        PictureError: `out` cannot be written.
        DataError: an unusable calibration set or facts file.
        MissingError: TensorFlow or the Edge TPU compiler is not installed.
        ModelFileError: not a .keras file of this signature.
        GateError: the exported file misses a gate; nothing is written.
    """
    _verify_archive(model)
    facts = read_facts(model)
    name = name or str(facts.get("name", model.stem))
    gain = gain_of(facts, model) if saturation is None else saturation
    _verify_call(name, gain, min_mapped)
    _verify_out(out, model, force=force)
    compiler = None if min_mapped is None else edge_tpu.find_compiler()
    need_tensorflow()
    pictures = read_calibration(calibration)
    say(f"{len(pictures.names)} calibration pictures")
    conversion = make_flatbuffer(model, pictures.gray, precision, halves=precision is Precision.INT8)
    say(f"converted to {precision}")
    coverage = None
    if precision in CALIBRATED:
        coverage = judge_coverage(pictures.gray, conversion, facts, say)
    apart = judge_halves(conversion, say)
    judged = judge(conversion, precision)
    if precision is Precision.INT8 and repair and compiler is None and not passes(judged.fidelity, precision):
        judged = mend(judged, pictures.gray, say)
    verify_fidelity(judged.fidelity, precision)
    info = ModelInfo(
        name=name,
        version=str(facts.get("version", __version__)),
        precision=precision,
        saturation=gain,
        calibration=CalibrationInfo(pictures.sha256, len(pictures.names), coverage, apart),
        alpha=judged.conversion.alpha,
        input=describe_input(judged.interpreter.input),
        output=describe_output(judged.interpreter.output),
        ab_scale=AB_SCALE,
        parameters=judged.conversion.parameters,
        float_layers=judged.conversion.float_layers,
        check=_check_set(),
        training=facts.get("training", {}),
        accuracy=facts.get("accuracy", {}),
        license=str(facts.get("licence", UNLICENSED)),
        fidelity=judged.fidelity,
        created_by=judged.conversion.created_by,
    )
    golden = choose_golden(read_check_set().gray, conversion.check_reference, judged.raw)
    packed = pack(judged.conversion.flatbuffer, info, golden)
    compilation = None
    if compiler is not None and min_mapped is not None:
        packed, compilation = edge_tpu.compile_model(parse(packed, str(out)), compiler, min_mapped=min_mapped)
    files.write_bytes(out, packed, force=force)
    report = _report(out, info, judged.graph, len(packed), compilation)
    return replace(
        report,
        coverage=coverage,
        halves_ab_difference=apart,
        float_layers=judged.conversion.float_layers,
        time_ratio=judged.time_ratio,
    )


def compile_exported(model: Path, out: Path, *, min_mapped: float, force: bool = False) -> ExportReport:
    """Compiles an exported int8 model for an Edge TPU; it needs the compiler and no TensorFlow.

    Raises:
        UsageError: an existing `out`, or a share that is none.
        PictureError: `out` cannot be written.
        MissingError: the compiler is not installed.
        ModelFileError: not one of our model files.
        GateError: it is not int8, or the compiler maps too few of its operators; nothing is written.
    """
    source = read(model)
    if source.info.fidelity is None or source.info.check is None:
        raise ModelFileError(f"{model}: exported before there was a check set; export it again.")
    _verify_call(source.info.name, 1.0, min_mapped)
    _verify_out(out, model, force=force)
    compiler = edge_tpu.find_compiler()
    packed, compilation = edge_tpu.compile_model(source, compiler, min_mapped=min_mapped)
    files.write_bytes(out, packed, force=force)
    return _report(out, source.info, read_graph(source.flatbuffer), len(packed), compilation)


def make_flatbuffer(
    model: Path, gray: U8, precision: Precision, float_layers: Sequence[str] = (), *, halves: bool = False
) -> Conversion:
    """A network and calibration pictures to the final flatbuffer: conversion and bias correction.

    Args:
        model: the .keras file.
        gray: uint8 (n, 224, 224), the calibration pictures.
        precision: number format of the exported network.
        float_layers: for int8, names of layers to leave in float.
        halves: whether to convert from each half of the pictures, too; for int8.

    Raises:
        As `convert`.
    """
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
        conversion = convert(model, gray, precision, Path(folder), float_layers=float_layers, halves=halves)
    if precision is not Precision.INT8:
        return conversion
    reference = conversion.reference
    parts = [(half, slice(i, None, 2)) for i, half in enumerate(conversion.halves)]
    return replace(
        conversion,
        flatbuffer=correct_output(conversion.flatbuffer, gray, reference),
        halves=tuple(correct_output(half, gray[part], reference[part]) for half, part in parts),
    )


def _verify_archive(model: Path) -> None:
    # Told at once; the child takes seconds before it looks.
    if not model.is_file():
        raise ModelFileError(f"{model}: no such file. Name a .keras file.")
    if model.suffix == ".tflite":
        raise ModelFileError(
            f"{model}: exported already; only --edgetpu does more with it. Name a .keras file."
        )
    if not zipfile.is_zipfile(model):
        raise ModelFileError(f"{model}: not a .keras file.")


def _verify_call(name: str, gain: float, min_mapped: float | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"name {name!r}: use letters, digits, dot, dash and underscore.")
    if not 0 < gain <= 4:
        raise UsageError(f"saturation {gain:g}: expected a gain above 0 and at most 4.")
    if min_mapped is not None and not 0 <= min_mapped <= 1:
        raise UsageError(f"--min-mapped {min_mapped:g}: expected a share from 0 to 1.")


def _verify_out(out: Path, model: Path, *, force: bool) -> None:
    if out.is_dir():
        raise UsageError(f"{out} is a folder; -o names the file to write.")
    if out.exists() and not force:
        raise UsageError(f"{out} exists. Add --force to replace it, or name another file.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):  # told before minutes of work, not after them
        raise EdgecolorError(f"{out}: cannot be written: {folder} is no folder that you may write in.")
    if out.resolve() in (model.resolve(), model.with_suffix(".json").resolve()):
        raise UsageError(f"{out} would replace what is exported; choose another -o.")


def _check_set() -> PhotographSet:
    pictures = read_check_set()
    return PhotographSet(pictures.sha256, len(pictures.names))


def _report(
    out: Path, info: ModelInfo, graph: Graph, size: int, compilation: EdgeTpuCompilation | None
) -> ExportReport:
    names = [op.name for op in graph.operators]
    assert info.fidelity is not None and info.calibration is not None and info.check is not None
    return ExportReport(
        path=str(out),
        name=info.name,
        precision=info.precision,
        bytes=size,
        parameters=info.parameters,
        macs=graph.macs,
        operators={n: names.count(n) for n in sorted(set(names))},
        fidelity=info.fidelity,
        calibration_sha256=info.calibration.manifest_sha256,
        check_sha256=info.check.manifest_sha256,
        edgetpu=compilation,
    )


def describe_input(tensor: TensorInfo) -> TensorDescription:
    """Return what a model file says about its input."""
    return _describe(tensor, "L of CIE LAB / 50 - 1, in [-1, 1]")


def describe_output(tensor: TensorInfo) -> TensorDescription:
    """Return what a model file says about its output."""
    return _describe(tensor, f"a and b of CIE LAB / {AB_SCALE:g}, in [-1, 1]")


def _describe(tensor: TensorInfo, meaning: str) -> TensorDescription:
    return TensorDescription(tensor.shape, meaning, tensor.scale, tensor.zero_point)
