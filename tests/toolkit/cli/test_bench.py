"""`edgecolor bench`: real measurements of the small model, its record against the schema, its verdict."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edgecolor.benchmarking import measure
from edgecolor.cli import main
from edgecolor.records import schemas
from edgecolor.records.types import BENCH_SCHEMA, MAX_OTHERS, STAGES
from edgecolor_runtime import read_shipped
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.system.machine import count_cores

TINY = Path(__file__).parents[2] / "edge_runtime" / "data" / "tiny-int8.tflite"
SMALL = ["--threads", "1", "--width", "160", "--height", "120"]

Board = Callable[..., Path]


SCHEMA = schemas.BENCH.read()


def schema_errors(record: dict[str, Any]) -> list[str]:
    """Return what is invalid in a record."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(record)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """Run the command once with all options; return its record, stdout and stderr."""
    out = tmp_path_factory.mktemp("bench") / "records" / "tiny.json"
    words = ["bench", str(TINY), *SMALL, "--sustained", "1.5", "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "edgecolor", *words], capture_output=True, text=True, check=True
    )
    assert [file.name for file in out.parent.iterdir()] == ["tiny.json"]
    return json.loads(out.read_text("utf-8")), done.stdout, done.stderr


def test_the_record_is_what_the_schema_says(measured: tuple[dict[str, Any], str, str]) -> None:
    record, _, _ = measured
    assert schema_errors(record) == []
    assert record["schema"] == BENCH_SCHEMA == SCHEMA["title"]


def test_the_schema_refuses_what_is_not_a_record(measured: tuple[dict[str, Any], str, str]) -> None:
    text = json.dumps(measured[0])
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda r: r.pop("verdict"),
        lambda r: r.update(more=1),
        lambda r: r.update(schema="edgecolor-bench/2"),
        lambda r: r["models"][0].update(sha256="x"),
        lambda r: r["models"][0].update(precision="int4"),
        lambda r: r["models"][0]["runs"][0]["invoke"].update(p50=-1),
        lambda r: r["models"][0]["runs"][0]["frame"]["stages"].pop("encode"),
        lambda r: r["models"][0]["sustained"]["samples"][0].update(throttled="0x0"),
        lambda r: r["models"].clear(),
    )
    for change in changes:
        record = json.loads(text)
        change(record)
        assert schema_errors(record)


def test_what_is_measured(measured: tuple[dict[str, Any], str, str]) -> None:
    record, _, _ = measured
    (model,) = record["models"]
    assert model["file"] == "tiny-int8.tflite"
    assert model["sha256"] == hashlib.sha256(TINY.read_bytes()).hexdigest()
    assert model["interpreter"].startswith(("ai-edge-litert ", "tflite-runtime "))
    (run,) = model["runs"]
    assert run["threads"] == 1
    assert 20e6 < run["peak_memory_bytes"] < 500e6
    stages, total = run["frame"]["stages"], run["frame"]["total"]
    assert tuple(stages) == STAGES
    for series in (run["invoke"], total, *stages.values()):
        assert series["count"] == len(series["samples_ms"]) == 200
        quantiles = [series[q] for q in ("min", "p10", "p50", "p90", "p99", "max")]
        assert quantiles == sorted(quantiles) and series["min"] == min(series["samples_ms"]) > 0
    sums = [sum(parts) for parts in zip(*(s["samples_ms"] for s in stages.values()), strict=True)]
    assert sums == pytest.approx(total["samples_ms"], abs=0.003)  # each is rounded to 1 us


def test_a_sustained_run_is_followed(measured: tuple[dict[str, Any], str, str]) -> None:
    sustained = measured[0]["models"][0]["sustained"]
    samples = sustained["samples"]
    assert 1.5 <= sustained["seconds"] < 5 and samples[-1]["seconds"] == sustained["seconds"]
    assert [s["seconds"] for s in samples] == sorted({s["seconds"] for s in samples})
    # Each sample's rate, times how long it lasted, gives the frames of the whole.
    begins = [0.0, *(s["seconds"] for s in samples)]
    frames = sum(s["fps"] * (s["seconds"] - b) for s, b in zip(samples, begins, strict=False))
    assert frames == pytest.approx(sustained["frames"], rel=0.02)


def test_the_table_and_progress(measured: tuple[dict[str, Any], str, str]) -> None:
    record, out, err = measured
    run = record["models"][0]["runs"][0]
    (inference,) = (line.split() for line in out.splitlines() if line.startswith("1        inference"))
    assert float(inference[2]) == pytest.approx(run["invoke"]["p50"], abs=0.006)
    assert "stages of a frame, 1 thread: capture " in out and "160 x 120" in out
    assert f"other programs on {record['others']:.2f} processors" in out
    assert ("which makes times longer" in out) == (record["others"] > MAX_OTHERS)
    rounds = [f"round {number} of 4" for number in (1, 2, 3, 4)]
    assert err.splitlines() == [*rounds, f"{TINY}: 1.5 s of frames without a pause, 1 thread"]


def test_json_is_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "s", *SMALL, "--json", "--quiet"]) == 0
    output = capsys.readouterr()
    record = json.loads(output.out)
    assert output.err == ""
    assert schema_errors(record) == []
    (model,) = record["models"]
    assert (model["file"], model["sha256"]) == ("s", SHIPPED["s"].sha256)
    assert model["flatbuffer_sha256"] == read_shipped("s").sha256
    assert model["sustained"] is None


def test_wrong_calls_end_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken.json"
    taken.write_text("mine")
    for words, code, text in (
        ([str(TINY), "-o", str(taken)], 2, "exists already; use --force to replace it"),
        ([str(tmp_path / "none.tflite")], 5, "no such model file"),
        ([str(TINY.parents[3] / "models/s/s.keras")], 5, "not a TFLite model"),
        (["nope"], 5, "no shipped model is called nope"),
        ([str(TINY), "--threads", str(count_cores() + 1)], 2, f"this machine has {count_cores()} cores"),
        ([str(TINY), "--threads", "0"], 2, ""),
    ):
        assert main(["bench", *words]) == code
        output = capsys.readouterr()
        assert output.out == "" and text in output.err and "round" not in output.err
    assert taken.read_text() == "mine"


def test_an_error_of_the_measuring_process_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.json"
    assert main(["bench", str(TINY), *SMALL, "--delegate", "/nowhere.so", "-o", str(out), "--quiet"]) == 4
    output = capsys.readouterr()
    assert output.out == "" and "delegate /nowhere.so" in output.err and output.err.count("\n") == 1
    assert not out.exists()


def test_interrupted_it_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    words = ["bench", str(TINY), *SMALL, "--sustained", "60", "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "edgecolor", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        assert command.stderr is not None
        assert any("without a pause" in line for line in command.stderr)
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
        while not children.read_text():  # the measuring process
            assert command.poll() is None
            time.sleep(0.01)
        command.send_signal(signal.SIGINT)  # to it alone: whoever started it has to end the measuring process
        assert command.wait(60) == 130
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(command.pid, 0)
            time.sleep(0.1)


def test_times_of_a_board_that_throttles_are_void(
    pi: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board throttles during the run, but neither before nor after it, nor since boot."""
    root = pi(5)
    count = tmp_path / "asked"
    program = root / "usr/bin/vcgencmd"
    answer = f"echo x >> {count}; [ $(wc -l < {count}) -eq 3 ] && echo throttled=0x4 || echo throttled=0x0"
    program.write_text(program.read_text().replace("echo throttled=0x0", answer))
    monkeypatch.setattr(measure, "bench_with", partial(measure.bench_with, root=root))
    out = tmp_path / "record.json"
    assert main(["bench", str(TINY), *SMALL, "--quiet", "-o", str(out)]) == 0
    output = capsys.readouterr()
    record = json.loads(out.read_text("utf-8"))
    assert schema_errors(record) == []
    assert record["verdict"] == {"result": "void", "because": ["throttled"]}
    assert record["machine"]["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert record["others"] is None and record["before"] == {
        "temperature_c": 48.312,
        "clock_mhz": 1500,
        "governor": "ondemand",
        "throttled": [],
        "power_w": 1.765,
    }
    assert "the times are void" in output.err and output.err.count("\n") == 1
    assert "VOID: throttled" in output.out and "4 x Cortex-A76" in output.out
