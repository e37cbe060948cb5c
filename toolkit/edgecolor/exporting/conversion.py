"""Convert a Keras network to a TFLite flatbuffer, in a child process.

The converter leaks memory over many conversions and writes its own log to stderr. A child process gives the
memory back and keeps the log out of sight. The request and the result are JSON (`support/child_process.py`);
arrays and models pass through a folder that parent and child (`converter_process.py`) share:

    gray.npy        in    uint8 (n, 224, 224): the calibration pictures
    model.keras     both  the network with its kernels rounded; a repair starts from this file
    model.tflite    out   the flatbuffer; half-0.tflite and half-1.tflite if halves were requested
    reference.npy   both  float32 (n, 56, 56, 2) in [-1, 1]: outputs of the float network for the pictures
    check.npy       both  the same for the check set
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor.exporting.stages import Converted, Source
from edgecolor.support.child_process import run_module
from edgecolor.support.extras import need_module
from edgecolor.tflite.model import TfliteModel
from edgecolor_runtime.colors.spaces import U8
from edgecolor_runtime.models.info import Precision

_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}


@dataclass(frozen=True)
class Repair:
    """An int8 file with its costliest layers in float.

    Attributes:
        model: the TFLite file.
        float_layers: names of the layers in float; empty if no allowed number of them passes the gate.
        layers: number of layers of the network.
        time_ratio: median time of a run over that of the plain int8 file, on the CPU of this machine.
    """

    model: TfliteModel
    float_layers: tuple[str, ...]
    layers: int
    time_ratio: float


def need_tensorflow() -> None:
    """Verify that the child process can do its work.

    Raises:
        MissingError: TensorFlow is not installed.
    """
    need_module("export", "tensorflow", extra="train")


def convert(
    model: Path,
    gray: U8,
    precision: Precision,
    *,
    float_layers: Sequence[str] = (),
    halves: bool = False,
) -> Converted:
    """Convert a .keras file in a child process.

    Args:
        model: the .keras file.
        gray: uint8 (n, 224, 224), the calibration pictures.
        precision: number format of the exported network.
        float_layers: for int8, names of layers to leave in float.
        halves: for int8, also convert from each half of the pictures.

    Raises:
        ModelFileError: not a Keras file of this signature.
        GateError: the converter refuses the network.
        UsageError: no layer has one of the names.
    """
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as name:
        folder = Path(name)
        np.save(folder / "gray.npy", gray)
        request = {
            "task": "convert",
            "folder": name,
            "model": str(model),
            "precision": precision.value,
            "float_layers": list(float_layers),
            "halves": halves,
        }
        result = _run_child(request, str(model))
        half_files = ("half-0.tflite", "half-1.tflite") if halves else ()
        return Converted(
            model=_read_model(folder / "model.tflite"),
            source=Source(
                reference=np.load(folder / "reference.npy"),
                check_reference=np.load(folder / "check.npy"),
                rounded_network=(folder / "model.keras").read_bytes(),
                **result,
            ),
            precision=precision,
            float_layers=tuple(float_layers),
            halves=tuple(_read_model(folder / file) for file in half_files),
        )


def find_repair(source: Source, gray: U8) -> Repair:
    """Find the fewest layers to leave in float so that an int8 file passes its gate, in a child process.

    Args:
        source: the network whose int8 file misses the gate.
        gray: uint8 (n, 224, 224), the calibration pictures.

    Raises:
        GateError: the converter refuses the network.
    """
    with tempfile.TemporaryDirectory(prefix="edgecolor-") as name:
        folder = Path(name)
        np.save(folder / "gray.npy", gray)
        np.save(folder / "reference.npy", source.reference)
        np.save(folder / "check.npy", source.check_reference)
        (folder / "model.keras").write_bytes(source.rounded_network)
        result = _run_child({"task": "repair", "folder": name}, "the network")
        return Repair(
            model=_read_model(folder / "model.tflite"),
            float_layers=tuple(result["float_layers"]),
            layers=result["layers"],
            time_ratio=result["time_ratio"],
        )


def _read_model(path: Path) -> TfliteModel:
    return TfliteModel(path.read_bytes())


def _run_child(request: object, model: str) -> dict[str, Any]:
    """Run the converter and return its result; request and result are JSON objects."""
    result: dict[str, Any] = run_module(
        "edgecolor.exporting.converter_process",
        request,
        what=f"{model}: the conversion",
        environment=_ENVIRONMENT,
    )
    return result
