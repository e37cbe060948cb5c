"""What a model file says about itself: edgecolor.json as typed, immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from types import NoneType
from typing import Any, TypeVar

from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.models.signature import INPUT_SHAPE, OUTPUT_SHAPE

MAX_NUMBER = 1e15  # no number in edgecolor.json is larger
MAX_SATURATION = 100  # gain on the predicted ab that a model file may ask for

_REQUIRED_KEYS = (
    "name", "version", "precision", "licence", "alpha", "ab_scale", "saturation", "parameters",
    "input", "output", "calibration", "training", "accuracy", "created_by",
)  # fmt: skip
_OPTIONAL_SECTIONS = ("check", "fidelity", "edgetpu")
_JSON_KEYS = {"license": "licence"}  # field -> key, where they differ
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, NoneType),
}  # annotation of a field -> Python types of its JSON value


class Precision(str, Enum):
    """Number format in which a network computes. All except INT8 have float32 inputs and outputs."""

    INT8 = "int8"
    INT16X8 = "int16x8"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class TensorDescription:
    """The network's input or output.

    Attributes:
        shape: shape with the batch axis.
        meaning: quantity and unit of the values.
        scale: quantization step; 0 for a float tensor.
        zero_point: quantized value of 0; 0 for a float tensor.
    """

    shape: tuple[int, ...]
    meaning: str = ""
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class PhotographSet:
    """The photographs that a step of the export used.

    Attributes:
        manifest_sha256: SHA-256 of the set's manifest, hexadecimal.
        photographs: number of photographs.
    """

    manifest_sha256: str
    photographs: int


@dataclass(frozen=True)
class CalibrationCoverage:
    """Shares of the training data that a calibration set reaches, in [0, 1]."""

    luminance: float
    contrast: float
    chroma: float

    @property
    def mean(self) -> float:
        """Mean of the three shares."""
        return (self.luminance + self.contrast + self.chroma) / 3


@dataclass(frozen=True)
class CalibrationInfo(PhotographSet):
    """The calibration photographs, and how well they determine the integer ranges.

    Attributes:
        coverage: shares of the training data that the set reaches; None if unknown or not needed.
        halves_ab_difference: Lab units between int8 files made from the two halves of the set, or None.
    """

    coverage: CalibrationCoverage | None = None
    halves_ab_difference: float | None = None


@dataclass(frozen=True)
class ExportFidelity:
    """Closeness of the exported network to the float network, measured on the check set.

    Attributes:
        pictures: number of photographs in the check set.
        ab_difference: mean over photographs, pixels and both channels at 56 x 56, Lab units, no saturation.
        chroma_ratio: mean chroma over the mean chroma of the float network.
    """

    pictures: int
    ab_difference: float
    chroma_ratio: float


@dataclass(frozen=True)
class EdgeTpuCompilation:
    """What the Edge TPU compiler reported.

    Attributes:
        compiler: version of the compiler.
        operators: number of operators before the compilation.
        mapped: number of operators that run on the Edge TPU.
        unmapped: kind of operator that stays on the CPU -> reason.
        on_chip: bytes of weights kept on the chip.
        off_chip: bytes of weights sent again for every picture.
    """

    compiler: str
    operators: int
    mapped: int
    unmapped: Mapping[str, str]
    on_chip: int
    off_chip: int


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a model file says about itself.

    Attributes:
        name: name of the model: letters, digits, dot, dash, underscore.
        version: version of the model.
        precision: number format in which the network computes.
        saturation: default gain on the predicted ab, in [0, 100]; 1 leaves the prediction as it is.
        calibration: calibration photographs; None if the file does not name them.
        alpha: width multiplier of the MobileNet.
        input: the network's input.
        output: the network's output.
        ab_scale: Lab units of a or b at network output 1.0.
        parameters: number of parameters.
        float_layers: layers that compute in float in an int8 file.
        check: photographs on which `fidelity` was measured, or None.
        training: free-form JSON: recipe, data and machine.
        accuracy: free-form JSON: validation figures.
        license: terms of use of the weights. The JSON key is "licence".
        fidelity: closeness to the float network, or None.
        created_by: programs and versions that made the file.
        edgetpu: report of the Edge TPU compiler; None if the file is not compiled for an Edge TPU.
        document: edgecolor.json as it was read; empty for a new model. It keeps the order of the keys, and
            the keys that this version does not know.
    """

    name: str
    version: str
    precision: Precision
    saturation: float
    calibration: CalibrationInfo | None
    alpha: float
    input: TensorDescription
    output: TensorDescription
    ab_scale: float
    parameters: int
    float_layers: tuple[str, ...] = ()
    check: PhotographSet | None = None
    training: object
    accuracy: object
    license: str
    fidelity: ExportFidelity | None = None
    created_by: str
    edgetpu: EdgeTpuCompilation | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: object) -> ModelInfo:
        """Convert the parsed edgecolor.json.

        Raises:
            ModelFileError: a key is missing, or a value has the wrong type or range.
        """
        if not isinstance(document, dict):
            raise ModelFileError("edgecolor.json is not a JSON object")
        if missing := [key for key in _REQUIRED_KEYS if key not in document]:
            raise ModelFileError(f"edgecolor.json lacks {', '.join(missing)}")
        _verify_plain_values(document)
        return cls(
            name=document["name"],
            version=document["version"],
            precision=Precision(document["precision"]),
            saturation=document["saturation"],
            calibration=_read_calibration(document["calibration"]),
            alpha=document["alpha"],
            input=_read_tensor(document["input"], "input", INPUT_SHAPE),
            output=_read_tensor(document["output"], "output", OUTPUT_SHAPE),
            ab_scale=document["ab_scale"],
            parameters=document["parameters"],
            float_layers=tuple(document.get("float_layers", ())),
            check=_read_section(PhotographSet, document.get("check"), "check"),
            training=document["training"],
            accuracy=document["accuracy"],
            license=document["licence"],
            fidelity=_read_section(ExportFidelity, document.get("fidelity"), "fidelity"),
            created_by=document["created_by"],
            edgetpu=_read_section(EdgeTpuCompilation, document.get("edgetpu"), "edgetpu"),
            document=document,
        )

    def to_json(self) -> dict[str, Any]:
        """Return edgecolor.json: the document that was read, with the values that were changed since."""
        values = self._to_values()
        if not self.document:
            return values
        values_read = ModelInfo.from_json(self.document)._to_values()
        changed = {k: v for k, v in values.items() if k not in values_read or values_read[k] != v}
        removed = values_read.keys() - values.keys()
        return {k: v for k, v in self.document.items() if k not in removed} | changed

    def _to_values(self) -> dict[str, Any]:
        values = {_JSON_KEYS.get(name, name): value for name, value in asdict(self).items()}
        del values["document"]
        values["precision"] = self.precision.value
        values["float_layers"] = list(self.float_layers)
        for title in ("input", "output"):
            values[title]["shape"] = list(values[title]["shape"])
        return {k: v for k, v in values.items() if v is not None or k not in _OPTIONAL_SECTIONS}


