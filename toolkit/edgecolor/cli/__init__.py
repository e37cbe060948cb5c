"""The command line. One module a command; this one joins them and turns an error into one line and a code."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Annotated

import typer

import edgecolor_runtime
from edgecolor.cli.color.demo import demo
from edgecolor.cli.color.run import run
from edgecolor.cli.device.bundle import bundle
from edgecolor.cli.device.check import check
from edgecolor.cli.device.doctor import doctor
from edgecolor.cli.device.export import export
from edgecolor.cli.device.inspect import inspect
from edgecolor.cli.measure.bench import bench
from edgecolor.cli.measure.compare import compare
from edgecolor.cli.measure.evaluate import evaluate
from edgecolor.cli.measure.report import report
from edgecolor.cli.network.dataset import dataset
from edgecolor.cli.network.prune import prune
from edgecolor.cli.network.train import train
from edgecolor.cli.network.tune import tune
from edgecolor_runtime.errors import EdgecolorError

app = typer.Typer(
    name="edgecolor",
    help="Color for grayscale cameras and photographs, on the device.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: the same in a pipe, and rich is not imported for it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgecolor {edgecolor_runtime.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# In the order of the help. The modules are light: each imports what is heavy inside its function.
COMMANDS: tuple[Callable[..., None], ...] = (
    run,
    dataset,
    train,
    tune,
    prune,
    export,
    check,
    inspect,
    evaluate,
    bench,
    compare,
    report,
    doctor,
    bundle,
    demo,
)

for _command in COMMANDS:
    # A raw docstring spells the mark that keeps a paragraph's lines apart; Typer wants the character.
    app.command(help=cleandoc(_command.__doc__ or "").replace("\\b", "\b"))(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; by default those of this process.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 3 a gate failed, 4 this machine lacks something,
        5 bad model file, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a file name that is no UTF-8 is printed as it is
    if not sys.warnoptions:
        # About tags of damaged pictures, with the line of Pillow's source; what matters is said by ourselves.
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app(args=None if argv is None else list(argv), prog_name="edgecolor")
        sys.stdout.flush()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except EdgecolorError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away. What is still buffered must not raise again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        reason = error.strerror or str(error)
        return _fail(f"{error.filename}: {reason}" if error.filename else reason, 1)
    return 0


def _fail(text: str, code: int) -> int:
    print(f"edgecolor: {' '.join(text.split())}", file=sys.stderr)
    return code
