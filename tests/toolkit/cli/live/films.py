"""What the tests of films share: the size of their frames, and how results are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

MODEL = Path(__file__).parents[3] / "edge_runtime" / "data" / "tiny-int8.tflite"
W, H = 64, 48


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
