"""Hooks of MkDocs for the documentation site (mkdocs.yml): documents from outside docs/, and links to them.

Documents link to files of the repository as they lie there, so the links also work on a page that shows the
repository. The site contains docs/ and, under repository/, the documents in OUTSIDE. A link to such a file is
adjusted. A link to any other file of the repository, for example a program, becomes plain text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PREFIX = "repository/"  # the folder of outside documents on the site
OUTSIDE = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "calibration/README.md",
    "examples/README.md",
    "models/*.md",
    "models/*/README.md",
    "models/*/sheet.jpg",
)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")

REQUEST = re.compile(
    r"""(?:\bsrc|<link rel="?(?:stylesheet|preconnect)"? href)=["']?((?:https?:)?//[^"'\s>]+)"""
)
# what a browser loads on its own from another host


def find_outside_files() -> list[str]:
    """Return the paths of the files outside docs/ that the site contains, relative to the repository."""
    return sorted(
        path.relative_to(REPOSITORY).as_posix() for pattern in OUTSIDE for path in REPOSITORY.glob(pattern)
    )


def repository_path(page: str) -> str:
    """Return the path in the repository of a page of the site."""
    return page.removeprefix(PREFIX) if page.startswith(PREFIX) else f"docs/{page}"


def site_path(path: str) -> str | None:
    """Return the path on the site of a file of the repository, or None if the site does not contain it."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PREFIX + path if path in find_outside_files() else None


def adjust_links(markdown: str, page: str) -> str:
    """Return the text of a page with its links to files of the repository adjusted to the site.

    Args:
        markdown: text of the page.
        page: path of the page on the site.
    """
    folder = posixpath.dirname(repository_path(page))

    def adjust(match: re.Match[str]) -> str:
        mark, text, link, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(folder, link))
        if "://" in link or not (REPOSITORY / path).exists():
            return match[0]  # MkDocs reports a file that does not exist
        target = site_path(path)
        if target is None:
            return str(text)
        return f"{mark}[{text}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor or ''})"

    return LINK.sub(adjust, markdown)


def refuse_other_hosts(html: str, page: str) -> None:
    """Verify that a browser that shows a page makes no request to another host.

    Raises:
        ValueError: it makes one.
    """
    if match := REQUEST.search(html):
        raise ValueError(f"{page} loads {match[1]}. Put the file into docs/.")


def on_files(files: Any, config: Any) -> Any:
    """Add the documents from outside docs/ to the files of the site. MkDocs calls this function."""
    import importlib

    create: Callable[..., Any] = importlib.import_module("mkdocs.structure.files").File.generated
    for path in find_outside_files():
        files.append(create(config, PREFIX + path, abs_src_path=str(REPOSITORY / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adjust the links of a page. MkDocs calls this function."""
    return adjust_links(markdown, page.file.src_uri)


def on_post_page(html: str, page: Any, **_: Any) -> str:
    """Refuse a page that loads something from another host, and adjust the page. MkDocs calls this function.

    The theme gives the search no name, which a screen reader needs. A table that is wider than a phone
    scrolls in a group of its own, which the keyboard reaches.
    """
    refuse_other_hosts(html, page.file.src_uri)
    html = html.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    html = html.replace("<table>", '<div class="wide" role="group" aria-label="Table" tabindex="0"><table>')
    return html.replace("</table>", "</table></div>")
