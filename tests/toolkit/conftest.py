"""What the toolkit's tests share: prepared photographs, a change of one bit of one weight, real records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecolor.cli import main
from edgecolor.tflite.graph import read_graph

CALIBRATION = Path(__file__).parents[2] / "calibration"


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


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the record of `edgecolor evaluate s` on four photographs. Copy it to change it."""
    photos = tmp_path_factory.mktemp("evaluated")
    for file in sorted(CALIBRATION.glob("*.jpg"))[:4]:
        (photos / file.name).symlink_to(file)
    out = photos / "s.json"
    assert main(["evaluate", "s", str(photos), "--pictures", "*", "-q", "-o", str(out)]) == 0
    record: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return record


@pytest.fixture(scope="session")
def benched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the record of `edgecolor bench s m` on this machine. Copy it to change it."""
    out = tmp_path_factory.mktemp("benched") / "here.json"
    words = ["--threads", "1", "--width", "160", "--height", "120", "-q", "-o", str(out)]
    assert main(["bench", "s", "m", *words]) == 0
    record: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return record
