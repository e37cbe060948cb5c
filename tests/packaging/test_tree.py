"""The tree: its fixed names, and what no tracked file may say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(rb"/(?:" + rb"work|root|farm|home/[a-z]+" + rb")/")
REGISTRY = re.compile(rb"(?i)https?://[^\s\"')]*(?:" + rb"pypi|pythonhosted|npmjs|deb\.debian" + rb")")
TEXT = {".py", ".md", ".toml", ".csv", ".json", ".txt", ".yml", ".yaml", ".cff", ".cfg", ""}
LARGEST = 20 << 20  # bytes of one tracked file; the teacher's weights are 17 MB


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git tracks."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    paths = [REPOSITORY / name for name in listing.decode().split("\0") if name]
    assert len(paths) > 20
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("name", ["toolkit", "models", "edge_runtime", "calibration", "tests"])
def test_top_level_folder_has_tracked_files(name: str, tracked: list[Path]) -> None:
    assert any(path.relative_to(REPOSITORY).parts[0] == name for path in tracked)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine path", "registry address"])
def test_no_tracked_text_names(pattern: re.Pattern[bytes], tracked: list[Path]) -> None:
    texts = [path for path in tracked if path.suffix in TEXT]
    assert Path(__file__).resolve() in texts
    places = [str(path.relative_to(REPOSITORY)) for path in texts if pattern.search(path.read_bytes())]
    assert places == []


def test_the_patterns_find_what_they_look_for() -> None:
    assert MACHINE_PATH.search(b"open('/" + b"work/x')")
    assert REGISTRY.search(b"index = https://" + b"pypi.org/simple")


def test_no_tracked_file_is_huge(tracked: list[Path]) -> None:
    assert [str(path) for path in tracked if path.stat().st_size > LARGEST] == []


def test_runtime_never_imports_the_toolkit() -> None:
    modules = list((REPOSITORY / "edge_runtime/edgecolor_runtime").rglob("*.py"))
    assert modules
    toolkit_import = re.compile(
        r"^\s*(?:from|import)\s+(?:edgecolor(?:\.|\s)|tensorflow|keras)", re.MULTILINE
    )
    assert [str(path) for path in modules if toolkit_import.search(path.read_text("utf-8"))] == []
