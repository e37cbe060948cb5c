"""Count what docs/style.md rules out, and list where it stands.

    python scripts/style_counts.py            # the whole tree
    python scripts/style_counts.py toolkit/edgecolor/training tests/toolkit/training

It counts `dict[str, Any]` in signatures; names that say how a value came instead of what it is (`found`,
`told`, ...); calls of the project's own functions with more than four positional arguments; lists of picture
extensions; assertions in tests; British spellings.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
THIS_FILE = Path(__file__).resolve().relative_to(REPOSITORY).as_posix()
VAGUE_NAMES = {"found", "told", "asked", "said", "theirs"}
MAX_POSITIONAL = 4
PILLOW_OPENERS = ("Image.open", "PIL.Image.open", "ImageFile.Parser", "PIL.ImageFile.Parser")
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}
BRITISH = re.compile(
    r"(?i)\b\w*(?:colour|licence|grey|centre|behaviour|neighbour|favour|learnt"
    r"|(?:normal|optim|initial|recogn|summar|organ|minim|maxim|general|synchron)is(?:e|ed|er|es|ing|ation)\b)"
)
ALLOWED_BRITISH = re.compile(r"[\"'`](?:licence|colour)[\"'`]")
"""Keys of model file format 1 and of released models' sidecars keep their spelling: the files are pinned."""

Place = tuple[str, int, str]


def main(words: Sequence[str] | None = None) -> int:
    """Print the counts, and with --list the places."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("paths", nargs="*", help="Files or folders (default: the whole tree).")
    parser.add_argument("--list", action="store_true", help="Print each place.")
    options = parser.parse_args(words)
    paths = tracked_files(options.paths)
    sources = [path for path in paths if path.endswith(".py")]
    trees = {path: ast.parse((REPOSITORY / path).read_text("utf-8")) for path in sources}
    code = {path: tree for path, tree in trees.items() if not path.startswith("tests/")}
    tests = {path: tree for path, tree in trees.items() if path.startswith("tests/")}
    own = own_functions()
    counts: dict[str, list[Place]] = {
        "dict[str, Any] in signatures": _each(code, untyped_signatures),
        "vague names": _each(trees, vague_names),
        "calls with more than 4 positional arguments": _each(code, lambda tree: positional_calls(tree, own)),
        "lists of picture extensions": _each(
            {path: tree for path, tree in code.items() if path != THIS_FILE}, picture_suffix_lists
        ),
        "British spellings": [place for path in paths for place in british(path)],
        "assertions in tests": _each(tests, assertions),
    }
    for name, places in counts.items():
        print(f"{len(places):6}  {name}")
        if options.list and name != "assertions in tests":
            for path, line, text in places:
                print(f"          {path}:{line}: {text}")
    return 0


def tracked_files(paths: Sequence[str]) -> list[str]:
    """Return the text files that git tracks below `paths`, relative to the repository."""
    words = ["git", "ls-files", "-z", "--", *(str(Path(path).resolve()) for path in paths)]
    listing = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    kept = {".py", ".md", ".toml", ".html", ".js", ".css", ".sh", ".yml", ".yaml", ".cff", ""}
    return [
        name
        for name in listing.split("\0")
        if name and Path(name).suffix in kept and (REPOSITORY / name).is_file()
    ]


def own_functions() -> set[str]:
    """Return the names of all functions and classes that the project's code defines.

    A function that takes any number of positional arguments (`*words`) is left out, and so are names that the
    standard library uses, too, such as `pack` of the module struct.
    """
    names: set[str] = set()
    variadic: set[str] = set()
    for path in tracked_files(["toolkit", "edge_runtime", "scripts", "benchmarks", "examples"]):
        if path.endswith(".py"):
            nodes = list(ast.walk(ast.parse((REPOSITORY / path).read_text("utf-8"))))
            names |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
            variadic |= {n.name for n in nodes if isinstance(n, ast.FunctionDef) and n.args.vararg}
    return names - variadic - {"__init__", "main", "pack", "run", "format", "open", "write", "read", "close"}


def _each(trees: dict[str, ast.Module], search: object) -> list[Place]:
    assert callable(search)
    return [(path, line, text) for path, tree in trees.items() for line, text in search(tree)]


def untyped_signatures(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each annotation of a parameter, result or field that is or holds `dict[str, Any]`."""
    for node in ast.walk(tree):
        annotations: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            annotations = [argument.annotation for argument in arguments] + [node.returns]
        elif isinstance(node, ast.ClassDef):
            annotations = [field.annotation for field in node.body if isinstance(field, ast.AnnAssign)]
        for annotation in annotations:
            if annotation is not None and "dict[str, Any]" in ast.unparse(annotation):
                name = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
                yield annotation.lineno, f"{name}: {ast.unparse(annotation)}"


def vague_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each place that binds one of VAGUE_NAMES."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE_NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in VAGUE_NAMES:
            yield node.lineno, node.arg


def positional_calls(tree: ast.AST, own: set[str]) -> Iterator[tuple[int, str]]:
    """Yield each call of a function named in `own` with more than MAX_POSITIONAL positional arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            if name in own:
                yield node.lineno, f"{name} with {len(node.args)}"


def picture_suffix_lists(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each literal collection that holds at least two picture extensions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            texts = {item.value for item in items if isinstance(item, ast.Constant)}
            if len(texts & PICTURE_SUFFIXES) > 1:
                yield node.lineno, ast.unparse(node)[:80]


def unrestricted_opens(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each use of Pillow's `Image.open` that does not limit the formats of the file."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    limited = [call.func for call in calls if any(keyword.arg == "formats" for keyword in call.keywords)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node not in limited and ast.unparse(node) in PILLOW_OPENERS:
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module in ("PIL.Image", "PIL.ImageFile"):
            yield node.lineno, ast.unparse(node)


def assertions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each assert statement, `pytest.raises`, and call of an assert function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "raises" or node.func.attr.startswith("assert"):
                yield node.lineno, node.func.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("assert"):
            yield node.lineno, ast.unparse(node.func)


def british(path: str) -> Iterator[Place]:
    """Yield each line with a British spelling."""
    if path == THIS_FILE:
        return
    for number, line in enumerate((REPOSITORY / path).read_text("utf-8").splitlines(), 1):
        if BRITISH.search(ALLOWED_BRITISH.sub("", line)):
            yield path, number, line.strip()[:100]


if __name__ == "__main__":
    sys.exit(main())
