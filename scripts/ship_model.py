"""Make a trained network a released model: its folder in models/, and the file that the runtime ships.

    python scripts/ship_model.py runs/s s      take model.keras from a run, export it, ship it
    python scripts/ship_model.py models/s s    export and ship again what the folder holds

The script writes models/NAME/NAME.keras, NAME.json and NAME_int8.tflite, copies the last one into the runtime
as NAME.tflite, and pins its SHA-256 in shipped.py. Measure the model afterwards with measure_model.py.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from edgecolor.exporting.pipeline import export
from edgecolor.network.sidecar import read_sidecar, write_sidecar
from edgecolor_runtime.errors import EdgecolorError

MODELS = Path(__file__).resolve().parents[1] / "models"
CALIBRATION = MODELS.parent / "calibration"
SHIPPED_FOLDER = MODELS.parent / "edge_runtime" / "edgecolor_runtime" / "models"
LICENSE = (
    "Weights: trained on photographs of mixed licenses, many for research only; not under the license of the "
    "code. Read the model card."
)


def ship(source: Path, name: str) -> None:
    """Export the network in `source` under a name and copy it into the runtime.

    Args:
        source: the folder of a run, or the folder of the released model.
        name: the released name, such as s.
    """
    folder = MODELS / name
    folder.mkdir(exist_ok=True)
    network = folder / f"{name}.keras"
    if source.resolve() != folder:
        trained = source / "model.keras"
        shutil.copyfile(trained, network)
        write_sidecar(network, replace(read_sidecar(trained), license=LICENSE))
    exported = folder / f"{name}_int8.tflite"
    # No repair: a released model also runs on an Edge TPU, where no layer may stay in float.
    report = export(network, exported, calibration=CALIBRATION, name=name, repair=False, force=True)
    print(report)
    shutil.copyfile(exported, SHIPPED_FOLDER / f"{name}.tflite")
    pin(name, hashlib.sha256(exported.read_bytes()).hexdigest())


def pin(name: str, sha256: str) -> None:
    """Write the hash of one shipped model into shipped.py."""
    module = SHIPPED_FOLDER / "shipped.py"
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
    parser.add_argument("source", type=Path, help="folder of a run, or of the released model")
    parser.add_argument("name", help="released name, such as s")
    arguments = parser.parse_args()
    try:
        ship(arguments.source, arguments.name)
    except (EdgecolorError, OSError) as error:
        print(f"ship_model: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, EdgecolorError) else 1)
