"""The sidecar of a network: the JSON file beside a .keras file that says how the network was made.

`models/s/s.keras` has the sidecar `models/s/s.json`. `train`, `tune` and `prune` write sidecars. `export`
copies a part of the sidecar into the exported file. A sidecar may also be written by hand; every key is
optional:

    name, version      of the model, as the exported file states them
    alpha              width multiplier of the MobileNet
    saturation         gain on ab that matches the colorfulness of the val photographs
    training           how the network was trained, see `training.publish.TrainingRecord`
    accuracy           figures on the val photographs
    coverage           histograms of the training data, see `data.coverage`
    pruning, tuning    what `prune` and `tune` did
    "licence"          license of the weights; the key keeps the spelling of file format 1
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgecolor.data.coverage import Histograms
from edgecolor.support.json_records import JsonObject
from edgecolor_runtime.errors import ModelFileError
from edgecolor_runtime.system import files
from edgecolor_runtime.system.strict_json import parse_json


@dataclass(frozen=True)
class Sidecar:
    """What is known about a network beside its weights."""

    name: str | None = None
    version: str | None = None
    alpha: float | None = None
    saturation: float = 1.0
    training: JsonObject = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)
    coverage: Histograms | None = None
    pruning: JsonObject | None = None
    tuning: JsonObject | None = None
    license: str | None = None

    def to_json(self) -> JsonObject:
        """Return the JSON object of the file. Keys without a value are left out."""
        values = {
            "name": self.name,
            "version": self.version,
            "alpha": self.alpha,
            "saturation": self.saturation,
            "training": self.training,
            "accuracy": self.accuracy,
            "coverage": self.coverage,
            "pruning": self.pruning,
            "tuning": self.tuning,
            "licence": self.license,
        }
        return {key: value for key, value in values.items() if value is not None}


def read_sidecar(model: Path) -> Sidecar:
    """Return the sidecar of a .keras file; an empty one if there is no such file.

    Args:
        model: the .keras file.

    Raises:
        ModelFileError: the sidecar is not a JSON object, or its saturation is not a number.
    """
    path = model.with_suffix(".json")
    if not path.is_file() or path == model:
        return Sidecar()
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: the sidecar of {model.name} is unreadable: {error}") from error
    if not isinstance(values, dict):
        raise ModelFileError(f"{path}: expected a JSON object, the sidecar of {model.name}.")
    try:
        saturation = float(values.get("saturation", 1.0))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{path}: the saturation is not a number.") from error
    alpha = values.get("alpha")
    return Sidecar(
        name=_text(values.get("name")),
        version=_text(values.get("version")),
        alpha=alpha if isinstance(alpha, (int, float)) else None,
        saturation=saturation,
        training=values.get("training", {}),
        accuracy=values.get("accuracy", {}),
        coverage=values.get("coverage"),
        pruning=values.get("pruning"),
        tuning=values.get("tuning"),
        license=_text(values.get("licence")),
    )


def write_sidecar(model: Path, sidecar: Sidecar) -> None:
    """Write the sidecar of a .keras file, as a whole or not at all."""
    files.write_json(model.with_suffix(".json"), sidecar.to_json(), force=True)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
