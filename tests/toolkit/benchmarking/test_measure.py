"""The parts of a measurement: verdict, series, camera frame, worker."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecolor.benchmarking import measure, worker
from edgecolor.records.types import BenchVerdict, Verdict
from edgecolor_runtime import EdgecolorError
from edgecolor_runtime.system.machine import Throttling

TINY = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"


def test_a_measuring_process_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "killed_worker.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(measure, "WORKER", "killed_worker")
    with pytest.raises(EdgecolorError, match=r"tiny-int8\.tflite: the measuring process .*SIGKILL"):
        measure.bench([TINY], threads=(1,), width=160, height=120)


NOTHING = Throttling((), ())


@pytest.mark.parametrize(
    ("before", "between", "after", "expected"),
    [
        (NOTHING, [], NOTHING, (Verdict.VALID, ())),
        (None, [], None, (Verdict.UNKNOWN, ())),
        (NOTHING, ["throttled"], NOTHING, (Verdict.VOID, ("throttled",))),
        (NOTHING, [], Throttling((), ("under-voltage",)), (Verdict.VOID, ("under-voltage",))),
        # What was noted before the run says nothing of the run.
        (Throttling((), ("under-voltage",)), [], Throttling((), ("under-voltage",)), (Verdict.VALID, ())),
        (Throttling(("clock capped",), ("clock capped",)), [], NOTHING, (Verdict.VOID, ("clock capped",))),
    ],
)
def test_verdict(
    before: Throttling | None,
    between: list[str],
    after: Throttling | None,
    expected: tuple[Verdict, tuple[str, ...]],
) -> None:
    assert measure.judge_throttling(before, after, between) == BenchVerdict(*expected)


def test_a_series_in_milliseconds() -> None:
    series = measure.describe_series([3, 1, 2.0004])
    assert series.samples_ms == (3, 1, 2.0)
    assert (series.min, series.p50, series.max, series.count) == (1, 2, 3, 3)
    assert series.p99 == pytest.approx(2.98, abs=0.001)


def test_the_frame_is_a_jpeg_of_its_size() -> None:
    with Image.open(io.BytesIO(worker.camera_frame(1280, 720))) as frame:
        assert (frame.format, frame.mode, frame.size) == ("JPEG", "L", (1280, 720))
        pixels = np.asarray(frame)
    assert all(
        pixels[y : y + 180, x : x + 160].std() > 5 for y in range(0, 720, 180) for x in range(0, 1280, 160)
    )


def test_measuring_needs_no_tensorflow() -> None:
    code = (
        "import sys; import edgecolor.benchmarking.measure, edgecolor.benchmarking.worker, edgecolor.doctor;"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
