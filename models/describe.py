"""Writes what the training data was like into a released model's facts, for `edgecolor export` to read.

    python models/describe.py models/s prepared

`edgecolor train` writes the same histograms by itself; this is for a model trained before it did.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edgecolor.dataset import open_dataset
from edgecolor.extras import need_keras
from edgecolor_runtime.errors import DataError, EdgecolorError


def describe(folder: Path, prepared: Path) -> None:
    """Adds `coverage` to the facts of the model in `folder`.

    Args:
        folder: a released model's, such as models/s.
        prepared: the prepared dataset that the model was trained on.

    Raises:
        DataError: it was trained on other data.
    """
    need_keras("export")
    from edgecolor.network import load_network
    from edgecolor.validation import training_histograms

    path = folder / f"{folder.name}.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    data = open_dataset(prepared)
    if facts["training"]["data_sha256"] != data.sha256:
        raise DataError(f"{prepared}: not the data that {folder.name} was trained on.")
    facts["coverage"] = training_histograms(load_network(path.with_suffix(".keras")), data)
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a released model's, such as models/s")
    parser.add_argument("prepared", type=Path, help="the prepared dataset that it was trained on")
    words = parser.parse_args()
    try:
        describe(words.folder.resolve(), words.prepared)
    except (EdgecolorError, OSError) as error:
        print(f"describe: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, EdgecolorError) else 1)
