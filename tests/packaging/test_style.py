"""The rules of docs/style.md, as far as scripts/style_counts.py can check them."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
UNTYPED_JSON = {
    "_report",
    "_run_child",
    "_take_entry",
    "_to_values",
    "build_document",
    "describe_machine",
    "read_entries",
    "recorded_result",
    "statistics",
    "to_json",
}
"""The functions that read or write JSON as `dict[str, Any]`."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("style_counts", REPOSITORY / "scripts/style_counts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trees(script: ModuleType) -> dict[str, ast.Module]:
    """The syntax trees of all Python files."""
    paths = [path for path in script.tracked_files([]) if path.endswith(".py")]
    assert len(paths) > 200
    return {path: ast.parse((REPOSITORY / path).read_text("utf-8")) for path in paths}


def code(trees: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """Leave out the tests."""
    return {path: tree for path, tree in trees.items() if not path.startswith("tests/")}


def test_american_spelling(script: ModuleType) -> None:
    places = [place for path in script.tracked_files([]) for place in script.british(path)]
    assert places == []


def test_names_tell_what_a_value_is(script: ModuleType, trees: dict[str, ast.Module]) -> None:
    assert [(path, place) for path, tree in trees.items() for place in script.vague_names(tree)] == []


def test_calls_have_few_positional_arguments(script: ModuleType, trees: dict[str, ast.Module]) -> None:
    own = script.own_functions()
    searched = code(trees).items()
    assert [(path, place) for path, tree in searched for place in script.positional_calls(tree, own)] == []


def test_only_json_is_untyped(script: ModuleType, trees: dict[str, ast.Module]) -> None:
    searched = code(trees).items()
    places = [(path, text) for path, tree in searched for _, text in script.untyped_signatures(tree)]
    assert [(path, text) for path, text in places if text.partition(":")[0] not in UNTYPED_JSON] == []


def test_one_list_of_picture_extensions(script: ModuleType, trees: dict[str, ast.Module]) -> None:
    searched = {path: tree for path, tree in code(trees).items() if path != script.THIS_FILE}
    paths = [path for path, tree in searched.items() for _ in script.picture_suffix_lists(tree)]
    assert paths == ["edge_runtime/edgecolor_runtime/images/formats.py"]


def test_pictures_are_opened_with_a_list_of_formats(script: ModuleType, trees: dict[str, ast.Module]) -> None:
    """`Image.open` without formats executes PostScript."""
    searched = code(trees).items()
    assert [(path, place) for path, tree in searched for place in script.unrestricted_opens(tree)] == []


def test_british_spelling_is_detected(script: ModuleType) -> None:
    american = "The color of a gray license plate is optimized, and so is the center."
    assert not script.BRITISH.search(american)
    for british in ("col" + "our", "gr" + "ey", "optim" + "ised", "licen" + "ce", "cent" + "re"):
        assert script.BRITISH.search(f"The {british} counts.")


def test_the_other_rules_are_detected(script: ModuleType) -> None:
    tree = ast.parse(
        "def mix(told: dict[str, Any]) -> None:\n"
        "    found = mix(1, 2, 3, 4, 5)\n"
        "    suffixes = ('.jpg', '.png')\n"
        "    Image.open(a)\n"
        "    Image.open(a, formats=['PNG'])\n"
    )
    assert len(list(script.vague_names(tree))) == 2
    assert len(list(script.positional_calls(tree, {"mix"}))) == 1
    assert len(list(script.untyped_signatures(tree))) == 1
    assert len(list(script.picture_suffix_lists(tree))) == 1
    assert len(list(script.unrestricted_opens(tree))) == 1
