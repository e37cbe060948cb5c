"""The public names of the toolkit: each loads on first use, from the module that a type checker sees."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import edgecolor

FUNCTIONS = {
    "bench",
    "check",
    "color_folder",
    "compare",
    "evaluate",
    "export",
    "prepare_dataset",
    "prune",
    "train",
    "tune",
}
TYPES = {
    "Augmentation",
    "BenchRecord",
    "CandidateLimits",
    "ColoringSummary",
    "DatasetSummary",
    "Evaluation",
    "EvaluationRecord",
    "ExportReport",
    "LossWeights",
    "ModelCheck",
    "PictureJob",
    "PictureResult",
    "PruneOptions",
    "PruneResult",
    "Recipe",
    "Report",
    "TuneOptions",
    "TuneResult",
    "Verdict",
}


def test_the_public_names() -> None:
    assert set(edgecolor.__all__) == FUNCTIONS | TYPES | {"__version__"}
    assert edgecolor.__all__ == sorted(edgecolor.__all__)


def test_each_name_has_one_home_that_a_type_checker_sees() -> None:
    homes = {name: f"edgecolor.{home}" for home, names in edgecolor._HOME.items() for name in names}
    assert set(homes) == set(edgecolor.__all__) - {"__version__"}
    tree = ast.parse(Path(edgecolor.__file__).read_text("utf-8"))
    imports = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgecolor.")
        for alias in node.names
    }
    assert imports == homes


@pytest.mark.parametrize("name", sorted(FUNCTIONS | TYPES))
def test_every_name_loads_and_has_a_docstring(name: str) -> None:
    value = getattr(edgecolor, name)
    assert inspect.isfunction(value) == (name in FUNCTIONS) and inspect.isclass(value) == (name in TYPES)
    docstring = inspect.getdoc(value) or ""
    assert len(docstring.split()) > 3 and not docstring.startswith(f"{name}("), "no docstring of its own"
    if name in FUNCTIONS:
        for parameter in inspect.signature(value).parameters.values():
            assert f"\n    {parameter.name}: " in docstring, f"{parameter.name} is not documented"
            takes_path = "Path" in parameter.annotation and parameter.name != "root"
            assert not takes_path or "str | Path" in parameter.annotation, f"{parameter.name} takes no str"
        positional = [p for p in inspect.signature(value).parameters.values() if p.kind is not p.KEYWORD_ONLY]
        assert len(positional) <= 4


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute nothing"):
        _ = edgecolor.nothing


def test_the_import_is_light() -> None:
    code = (
        "import sys, edgecolor; heavy = {'numpy', 'PIL', 'tensorflow', 'keras', 'typer'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
