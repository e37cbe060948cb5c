"""An exported file against the float network that it was made from: weights, colors, golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecolor.checking.export_diff import Deviation, compare_exports, only_rounding
from edgecolor.data.calibration import CHECK_PICTURES, read_calibration
from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import ExportedPredictor, FloatReference, devices
from edgecolor.evaluation.scores import Fidelity
from edgecolor.exporting.conversion import Conversion
from edgecolor.exporting.gates import verify_fidelity
from edgecolor.exporting.pipeline import make_flatbuffer
from edgecolor.tflite.graph import read_graph
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import DataError, GateError, UsageError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.interpreter import EDGE_TPU_OPERATOR
from edgecolor_runtime.models.info import ExportFidelity, Precision
from edgecolor_runtime.models.model_file import ModelFile

G56_LOSS = 0.05  # dB, paired, at most; a gain is no failure: ab and chroma bound how far it may stray
FLOAT_LIMIT = 1e-3  # of the output, at most: between devices, and to the golden vectors' float16

TOLD = 3  # deviations that the failing line names


@dataclass(frozen=True)
class ReferenceCheck:
    """What the comparison gave.

    Attributes:
        device: where the float network ran: "GPU:0", "CPU:0".
        photographs: in the check set.
        color: ab, chroma, CIEDE2000, hue and paired gains on them.
        golden: largest difference of the float network from what the golden vectors say it gives.
        gpu_against_cpu: largest difference of the two on the golden pictures; None without a GPU.
        deviations: stored values that are not those of the export made again.
        other_processor: whether those are what another processor's arithmetic gives.
        failures: what misses its gate, one line each.
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


def check_reference(
    colorizer: Colorizer,
    name: str,
    reference: Path,
    *,
    calibration: Path,
    data: Path = CHECK_PICTURES,
    say: Callable[[str], None] = lambda _: None,
) -> ReferenceCheck:
    """Compares an exported file with its .keras.

    Args:
        colorizer: of the file, on the interpreter and delegate that are to be judged.
        name: what messages call the file.
        reference: the .keras file.
        calibration: folder of the pictures that calibrated the file.
        data: folder of color photographs on which colors are compared.
        say: takes a line of progress.

    Raises:
        DataError: the calibration pictures are others than the file names, or the photographs are unusable.
        UsageError: a file compiled for an Edge TPU.
        ModelFileError: not a .keras file of this signature.
    """
    model = colorizer.model
    gray = _calibration(model, name, calibration)
    if any(op.name == f"CUSTOM:{EDGE_TPU_OPERATOR}" for op in read_graph(model.flatbuffer).operators):
        raise UsageError(f"{name} is compiled for an Edge TPU. Check the file that it was compiled from.")
    precision = model.info.precision
    say(f"making the {precision} export again with {len(gray)} calibration pictures")
    remade = make_flatbuffer(reference, gray, precision, model.info.float_layers)
    deviations = compare_exports(model.flatbuffer, remade.flatbuffer)
    first, *others = [FloatReference(reference, device) for device in chosen(devices())]
    said = first.output(model.golden.gray)
    golden = _apart(said, model.golden.reference)
    across = max((_apart(said, other.output(model.golden.gray)) for other in others), default=None)
    say(f"coloring the check set with the float network on {first.device}")
    result = evaluate_predictor(ExportedPredictor(name, colorizer), data, reference=first)
    assert result.fidelity is not None
    failures = (
        *_weights(deviations, model, remade),
        *_color(result.fidelity, result.data.photographs, precision),
        *_float(golden, "golden vectors'"),
        *_float(across, "CPU's"),
    )
    return ReferenceCheck(
        reference=str(reference),
        device=first.device,
        photographs=result.data.photographs,
        color=result.fidelity,
        golden=golden,
        gpu_against_cpu=across,
        deviations=tuple(deviations),
        other_processor=only_rounding(deviations),
        failures=failures,
    )


def verify_reference(found: ReferenceCheck, name: str) -> None:
    """Refuses a file that is not what its reference gives.

    Raises:
        GateError: it names all that fails.
    """
    if found.failures:
        raise GateError(f"{name} against {found.reference}: {' '.join(found.failures)}")


def _calibration(model: ModelFile, name: str, folder: Path) -> U8:
    calibration = model.info.calibration
    if calibration is None:
        raise DataError(f"{name} does not say which pictures calibrated it. Export it again to check it.")
    pictures = read_calibration(folder)
    if pictures.sha256 != calibration.manifest_sha256:
        raise DataError(
            f"{folder}: its pictures have the hash {pictures.sha256}, and {name} was calibrated with "
            f"those of {calibration.manifest_sha256}. Name them with --calibration, or export the file again."
        )
    return pictures.gray


def chosen(found: list[str]) -> list[str]:
    """Of the devices, the one that judges, and the CPU where that is another one."""
    return found[:1] if len(found) == 1 else [found[0], found[-1]]


def _apart(values: F32, others: F32) -> float:
    return float(np.nan_to_num(np.abs(values - others), nan=2.0).max())


def _float(apart: float | None, whose: str) -> list[str]:
    if apart is None or apart <= FLOAT_LIMIT:
        return []
    return [f"The float network is up to {apart:.2g} from the {whose} (at most {FLOAT_LIMIT:g})."]


def _weights(deviations: list[Deviation], model: ModelFile, remade: Conversion) -> list[str]:
    if not deviations or only_rounding(deviations):
        return []
    told = "; ".join(f"layer {d.layer}: {d.text}" for d in deviations[:TOLD])
    more = f"; and {len(deviations) - TOLD} more" if len(deviations) > TOLD else ""
    versions = ""
    if (by := model.info.created_by) != remade.created_by:
        versions = f" The file was made by {by}, and here is {remade.created_by}."
    return [f"Weights differ: {told}{more}.{versions}"]


def _color(color: Fidelity, photographs: int, precision: Precision) -> list[str]:
    failures = []
    try:
        verify_fidelity(ExportFidelity(photographs, color.ab_difference, color.chroma_ratio), precision)
    except GateError as error:
        failures.append(str(error))
    g56 = color.paired.g56
    if g56 is not None and not g56.mean >= -G56_LOSS:
        failures.append(f"G56 is {-g56.mean:.3f} dB below the float network's (at most {G56_LOSS:g}).")
    return failures
