"""The structure of both packages: small folders, one-way imports, short chains."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_MODULES_PER_FOLDER = 14
MAX_CHAIN = {"edgecolor": 12, "edgecolor_runtime": 10}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "import_structure", REPOSITORY / "scripts/import_structure.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("package", MAX_CHAIN)
def test_no_folder_is_crowded(script: ModuleType, package: str) -> None:
    folders = script.read_structure(package).folders
    assert len(folders) > 5
    crowded = {folder: len(modules) for folder, modules in folders.items()}
    assert {f: n for f, n in crowded.items() if n > MAX_MODULES_PER_FOLDER} == {}


@pytest.mark.parametrize("package", MAX_CHAIN)
def test_no_two_folders_import_each_other(script: ModuleType, package: str) -> None:
    assert script.read_structure(package).mutual == []


@pytest.mark.parametrize("package", MAX_CHAIN)
def test_chains_of_imports_are_short(script: ModuleType, package: str) -> None:
    chain = script.read_structure(package).longest_chain
    assert len(chain) <= MAX_CHAIN[package], " -> ".join(chain)


def test_the_script_detects_mutual_imports_and_chains(script: ModuleType) -> None:
    imports = {"a.one": {"b.two"}, "b.two": {"c.three"}, "b.other": {"a.one"}, "c.three": set()}
    structure = script.Structure("example", imports)
    assert structure.mutual == [("a", "b")]
    assert structure.longest_chain == ["b.other", "a.one", "b.two", "c.three"]
    with pytest.raises(ValueError, match="circle"):
        _ = script.Structure("example", {"a.one": {"b.two"}, "b.two": {"a.one"}}).longest_chain
