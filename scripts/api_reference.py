"""Write the API reference in docs/reference/ from docstrings and help texts.

    python scripts/api_reference.py           # write the pages
    python scripts/api_reference.py --check   # exit with 1 if a page differs from the code

The pages are edgecolor.md and edgecolor_runtime.md, from the names in `__all__`, and commands.md, from the
help of each command at a width of 100 characters.
"""

from __future__ import annotations

import argparse
import ast
import enum
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
REFERENCE = REPOSITORY / "docs" / "reference"
PACKAGES = ("edgecolor", "edgecolor_runtime")
HELP_WIDTH = 100  # characters
SIGNATURE_WIDTH = 88  # characters; longer signatures get one line per parameter
KINDS = ("Functions", "Classes", "Errors", "Constants")
NOTE = "<!-- Written by scripts/api_reference.py. Do not edit. -->"

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_ENTRY = re.compile(r"^(\*{0,2}[\w., ]+?)(?: \([^)]*\))?: (.*)$")


def main(words: Sequence[str] | None = None) -> int:
    """Write the pages, or compare them with the code. Return 1 if a page differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="Compare the pages; write nothing.")
    check = parser.parse_args(words).check
    different = [name for name, text in pages().items() if _read(REFERENCE / name) != text]
    for name in different:
        print(f"docs/reference/{name}: {'differs from the code' if check else 'written'}")
        if not check:
            (REFERENCE / name).write_text(pages()[name], "utf-8")
    if check and different:
        print("Run: python scripts/api_reference.py", file=sys.stderr)
    return int(check and bool(different))


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def pages() -> dict[str, str]:
    """Return file name -> text of every page."""
    texts = {f"{package}.md": package_page(package) for package in PACKAGES}
    return {**texts, "commands.md": commands_page()}


def package_page(package: str) -> str:
    """Return the page of a package: every public name, with its signature and docstring."""
    module = import_module(package)
    values = {name: getattr(module, name) for name in module.__all__ if not name.startswith("__")}
    parts = [f"# {package}", NOTE, *_docstring(inspect.getdoc(module) or "")]
    body: list[str] = []
    anchors: set[str] = set()
    for kind in KINDS:
        names = sorted(name for name, value in values.items() if _kind(value) == kind)
        links = []
        for name in names:
            anchor = name.lower() + "-1" * (name.lower() in anchors)  # as GitHub names a second heading
            anchors.add(anchor)
            links.append(f"[{name}](#{anchor})")
            body += [f"## {name}", *_describe(name, values[name], package)]
        parts += [f"{kind}: {', '.join(links)}"] if links else []
    return "\n\n".join(parts + body) + "\n"


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "Errors" if issubclass(value, BaseException) else "Classes"
    return "Functions" if callable(value) else "Constants"


def _describe(name: str, value: Any, package: str) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _describe_class(name, value, package)
    elif callable(value):
        yield f"```python\n{signature(name, value)}\n```"
        yield from _docstring(inspect.getdoc(value) or "")
    else:
        yield f"Constant of type `{type(value).__name__}`."
        yield from _docstring(constant_docstring(name, package))


def _describe_class(name: str, value: type, package: str) -> Iterator[str]:
    bases = [base.__name__ for base in value.__bases__ if base is not object]
    if issubclass(value, enum.Enum):
        yield f"```python\nclass {name}({', '.join(bases)})\n```"
        yield "\n".join(f"- `{member.name}`: {member.value!r}" for member in value)
    elif issubclass(value, BaseException) or getattr(value, "_is_protocol", False):
        yield f"```python\nclass {name}({', '.join(bases)})\n```"
    else:
        yield f"```python\n{signature(f'class {name}', value)}\n```"
    if not _is_generated(value):
        yield from _docstring(inspect.getdoc(value) or "")
    for method, member in sorted(_public_members(value, package)):
        if isinstance(member, property):
            yield f"### {name}.{method}"
            yield "Property."
            yield from _docstring(inspect.getdoc(member) or "")
        else:
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            yield f"### {name}.{method}"
            mark = f"@{type(member).__name__}\n" if isinstance(member, classmethod | staticmethod) else ""
            yield f"```python\n{mark}{signature(method, function)}\n```"
            yield from _docstring(inspect.getdoc(function) or "")


def _is_generated(value: type) -> bool:
    """Return whether the docstring is the signature that `dataclass` writes, or that of a base class."""
    return "__doc__" not in vars(value) or (vars(value)["__doc__"] or "").startswith(f"{value.__name__}(")


def _public_members(value: type, package: str) -> Iterator[tuple[str, Any]]:
    """Yield the documented public methods and properties of a class and of its bases in the package."""
    seen = set()
    for base in value.__mro__:
        if not base.__module__.startswith(package):
            continue
        for name, member in vars(base).items():
            if isinstance(member, property):
                documented = bool(member.__doc__)
            else:
                inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                documented = inspect.isfunction(inner) and bool(inner.__doc__)
            if documented and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, member


def signature(name: str, value: Any) -> str:
    """Return the signature of a function or class as source text, on one line where it fits."""
    described = inspect.signature(value)
    parameters = [_parameter(p) for p in described.parameters.values() if p.name not in ("self", "cls")]
    kinds = [p.kind for p in described.parameters.values() if p.name not in ("self", "cls")]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = described.return_annotation
    end = "" if result is inspect.Signature.empty or name.startswith("class ") else f" -> {_type(result)}"
    line = f"{name}({', '.join(parameters)}){end}"
    if len(line) <= SIGNATURE_WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), f"){end}"])


def _parameter(parameter: inspect.Parameter) -> str:
    text = parameter.name
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        text = f"*{text}"
    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
        text = f"**{text}"
    typed = parameter.annotation is not inspect.Parameter.empty
    if typed:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is not inspect.Parameter.empty:
        text += (" = " if typed else "=") + _default(parameter.default)
    return text


def _type(annotation: Any) -> str:
    text: str = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    tree = _WithoutAnnotated().visit(ast.parse(text.strip("'\""), mode="eval"))
    return ast.unparse(tree)


class _WithoutAnnotated(ast.NodeTransformer):
    """Replace `Annotated[X, ...]` by `X`."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Return the first element of a subscript of `Annotated`, and other subscripts as they are."""
        self.generic_visit(node)
        if ast.unparse(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple):
            return node.slice.elts[0]
        return node


