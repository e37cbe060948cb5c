"""The tree: its fixed folders, and text that no tracked file may contain."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not match its own patterns.
MACHINE_PATH = re.compile(rb"/(?:" + rb"work|root|farm|home/[a-z]+" + rb")/")
REGISTRY = re.compile(rb"(?i)https?://[^\s\"')]*(?:" + rb"pypi|pythonhosted|npmjs|deb\.debian" + rb")")
TEXT = {".py", ".md", ".toml", ".csv", ".json", ".txt", ".yml", ".yaml", ".cff", ".cfg", ""}
MAX_FILE_BYTES = 20 << 20  # the largest tracked file, the teacher's weights, has 17 MB


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """All files that git tracks."""
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
def test_no_tracked_text_contains(pattern: re.Pattern[bytes], tracked: list[Path]) -> None:
    texts = [path for path in tracked if path.suffix in TEXT]
    assert Path(__file__).resolve() in texts
    places = [str(path.relative_to(REPOSITORY)) for path in texts if pattern.search(path.read_bytes())]
    assert places == []


def test_the_patterns_match() -> None:
    assert MACHINE_PATH.search(b"open('/" + b"work/x')")
    assert REGISTRY.search(b"index = https://" + b"pypi.org/simple")


def test_no_tracked_file_is_huge(tracked: list[Path]) -> None:
    assert [str(path) for path in tracked if path.stat().st_size > MAX_FILE_BYTES] == []


def test_no_package_is_tracked(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.suffix in (".whl", ".gz", ".deb")] == []


def test_runtime_never_imports_the_toolkit() -> None:
    modules = list((REPOSITORY / "edge_runtime/edgecolor_runtime").rglob("*.py"))
    assert modules
    toolkit_import = re.compile(
        r"^\s*(?:from|import)\s+(?:edgecolor(?:\.|\s)|tensorflow|keras)", re.MULTILINE
    )
    assert [str(path) for path in modules if toolkit_import.search(path.read_text("utf-8"))] == []
