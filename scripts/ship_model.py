"""Makes a trained network a released model: its folder here, and the file that the runtime ships.

    python scripts/ship_model.py runs/s s      take model.keras from a run, export it, ship it
    python scripts/ship_model.py models/s s    export and ship again what the folder holds

It writes models/NAME/NAME.keras, NAME.json and NAME_int8.tflite, copies the last one into the runtime as
NAME.tflite, and pins its SHA-256 in shipped.py. Measure it afterwards with measure.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

from edgecolor.exporting.pipeline import export
from edgecolor_runtime.errors import EdgecolorError

MODELS = Path(__file__).resolve().parents[1] / "models"
CALIBRATION = MODELS.parent / "calibration"
RUNTIME = MODELS.parent / "edge_runtime" / "edgecolor_runtime"
LICENSE = (
    "Weights: trained on photographs of mixed licenses, many for research only; not under the license of the "
    "code. Read the model card."
)


def ship(source: Path, name: str) -> None:
    """Exports the network in `source` as `name` and puts it into the runtime."""
    folder = MODELS / name
    folder.mkdir(exist_ok=True)
    keras, facts = folder / f"{name}.keras", folder / f"{name}.json"
    if source.resolve() != folder:
        shutil.copyfile(source / "model.keras", keras)
        said = json.loads((source / "model.json").read_text(encoding="utf-8"))
        facts.write_text(json.dumps(said | {"licence": LICENSE}, indent=1) + "\n", encoding="utf-8")
    exported = folder / f"{name}_int8.tflite"
    # A released model runs on an Edge TPU, too: no layer may stay in float.
    report = export(keras, exported, calibration=CALIBRATION, name=name, repair=False, force=True)
    print(report)
    (RUNTIME / "models").mkdir(exist_ok=True)
    shutil.copyfile(exported, RUNTIME / "models" / f"{name}.tflite")
    pin(name, hashlib.sha256(exported.read_bytes()).hexdigest())


def pin(name: str, sha256: str) -> None:
    """Writes the hash of one shipped model into shipped.py."""
    module = RUNTIME / "shipped.py"
    text = module.read_text(encoding="utf-8")
    head, rest = text.split("SHIPPED: dict[str, ShippedModel] = {", 1)
    body, tail = rest.split("}", 1)
    lines = {line.split('"')[1]: line for line in body.splitlines() if line.strip()}
    lines[name] = f'    "{name}": ShippedModel("{name}.tflite", "{sha256}"),'
    body = "\n".join(["", *(lines[key] for key in sorted(lines)), ""])
    module.write_text(f"{head}SHIPPED: dict[str, ShippedModel] = {{{body}}}{tail}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a run's folder, or the model's own")
    parser.add_argument("name", help="the released name, such as s")
    words = parser.parse_args()
    try:
        ship(words.source, words.name)
    except (EdgecolorError, OSError) as error:
        print(f"ship: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, EdgecolorError) else 1)
