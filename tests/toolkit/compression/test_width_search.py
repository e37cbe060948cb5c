"""`edgecolor tune`: its choice, and a real search in which one process is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecolor.cli import main
from edgecolor.compression.candidates import Candidate, CandidateLimits, choose, pareto
from edgecolor.compression.study import open_study, quiet_optuna
from edgecolor.compression.val_accuracy import difference
from edgecolor.compression.width_search import TuneOptions
from edgecolor.network.fusion import macs, widths
from edgecolor.network.keras_file import load_network
from edgecolor.tflite.graph import read_graph
from edgecolor.training.run_folder import RunIdentity, begin_run
from edgecolor_runtime.errors import GateError, UsageError
from edgecolor_runtime.models.shipped import read_shipped

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "s" / "s.keras"

FAST = Candidate(0.125, 16, psnr=20.0, loss=1.0, loss_error=0.1, macs=30, size=100, latency=1.0)
MIDDLE = replace(FAST, alpha=0.25, width=24, psnr=20.8, loss=0.2, macs=60, size=200, latency=1.5)
BEATEN = replace(MIDDLE, width=32, psnr=20.7, macs=70, latency=1.6)
BEST = replace(FAST, alpha=0.5, width=48, psnr=21.0, loss=0.0, macs=200, size=900, latency=3.0)
CANDIDATES = dict(enumerate((FAST, MIDDLE, BEATEN, BEST)))


@pytest.mark.parametrize(
    ("limits", "chosen"),
    [
        (CandidateLimits(macs=100), 1),
        (CandidateLimits(macs=65, latency=1.2), 0),
        (CandidateLimits(size=150), 0),
        (CandidateLimits(psnr=20.5), 1),
        (CandidateLimits(psnr=20.5, macs=250), 1),
        (CandidateLimits(latency=5), 3),
    ],
)
def test_the_choice(limits: CandidateLimits, chosen: int) -> None:
    assert choose(CANDIDATES, limits) == chosen


@pytest.mark.parametrize(
    "limits", [CandidateLimits(latency=0.5), CandidateLimits(psnr=22), CandidateLimits(psnr=20.9, macs=100)]
)
def test_no_candidate_within_the_limits(limits: CandidateLimits) -> None:
    with pytest.raises(GateError, match="No trial is within the limits; the nearest is alpha 0"):
        choose(CANDIDATES, limits)


def test_the_pareto_line_leaves_out_beaten_candidates() -> None:
    assert pareto(list(CANDIDATES.values())) == [FAST, MIDDLE, BEST]


def test_multiply_adds_are_those_of_the_file() -> None:
    alpha, width = widths(load_network(MODEL))
    assert macs(alpha, width) == read_graph(read_shipped("s").flatbuffer).macs


def test_differences_are_paired() -> None:
    gap = difference(np.array([20.0, 30.0, 25.0]), np.array([19.0, 29.0, 24.0]))
    assert (gap.mean, gap.error) == (1.0, 0.0)


def test_impossible_options() -> None:
    for words in ({"trials": 0}, {"epochs": 0}, {"minutes": 0.0}):
        with pytest.raises(UsageError):
            TuneOptions(**words)


@pytest.mark.slow
def test_a_killed_search_resumes_and_halves_the_multiply_adds(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    words = ["tune", str(MODEL), str(prepared), "-o", str(study), "--trials", "2", "--size", "32"]
    words += ["--batch", "8", "--finish-epochs", "1", "--calibration", str(ROOT / "calibration")]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecolor", *words, "--quiet"],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    while not (study / "trial-0000" / "start.keras").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (study / "model.keras").exists()

    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["trials"]) == 2
    wide, finished = result["wide"], result["finished"]
    assert finished["macs"] <= wide["macs"] / 2
    assert finished["size"] < wide["size"]
    assert widths(load_network(study / "model.keras")) == (finished["alpha"], finished["width"])
    sidecar = json.loads((study / "model.json").read_text())
    assert sidecar["tuning"]["limits"]["macs"] == pytest.approx(wide["macs"] / 2)
    assert sidecar["training"]["started_from"]["recipe"]["teachers"] == ["s.keras"]
    assert (study / "pareto.svg").stat().st_size > 1000
    assert not list(study.glob(".*.part"))

    assert main([*words, "--json"]) == 0  # nothing is left to do
    assert json.loads(capsys.readouterr().out)["trials"] == result["trials"]
    assert main(["tune", str(MODEL), str(prepared), "-o", str(study), "--size", "64"]) == 2
    assert "holds a run with another" in capsys.readouterr().err


def test_many_processes_can_open_a_study_at_once(tmp_path: Path) -> None:
    begin_run(tmp_path, RunIdentity({}, "", ""))
    with quiet_optuna(), ThreadPoolExecutor(8) as pool:
        studies = list(pool.map(lambda _: open_study(tmp_path, None, seed=1), range(8)))
    assert len({study.study_name for study in studies}) == 1


@pytest.mark.slow
def test_two_processes_share_a_study(prepared: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    words = ["tune", str(MODEL), str(prepared), "-o", str(study), "--trials", "2", "--size", "32", "--json"]
    words += ["--batch", "8", "--finish-epochs", "0", "--calibration", str(ROOT / "calibration")]
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "edgecolor", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    results = [json.loads(out) for out, _ in outputs]
    folders = sorted(p.name for p in study.glob("trial-*"))
    assert len(folders) == max(len(r["trials"]) for r in results) >= 2
    best = max(r["chosen"]["psnr"] for r in results)
    kept = json.loads((study / "pareto.json").read_text())
    assert kept["chosen"]["psnr"] == best
    assert widths(load_network(study / "model.keras")) == (kept["chosen"]["alpha"], kept["chosen"]["width"])
