"""Print the help of every argument and option of every command, one per line, for reading all of it at once.

python scripts/option_help.py
python scripts/option_help.py run
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from edgecolor.cli import app


def option_lines(words: list[str]) -> Iterator[str]:
    """Yield a line for each argument and option.

    Args:
        words: names of commands; empty: all commands.

    Raises:
        SystemExit: there is no such command.
    """
    group: Any = typer.main.get_command(app)
    root = typer.Context(group, info_name="edgecolor")
    names = group.list_commands(root)
    if unknown := set(words) - set(names):
        raise SystemExit(f"no command {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in words or names:
        command = group.commands[name]
        inner = typer.Context(command, info_name=name, parent=root)
        yield f"{name}: {command.get_short_help_str(limit=1000)}"
        for parameter in command.get_params(inner):
            record = parameter.get_help_record(inner)
            if record is not None:
                yield f"{name} {record[0]}: {' '.join(record[1].split())}"


def main(words: list[str]) -> None:
    """Print the lines."""
    for line in option_lines(words):
        print(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="*", help="Name of a command (default: all).")
    main(parser.parse_args().command)