_SectionT = TypeVar("_SectionT")


def _read_section(kind: type[_SectionT], value: Any, title: str) -> _SectionT | None:
    """Convert a JSON object to a dataclass; keys without a field are ignored, null gives None."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ModelFileError(f"edgecolor.json: {title} is not a JSON object")
    names = [member.name for member in fields(kind)]  # type: ignore[arg-type]
    if wrong := _find_wrong_keys(kind, value):
        raise ModelFileError(f"edgecolor.json: {title} has a wrong {', '.join(wrong)}")
    try:
        return kind(**{name: value[name] for name in names if name in value})
    except TypeError as error:
        raise ModelFileError(f"edgecolor.json: {title} is incomplete ({error})") from error


def _read_calibration(value: Any) -> CalibrationInfo | None:
    calibration = _read_section(CalibrationInfo, value, "calibration")
    if calibration is None:
        return None
    coverage = _read_section(CalibrationCoverage, value.get("coverage"), "coverage")
    return replace(calibration, coverage=coverage)


def _read_tensor(value: Any, title: str, shape: tuple[int, ...]) -> TensorDescription:
    shape_read = value.get("shape") if isinstance(value, dict) else value
    if shape_read != list(shape):
        raise ModelFileError(f"edgecolor.json: {title} shape {shape_read}; expected {list(shape)}")
    tensor = _read_section(TensorDescription, value, title)
    assert tensor is not None
    return replace(tensor, shape=shape)


def _verify_plain_values(document: Mapping[str, Any]) -> None:
    """Raise ModelFileError if a text, a number, the precision, or a layer name is not valid."""
    wrong = _find_wrong_keys(ModelInfo, document)
    if document["precision"] not in list(Precision):
        wrong.append("precision")
    if "saturation" not in wrong and not 0 <= document["saturation"] <= MAX_SATURATION:
        wrong.append("saturation")
    layers = document.get("float_layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
        wrong.append("float_layers")
    if wrong:
        raise ModelFileError(f"edgecolor.json: wrong {', '.join(wrong)}")


def _find_wrong_keys(kind: type, values: Mapping[str, Any]) -> list[str]:
    """Return the keys whose value has another JSON type than the dataclass field of this key."""
    wrong = []
    for member in fields(kind):
        key = _JSON_KEYS.get(member.name, member.name)
        accepted = _JSON_TYPES.get(str(member.type))
        if accepted is None or key not in values:
            continue
        value: Any = values[key]
        is_other_type = isinstance(value, bool) or not isinstance(value, accepted)
        if is_other_type or (isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER):  # or NaN
            wrong.append(key)
    return wrong