def _default(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, PurePath):
        return f"Path({value.as_posix()!r})"
    text = repr(value)
    return "..." if " at 0x" in text or "<" in text else text


def constant_docstring(name: str, package: str) -> str:
    """Return the string that follows the assignment of a constant in the module that defines it."""
    for module in [m for key, m in sorted(sys.modules.items()) if key.split(".")[0] == package]:
        if text := _assigned_docstring(module, name):
            return text
    return ""


def _assigned_docstring(module: ModuleType, name: str) -> str:
    if name not in vars(module) or module.__file__ is None:
        return ""
    body = ast.parse(Path(module.__file__).read_text("utf-8")).body
    for statement, following in pairwise(body):
        single = [getattr(statement, "target", None)]
        targets = statement.targets if isinstance(statement, ast.Assign) else single
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            return inspect.cleandoc(str(following.value.value))
    return ""


def _docstring(text: str) -> Iterator[str]:
    """Yield a docstring as Markdown: paragraphs as they are, sections with their entries as lists."""
    paragraph: list[str] = []
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        if not (section := _SECTION.match(line)):
            paragraph.append(line)
            continue
        yield from _blocks(paragraph)
        paragraph = []
        body = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        yield f"**{section[1]}**"
        yield _entries(inspect.cleandoc("\n".join(["", *body])))
    yield from _blocks(paragraph)


def _blocks(lines: list[str]) -> Iterator[str]:
    if text := "\n".join(lines).strip():
        yield text


def _entries(text: str) -> str:
    """Turn `name: text` entries, with continuation lines indented, into a list."""
    items: list[str] = []
    plain: list[str] = []
    for line in text.splitlines():
        if entry := _ENTRY.match(line):
            items.append(f"- `{entry[1]}`: {entry[2]}")
        elif items and line.startswith(" "):
            items[-1] += f" {line.strip()}"
        elif line.strip():
            plain.append(line.strip())
    return "\n".join([*([" ".join(plain)] if plain else []), *items])


def commands_page() -> str:
    """Return the page of the commands: the help of each."""
    import typer.main

    from edgecolor.cli import app

    group: Any = typer.main.get_command(app)
    root = group.context_class(group, info_name="edgecolor", terminal_width=HELP_WIDTH)
    parts = ["# Commands", NOTE, f"```text\n{_plain(group.get_help(root))}\n```"]
    for name in group.list_commands(root):
        command = group.get_command(root, name)
        context = command.context_class(command, info_name=name, parent=root, terminal_width=HELP_WIDTH)
        parts += [f"## {name}", f"```text\n{_plain(command.get_help(context))}\n```"]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


if __name__ == "__main__":
    sys.exit(main())
