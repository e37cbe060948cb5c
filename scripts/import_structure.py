"""Print how the modules of both packages import each other.

    python scripts/import_structure.py

For each package: the folders with their number of modules, the folders that each one imports, every pair of
folders that import each other, and the longest chain of files in which each imports the next. Imports inside
functions count; imports for type checkers alone do not. The package's own `__init__.py`, which holds the lazy
public API, and imports of the other package are left out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {
    "edgecolor": REPOSITORY / "toolkit" / "edgecolor",
    "edgecolor_runtime": REPOSITORY / "edge_runtime" / "edgecolor_runtime",
}


@dataclass(frozen=True)
class Structure:
    """The imports inside one package.

    Attributes:
        package: its name.
        imports: module (dotted, without the package) -> the modules that it imports.
    """

    package: str
    imports: dict[str, set[str]]

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """Folder -> its modules, `__init__` left out. The package's own modules are in folder "."."""
        folders: dict[str, list[str]] = {}
        for module in sorted(self.imports):
            if not module.endswith("__init__"):
                folders.setdefault(folder_of(module), []).append(module)
        return folders

    @cached_property
    def folder_imports(self) -> dict[str, set[str]]:
        """Folder -> the other folders that its modules import."""
        edges: dict[str, set[str]] = {folder: set() for folder in self.folders}
        for module, targets in self.imports.items():
            edges.setdefault(folder_of(module), set()).update(map(folder_of, targets))
        return {folder: targets - {folder, "."} for folder, targets in edges.items()}

    @cached_property
    def mutual(self) -> list[tuple[str, str]]:
        """Pairs of folders that import each other, directly or through others."""
        reached = {folder: self._reached_from(folder) for folder in self.folder_imports}
        return [(a, b) for a in reached for b in reached[a] if a < b and a in reached.get(b, ())]

    def _reached_from(self, folder: str) -> set[str]:
        reached: set[str] = set()
        waiting = [folder]
        while waiting:
            for target in self.folder_imports.get(waiting.pop(), set()) - reached:
                reached.add(target)
                waiting.append(target)
        return reached

    @cached_property
    def longest_chain(self) -> list[str]:
        """The longest chain of modules in which each imports the next.

        Raises:
            ValueError: modules import each other in a circle.
        """
        longest: dict[str, list[str]] = {}

        def chain(module: str, above: tuple[str, ...]) -> list[str]:
            if module in above:
                raise ValueError(f"circle of imports: {' -> '.join((*above, module))}")
            if module not in longest:
                below = [chain(target, (*above, module)) for target in sorted(self.imports[module])]
                longest[module] = [module, *max(below, key=len, default=[])]
            return longest[module]

        return max((chain(module, ()) for module in sorted(self.imports)), key=len)


def folder_of(module: str) -> str:
    """Return the folder of a module; "." for the modules of the package itself."""
    return module.rpartition(".")[0] or "."


def read_structure(package: str) -> Structure:
    """Return the import structure of `edgecolor` or `edgecolor_runtime`."""
    root = PACKAGES[package]
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in root.rglob("*.py")
        if path != root / "__init__.py"
    }
    imports: dict[str, set[str]] = {}
    for module, path in files.items():
        named = set(_imported_names(ast.parse(path.read_text("utf-8")), package))
        targets = {_module_of(name, files) for name in named} - {None, module}
        imports[module] = {target for target in targets if target is not None}
    return Structure(package, imports)


def _imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == package)
        yield from _imported_names(node, package)


def _module_of(name: str, files: dict[str, Path]) -> str | None:
    """Return the module that defines a dotted name; None if that is the package itself."""
    parts = name.split(".")[1:]
    for end in range(len(parts), 0, -1):
        for module in (".".join(parts[:end]), ".".join([*parts[:end], "__init__"])):
            if module in files:
                return module
    return None


def main() -> int:
    """Print both structures. Return 1 if two folders import each other."""
    wrong = False
    for package in PACKAGES:
        structure = read_structure(package)
        print(f"{package}\n")
        for folder, modules in structure.folders.items():
            targets = ", ".join(sorted(structure.folder_imports[folder]))
            print(f"  {folder:14} {len(modules):3} modules  imports {targets or 'nothing'}")
        print(f"\n  most modules in a folder: {max(map(len, structure.folders.values()))}")
        print(f"  folders that import each other: {structure.mutual or 'none'}")
        chain = structure.longest_chain
        print(f"  longest chain of files: {len(chain)}: {' -> '.join(chain)}\n")
        wrong |= bool(structure.mutual)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
