"""What docs/style.md forbids, as far as scripts/style_counts.py can find it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("style_counts", REPOSITORY / "scripts/style_counts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_american_spelling(script: ModuleType) -> None:
    paths = script.tracked_files([])
    assert len(paths) > 200
    places = [place for path in paths for place in script.british(path)]
    assert places == []


def test_british_spelling_is_detected(script: ModuleType) -> None:
    american = "The color of a gray license plate is optimized, and so is the center."
    assert not script.BRITISH.search(american)
    for british in ("col" + "our", "gr" + "ey", "optim" + "ised", "licen" + "ce", "cent" + "re"):
        assert script.BRITISH.search(f"The {british} counts.")
