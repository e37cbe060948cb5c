"""Compare an exported file with the float network that it was made from: weights, colors, golden vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecolor.checking.export_diff import Deviation, compare_exports, only_rounding
from edgecolor.data.calibration import CHECK_PICTURES, read_calibration
from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import ExportedPredictor, FloatReference, devices
from edgecolor.evaluation.scores import Fidelity
from edgecolor.exporting.bias_correction import correct
from edgecolor.exporting.conversion import convert
from edgecolor.exporting.gates import verify_fidelity
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import DataError, GateError, UsageError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.interpreter import EDGE_TPU_OPERATOR
from edgecolor_runtime.models.info import ExportFidelity, Precision
from edgecolor_runtime.models.model_file import ModelFile

MAX_G56_LOSS = 0.05
"""Largest paired loss of G56 in dB. A gain is no failure: ab and chroma limit how far the file may differ."""

MAX_FLOAT_DIFFERENCE = 1e-3
"""Largest difference between float outputs in [-1, 1]: between devices, and to the float16 golden vectors."""

NAMED_DEVIATIONS = 3  # how many the error message names


@dataclass(frozen=True)
class ReferenceCheck:
    """The result of the comparison.

    Attributes:
        reference: the .keras file.
        device: where the float network ran: "GPU:0" or "CPU:0".
        photographs: number of photographs on which colors were compared.
        color: ab, chroma, CIEDE2000, hue and paired gains on them.
        golden: largest difference between the float network and the float outputs of the golden vectors.
        gpu_against_cpu: largest difference of the two on the golden pictures; None without a GPU.
        deviations: stored values that differ from those of the export made again.
        other_processor: whether the arithmetic of another processor explains all deviations.
        failures: what misses its gate, one sentence each.
    """

    reference: str
    device: str
    photographs: int
    color: Fidelity
    golden: float
    gpu_against_cpu: float | None
    deviations: tuple[Deviation, ...]
    other_processor: bool
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing misses its gate."""
        return not self.failures


def compare_with_reference(
    colorizer: Colorizer,
    name: str,
    reference: Path,
    *,
    calibration: Path,
    data: Path = CHECK_PICTURES,
    on_progress: PrintLine = print_nothing,
) -> ReferenceCheck:
    """Compare an exported file with its .keras file.

    Args:
        colorizer: of the exported file, on the interpreter and delegate to check.
        name: name of the file in messages.
        reference: the .keras file.
        calibration: folder of the pictures that calibrated the exported file.
        data: folder of color photographs on which colors are compared.
        on_progress: takes a line of progress.

    Raises:
        DataError: other calibration pictures than those of the file, or the photographs are unusable.
        UsageError: a file compiled for an Edge TPU.
        ModelFileError: not a .keras file of this signature.
    """
    model = colorizer.model
    gray = _read_calibration(model, name, calibration)
    operators = TfliteModel(model.flatbuffer).graph.operators
    if any(op.name == f"CUSTOM:{EDGE_TPU_OPERATOR}" for op in operators):
        raise UsageError(f"{name} is compiled for an Edge TPU. Check the file that it was compiled from.")
    precision = model.info.precision
    on_progress(f"making the {precision} export again with {len(gray)} calibration pictures")
    converted = convert(reference, gray, precision, float_layers=model.info.float_layers)
    deviations = compare_exports(model.flatbuffer, correct(converted, gray).model.flatbuffer)
    first, *others = [FloatReference(reference, device) for device in select_devices(devices())]
    outputs = first.output(model.golden.gray)
    golden = _largest_difference(outputs, model.golden.reference)
    differences = [_largest_difference(outputs, other.output(model.golden.gray)) for other in others]
    gpu_against_cpu = max(differences, default=None)
    on_progress(f"coloring the check set with the float network on {first.device}")
    evaluation = evaluate_predictor(ExportedPredictor(name, colorizer), data, reference=first)
    assert evaluation.fidelity is not None
    failures = (
        *_weight_failures(deviations, model.info.created_by, converted.source.created_by),
        *_color_failures(evaluation.fidelity, evaluation.data.photographs, precision),
        *_float_failures(golden, "golden vectors'"),
        *_float_failures(gpu_against_cpu, "CPU's"),
    )
    return ReferenceCheck(
        reference=str(reference),
        device=first.device,
        photographs=evaluation.data.photographs,
        color=evaluation.fidelity,
        golden=golden,
        gpu_against_cpu=gpu_against_cpu,
        deviations=tuple(deviations),
        other_processor=only_rounding(deviations),
        failures=failures,
    )


def _read_calibration(model: ModelFile, name: str, folder: Path) -> U8:
    calibration = model.info.calibration
    if calibration is None:
        raise DataError(f"{name} does not say which pictures calibrated it. Export it again to check it.")
    pictures = read_calibration(folder)
    if pictures.sha256 != calibration.manifest_sha256:
        raise DataError(
            f"{folder}: its pictures have the hash {pictures.sha256}, but {name} was calibrated with "
            f"pictures of the hash {calibration.manifest_sha256}. Name that folder with "
            "--calibration, or export the file again."
        )
    return pictures.gray


def select_devices(names: Sequence[str]) -> list[str]:
    """Return the device that the check uses, and the CPU if that is another device."""
    return [names[0]] if len(names) == 1 else [names[0], names[-1]]


def _largest_difference(outputs: F32, others: F32) -> float:
    return float(np.nan_to_num(np.abs(outputs - others), nan=2.0).max())


def _float_failures(difference: float | None, other: str) -> list[str]:
    if difference is None or difference <= MAX_FLOAT_DIFFERENCE:
        return []
    limit = f"limit: {MAX_FLOAT_DIFFERENCE:g}"
    return [f"The float network differs from the {other} by up to {difference:.2g} ({limit})."]


def _weight_failures(deviations: Sequence[Deviation], made_by: str, remade_by: str) -> list[str]:
    if not deviations or only_rounding(deviations):
        return []
    text = "; ".join(f"layer {d.layer}: {d.text}" for d in deviations[:NAMED_DEVIATIONS])
    if len(deviations) > NAMED_DEVIATIONS:
        text += f"; and {len(deviations) - NAMED_DEVIATIONS} more"
    versions = ""
    if made_by != remade_by:
        versions = f" The file was made by {made_by}; this machine has {remade_by}."
    return [f"Weights differ: {text}.{versions}"]


def _color_failures(color: Fidelity, photographs: int, precision: Precision) -> list[str]:
    failures = []
    try:
        verify_fidelity(ExportFidelity(photographs, color.ab_difference, color.chroma_ratio), precision)
    except GateError as error:
        failures.append(str(error))
    g56 = color.paired.g56
    if g56 is not None and not g56.mean >= -MAX_G56_LOSS:
        failures.append(f"G56 is {-g56.mean:.3f} dB below the float network's (limit: {MAX_G56_LOSS:g}).")
    return failures
