"""Check a model file: hashes, golden vectors on this machine, and the network that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecolor.data.calibration import CHECK_PICTURES, read_check_set
from edgecolor.support.extras import need_keras
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor_runtime.errors import GateError, UsageError
from edgecolor_runtime.inference.colorizer import Colorizer
from edgecolor_runtime.inference.golden import Replay, replay, verify_replay
from edgecolor_runtime.models.info import Precision
from edgecolor_runtime.models.shipped import open_model

if TYPE_CHECKING:
    from edgecolor.checking.layer_errors import LayerError
    from edgecolor.checking.reference import ReferenceCheck

LAYER_PICTURES = 8  # pictures of the check set; more hardly change the figures of a layer


@dataclass(frozen=True)
class ModelCheck:
    """The result of a check.

    Attributes:
        file: the file, or the name of a shipped model.
        name: name of the model.
        version: version of the model.
        precision: number format of the network.
        sha256: hash of the flatbuffer, hexadecimal.
        threads: CPU threads of the interpreter.
        golden: the golden vectors, run here.
        reference: the comparison with the float network; None without a reference.
        layers: the error of each layer; empty unless layers were requested.
        failures: what misses its gate, one message each; empty if the check passed.
    """

    file: str
    name: str
    version: str
    precision: Precision
    sha256: str
    threads: int
    golden: Replay
    reference: ReferenceCheck | None
    layers: tuple[LayerError, ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing misses its gate."""
        return not self.failures


def check(
    model: str | Path,
    *,
    reference: str | Path | None = None,
    calibration: str | Path | None = None,
    data: str | Path | None = None,
    layers: bool = False,
    threads: int = 1,
    delegate: str | None = None,
    on_progress: PrintLine = print_nothing,
) -> ModelCheck:
    """Check that a model file is intact and that this machine reproduces its reference outputs.

    With a reference, the export is made again and compared value by value, and colors are compared with
    those of the float network. This needs TensorFlow.

    Args:
        model: a model file, or the name of a shipped model.
        reference: the .keras file that the model was made from.
        calibration: with a reference, the folder of pictures that calibrated the model.
        data: with a reference, a folder of photographs on which colors are compared (default: the check set).
        layers: with a reference, also measure the error of each layer.
        threads: CPU threads of the interpreter.
        delegate: "edgetpu", or the path of a TFLite delegate (default: the CPU).
        on_progress: takes a line of progress.

    Returns:
        The result. A model that misses a gate is no error here: `failures` says what it misses.

    Raises:
        UsageError: options that need a reference, or a reference without calibration pictures.
        ModelFileError: a broken or foreign model file or network.
        MissingError: TensorFlow or the delegate is not installed.
        DataError: other calibration pictures than those of the model, or unusable photographs.
    """
    if reference is None and (calibration or data or layers):
        raise UsageError(
            "--calibration, --data and --layers need a network to compare with. Add --reference."
        )
    if reference is not None and calibration is None:
        raise UsageError(f"{model}: no calibration pictures. Name the folder that calibrated it.")
    colorizer = Colorizer(open_model(model), threads=threads, delegate=delegate)
    golden = replay(colorizer)
    comparison: ReferenceCheck | None = None
    errors: tuple[LayerError, ...] = ()
    if reference is not None and calibration is not None:
        need_keras("check --reference", backend="tensorflow")
        from edgecolor.checking.reference import compare_with_reference

        comparison = compare_with_reference(
            colorizer,
            str(model),
            Path(reference),
            calibration=Path(calibration),
            data=Path(data or CHECK_PICTURES),
            on_progress=on_progress,
        )
        if layers:
            on_progress("comparing layers")
            errors = _measure_layers(colorizer.model.flatbuffer, Path(reference))
    info = colorizer.model.info
    return ModelCheck(
        file=str(model),
        name=info.name,
        version=info.version,
        precision=info.precision,
        sha256=colorizer.model.sha256,
        threads=threads,
        golden=golden,
        reference=comparison,
        layers=errors,
        failures=tuple(_failures(str(model), golden, comparison)),
    )


def _failures(name: str, golden: Replay, comparison: ReferenceCheck | None) -> Iterator[str]:
    try:
        verify_replay(golden)
    except GateError as error:
        yield str(error)
    if comparison is not None and comparison.failures:
        yield f"{name} against {comparison.reference}: {' '.join(comparison.failures)}"


def _measure_layers(flatbuffer: bytes, reference: Path) -> tuple[LayerError, ...]:
    from edgecolor.checking.layer_errors import measure_layer_errors
    from edgecolor.network.float_network import FloatNetwork
    from edgecolor.network.keras_file import load_network

    gray = read_check_set().gray[:LAYER_PICTURES]
    return tuple(measure_layer_errors(flatbuffer, FloatNetwork(load_network(reference)), gray))
