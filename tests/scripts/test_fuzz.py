"""scripts/fuzz.py and scripts/check_mutants.py: files are accepted or refused, and failures are seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")

TARGETS = """
import os, time
from dataclasses import dataclass
from typing import Callable
from edgecolor_runtime.errors import DataError

@dataclass(frozen=True)
class Target:
    name: str
    mutate: Callable
    read: Callable

def accept(data): pass
def refuse(data): raise DataError("refused")
def fail(data): raise KeyError("planted")
def crash(data): os.abort()
def hang(data): time.sleep(1000)

def make_examples(folder): pass

def make_targets(folder):
    mutate = lambda chance: chance.randbytes(8)
    reads = {"good": accept, "refused": refuse, "failing": fail, "crashing": crash, "hanging": hang}
    return [Target(name, mutate, read) for name, read in reads.items()]
"""


def fuzz(*words: object, script: Path = SCRIPTS / "fuzz.py") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("good", "accepted"),
        ("refused", "refused with 1"),
        ("failing", "traceback"),
        ("crashing", "crash"),
        ("hanging", "hang"),
    ],
)
def test_failures_are_seen(target: str, what: str, tmp_path: Path) -> None:
    text = (SCRIPTS / "fuzz.py").read_text("utf-8")
    if what == "hang":
        text = text.replace("HANG_SECONDS = 180.0", "HANG_SECONDS = 1.0")
    (tmp_path / "fuzz.py").write_text(text, "utf-8")
    (tmp_path / "fuzz_targets.py").write_text(TARGETS, "utf-8")
    words = ("--seconds", 1, "--only", target, "--keep", tmp_path / "kept")
    done = fuzz(*words, script=tmp_path / "fuzz.py")
    kept = list(tmp_path.glob("kept/*"))
    if what in ("accepted", "refused with 1"):
        assert done.returncode == 0 and done.stdout.endswith("\n0 failures\n"), done.stdout + done.stderr
        assert not kept
    else:
        assert done.returncode == 1 and f"{kept[0]}: {what}" in done.stdout, done.stdout + done.stderr
        assert kept[0].read_bytes() and kept[0].name.startswith(f"{target}-1-")
    assert f" {what}" in done.stdout


@pytest.mark.slow
def test_a_minute_of_fuzzing(tmp_path: Path) -> None:
    done = fuzz("--seconds", 60, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(re.findall(r"^(.+?)\s+[\d,]+ mutants: (.*)$", done.stdout, re.MULTILINE))
    assert len(table) == 12
    for name, counts in table.items():
        assert "refused" in counts and ("accepted" in counts or "runs" in counts), (name, counts)


@pytest.mark.slow
def test_mutants_through_the_command() -> None:
    done = fuzz("--mutants", 60, "--seed", 3, script=SCRIPTS / "check_mutants.py")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(count) for count, name in re.findall(r"^ *(\d+) (.*)$", done.stdout, re.MULTILINE)}
    assert counts["mutants, 0 wrong"] == 60 and counts["refused by the gate (5)"] > 10
    assert counts.get("other outputs (3)", 0) > 0, "no mutant came as far as the interpreter"
