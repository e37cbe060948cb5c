"""Pack an assessed network into the one-file model: its description and its golden vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecolor import __version__
from edgecolor.data.calibration import Calibration, read_check_set
from edgecolor.exporting.golden_vectors import choose_golden
from edgecolor.exporting.stages import Assessed, Packed
from edgecolor.network.sidecar import read_sidecar
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.info import CalibrationInfo, ModelInfo, PhotographSet, TensorDescription
from edgecolor_runtime.models.model_file import ModelFile, pack
from edgecolor_runtime.models.signature import AB_SCALE

UNLICENSED = "No license is stated for these weights."


@dataclass(frozen=True)
class Description:
    """What is known about a network before it is exported: the sidecar of its .keras file, and options.

    Attributes:
        name: name of the model.
        version: version of the model.
        saturation: default gain on ab.
        training: how the network was trained, as JSON.
        accuracy: what it measured, as JSON.
        license: license of the model.
        training_histograms: histograms of the training data, as JSON; None if they are not known.
    """

    name: str
    version: str
    saturation: float
    training: Any
    accuracy: Any
    license: str
    training_histograms: Any


def read_description(model: Path, *, name: str | None, saturation: float | None) -> Description:
    """Read the sidecar of a .keras file. A name and a saturation that are given replace those of the sidecar.

    Raises:
        ModelFileError: the sidecar is not readable, or its saturation is not a number.
    """
    sidecar = read_sidecar(model)
    return Description(
        name=name or sidecar.name or model.stem,
        version=sidecar.version or __version__,
        saturation=sidecar.saturation if saturation is None else saturation,
        training=sidecar.training,
        accuracy=sidecar.accuracy,
        license=sidecar.license or UNLICENSED,
        training_histograms=sidecar.coverage,
    )


def pack_model(assessed: Assessed, description: Description, calibration: Calibration) -> Packed:
    """Pack an assessed network.

    Raises:
        ModelFileError: the parts do not make a model that the runtime accepts.
    """
    source, check_set = assessed.source, read_check_set()
    golden = choose_golden(check_set.gray, source.check_reference, assessed.raw_outputs)
    interpreter = assessed.model.interpreter
    info = ModelInfo(
        name=description.name,
        version=description.version,
        precision=assessed.precision,
        saturation=description.saturation,
        calibration=CalibrationInfo(
            calibration.sha256,
            len(calibration.names),
            coverage=assessed.coverage,
            halves_ab_difference=assessed.halves_ab_difference,
        ),
        alpha=source.alpha,
        input=_describe_tensor(interpreter.input, "L of CIE LAB / 50 - 1, in [-1, 1]"),
        output=_describe_tensor(interpreter.output, f"a and b of CIE LAB / {AB_SCALE:g}, in [-1, 1]"),
        ab_scale=AB_SCALE,
        parameters=source.parameters,
        float_layers=assessed.float_layers,
        check=PhotographSet(check_set.sha256, len(check_set.names)),
        training=description.training,
        accuracy=description.accuracy,
        license=description.license,
        fidelity=assessed.fidelity,
        created_by=source.created_by,
    )
    data = pack(assessed.model.flatbuffer, info, golden)
    return Packed(assessed.model, info, golden, data, assessed=assessed)


def packed_earlier(file: ModelFile) -> Packed:
    """Return the last stage of a model that was exported earlier."""
    data = pack(file.flatbuffer, file.info, file.golden)
    return Packed(TfliteModel(file.flatbuffer), file.info, file.golden, data)


def _describe_tensor(tensor: TensorInfo, meaning: str) -> TensorDescription:
    return TensorDescription(tensor.shape, meaning, tensor.scale, tensor.zero_point)
