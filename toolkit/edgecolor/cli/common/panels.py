"""Options in the help of a command, under titles. Plain text: rich would cost 0.1 s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand


def command_with_panels(panels: Mapping[str, tuple[str, ...]]) -> type[TyperCommand]:
    """Return the class of a command whose help lists options under titles.

    Args:
        panels: title -> names of the parameters of the function below it. Other options come last, under
            "Options".
    """

    class CommandWithPanels(TyperCommand):
        # ctx and formatter have types of click; newer Typers have their own.
        def format_options(self, ctx: Any, formatter: Any) -> None:
            rows = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
            arguments = {p.name: p.metavar or "" for p in self.params if p.param_type_name == "argument"}
            for name, metavar in arguments.items():
                if (row := rows[name]) is not None:
                    rows[name] = (metavar, row[1])  # without the type, which is that of Python
            named = {*arguments, *(name for names in panels.values() for name in names)}
            others = tuple(name for name in rows if name not in named)
            for title, names in {"Arguments": tuple(arguments), **panels, "Options": others}.items():
                if shown := [row for name in names if (row := rows[name]) is not None]:
                    with formatter.section(title):
                        formatter.write_dl(shown)

    return CommandWithPanels
