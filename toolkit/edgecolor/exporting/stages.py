"""The value that grows while a network is exported: Converted, Corrected, Assessed, Packed.

Each stage holds the values of the stages before it. Its `model` parses its graph and loads its
interpreter once, and every later step uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import F32
from edgecolor_runtime.models.info import (
    CalibrationCoverage,
    ExportFidelity,
    ModelInfo,
    Precision,
)
from edgecolor_runtime.models.model_file import Golden

CALIBRATED = frozenset({Precision.INT8, Precision.INT16X8, Precision.DYNAMIC})
"""Precisions with int8 kernels: the calibration pictures choose how these are rounded, and int8 ranges."""


@dataclass(frozen=True)
class Source:
    """The float network that was converted.

    Attributes:
        reference: float32 (n, 56, 56, 2) in [-1, 1], its outputs for the calibration pictures.
        check_reference: its outputs for the check set.
        rounded_network: the .keras file with its kernels rounded, from which a repair starts.
        parameters: number of its parameters.
        kernel_values: how many of them belong to kernels; the exported file must hold all of these.
        alpha: width multiplier of the MobileNet branch; 0 for a network without that branch.
        created_by: versions of edgecolor, TensorFlow and Keras.
    """

    reference: F32
    check_reference: F32
    rounded_network: bytes
    parameters: int
    kernel_values: int
    alpha: float
    created_by: str


@dataclass(frozen=True)
class Converted:
    """A network as TensorFlow Lite's converter wrote it.

    Attributes:
        model: the TFLite file.
        source: the network that it was made from.
        precision: number format of the exported network.
        float_layers: names of the layers that compute in float in an int8 file.
        halves: int8 files of the same kernels, calibrated on the even and on the odd pictures; or none.
    """

    model: TfliteModel
    source: Source
    precision: Precision
    float_layers: tuple[str, ...]
    halves: tuple[TfliteModel, ...]


@dataclass(frozen=True)
class Corrected(Converted):
    """A converted network without the mean shift of int8 quantization; other precisions have none."""


@dataclass(frozen=True)
class Assessed(Corrected):
    """A corrected network, measured on the check set.

    Attributes:
        raw_outputs: int8 or float32 (24, 56, 56, 2), the file's outputs for the check set.
        fidelity: how close they are to the float network's.
        coverage: shares of the training data that the calibration set reaches; None if unknown.
        halves_ab_difference: Lab units between the files of the two halves; None without halves.
        time_ratio: for a repaired file, median time of a run over that of plain int8; None for others.
    """

    raw_outputs: NDArray[Any]
    fidelity: ExportFidelity
    coverage: CalibrationCoverage | None
    halves_ab_difference: float | None
    time_ratio: float | None = None


@dataclass(frozen=True)
class Packed:
    """A one-file model, ready to be written.

    Attributes:
        model: the TFLite file inside, before an Edge TPU compiler changed it.
        info: what the file says about the model; with the report of the Edge TPU compiler if it was compiled.
        golden: the golden vectors.
        data: the bytes of the whole file.
        assessed: what was measured; None for a file that was exported earlier.
    """

    model: TfliteModel
    info: ModelInfo
    golden: Golden
    data: bytes
    assessed: Assessed | None = None
