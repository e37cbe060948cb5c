"""What the toolkit's tests share: forty photographs, prepared once; a way to change one bit of one weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecolor.dataset import prepare
from edgecolor.graph import read_graph

CALIBRATION = Path(__file__).parents[2] / "calibration"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("photos")
    for file in sorted(CALIBRATION.rglob("*.jpg"))[:40]:
        (photos / file.name).symlink_to(file)
    out = photos.parent / f"{photos.name}-prepared"
    prepare(photos, out, val_every=6)
    return out


@pytest.fixture(scope="session")
def flip() -> Callable[[bytes, str, int, int, int], bytes]:
    """Changes one bit. Takes a flatbuffer, a layer, an input of its operator (1: kernel), byte, bit."""

    def change(flatbuffer: bytes, layer: str, of: int, byte: int, bit: int) -> bytes:
        data = bytearray(flatbuffer)
        model = schema.Model.GetRootAs(data, 0)
        graph = model.Subgraphs(0)
        layers = [op.layer for op in read_graph(flatbuffer).operators]
        tensor = graph.Tensors(int(graph.Operators(layers.index(layer)).InputsAsNumpy()[of]))
        model.Buffers(tensor.Buffer()).DataAsNumpy()[byte] ^= np.uint8(1 << bit)  # a view into `data`
        return bytes(data)

    return change
