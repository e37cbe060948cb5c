"""Keras to a TFLite flatbuffer, in a child process.

The converter leaks memory over many conversions and writes to stderr whatever it likes; a process of its own
gives the memory back and keeps the log out of sight. Parent and child (`converter.py`) share a folder:

    job.json        in    what to do
    gray.npy        in    uint8 (n, 224, 224): the calibration pictures
    model.keras     both  what a repair starts from: the network as it was converted
    model.tflite    out   the flatbuffer; half-0.tflite and half-1.tflite where halves were asked for
    reference.npy   both  float32 (n, 56, 56, 2): what the float network says to the pictures, in [-1, 1]
    check.npy       both  the same for the check set
    facts.json      out   parameters, kernels, versions, float layers
    error.json      out   instead of these, an error of our own tree
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecolor_runtime import errors
from edgecolor_runtime.colors.spaces import F32, U8
from edgecolor_runtime.errors import EdgecolorError, MissingError
from edgecolor_runtime.models.info import Precision

CALIBRATED = frozenset({Precision.INT8, Precision.INT16X8, Precision.DYNAMIC})
"""Precisions with int8 kernels: the calibration pictures choose how these are rounded, and int8 ranges."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion gives.

    Attributes:
        flatbuffer: the TFLite file.
        reference: float32 (n, 56, 56, 2) in [-1, 1], what the float network says to the calibration pictures.
        check_reference: the same for the check set.
        network: the .keras file with its kernels rounded, as it was converted.
        halves: int8 files of the same kernels, calibrated on every second picture and on the others; or none.
        float_layers: names of the layers that were left in float.
        parameters: of the Keras network.
        kernel_values: how many of them are convolution kernels; the file must hold all of these.
        alpha: width multiplier of the MobileNet branch; 0 where there is none.
        created_by: versions of what did the work.
    """

    flatbuffer: bytes
    reference: F32
    check_reference: F32
    network: bytes
    halves: tuple[bytes, ...]
    float_layers: tuple[str, ...]
    parameters: int
    kernel_values: int
    alpha: float
    created_by: str


@dataclass(frozen=True)
class Repair:
    """An int8 file with its costliest layers in float.

    Attributes:
        flatbuffer: the TFLite file.
        float_layers: names of the layers in float; empty where no allowed number of them passes the gate.
        layers: how many the network has.
        time_ratio: median time of a run over that of the plain int8 file, on this machine's CPU.
    """

    flatbuffer: bytes
    float_layers: tuple[str, ...]
    layers: int
    time_ratio: float


def need_tensorflow() -> None:
    """Makes sure that the child can do its work.

    Raises:
        MissingError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingError("`edgecolor export` needs TensorFlow: pip install 'edgecolor[train]'")


def convert(
    model: Path,
    gray: U8,
    precision: Precision,
    folder: Path,
    *,
    float_layers: Sequence[str] = (),
    halves: bool = False,
) -> Conversion:
    """Converts a .keras file in a child process.

    Args:
        model: the .keras file.
        gray: uint8 (n, 224, 224), the calibration pictures.
        precision: number format of the exported network.
        folder: an empty folder for the exchange.
        float_layers: for int8, names of layers to leave in float.
        halves: whether to convert from each half of the pictures, too; for int8.

    Raises:
        ModelFileError: not a Keras file of this signature.
        GateError: the converter refuses the network.
        UsageError: no layer has one of the names.
    """
    np.save(folder / "gray.npy", gray)
    job = {"task": "convert", "model": str(model), "precision": precision.value}
    _run(folder, job | {"float_layers": list(float_layers), "halves": halves})
    return Conversion(
        flatbuffer=(folder / "model.tflite").read_bytes(),
        reference=np.load(folder / "reference.npy"),
        check_reference=np.load(folder / "check.npy"),
        network=(folder / "model.keras").read_bytes(),
        halves=tuple((folder / f"half-{i}.tflite").read_bytes() for i in (0, 1)) if halves else (),
        float_layers=tuple(float_layers),
        **_facts(folder),
    )


def repair(conversion: Conversion, gray: U8, folder: Path) -> Repair:
    """Finds the fewest layers to leave in float for an int8 file that misses its gate, in a child process.

    Args:
        conversion: the network that misses it.
        gray: uint8 (n, 224, 224), the calibration pictures.
        folder: an empty folder for the exchange.

    Raises:
        GateError: the converter refuses the network.
    """
    np.save(folder / "gray.npy", gray)
    np.save(folder / "reference.npy", conversion.reference)
    np.save(folder / "check.npy", conversion.check_reference)
    (folder / "model.keras").write_bytes(conversion.network)
    _run(folder, {"task": "repair", "model": "the network"})
    facts = _facts(folder)
    return Repair(
        flatbuffer=(folder / "model.tflite").read_bytes(),
        float_layers=tuple(facts["float_layers"]),
        layers=facts["layers"],
        time_ratio=facts["time_ratio"],
    )


def _run(folder: Path, job: dict[str, Any]) -> None:
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    quiet["PYTHONSAFEPATH"] = "1"  # a keras.py in the user's folder is not imported for Keras
    command = [sys.executable, "-m", "edgecolor.exporting.converter_process", str(folder)]
    child = subprocess.run(
        command, check=False, env=os.environ | quiet, capture_output=True, text=True, errors="replace"
    )
    if (folder / "error.json").is_file():
        error = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        raise getattr(errors, error["kind"])(error["text"])
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"it ended with {child.returncode}"])[-1]
        raise EdgecolorError(f"{job['model']}: the conversion failed: {last}")


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts
