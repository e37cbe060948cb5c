"""The command line: one module per command. An error becomes one line on stderr and an exit code."""

from __future__ import annotations

import codecs
import io
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import cleandoc
from itertools import chain
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import edgecolor_runtime
from edgecolor.cli.color.demo import demo
from edgecolor.cli.color.run import PANELS, run
from edgecolor.cli.common.messages import (
    InterruptedRunError,
    discard_stream,
    escape_controls,
    open_closed_streams,
    print_line,
)
from edgecolor.cli.common.panels import command_with_panels
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

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended: 128 and the number of SIGINT."""

# The command modules are light: each imports what is heavy inside its function.
COMMAND_GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Color pictures, videos and cameras": (run, demo),
    "Train and compress a network": (dataset, train, tune, prune),
    "Bring a model to a device": (export, check, inspect, doctor, bundle),
    "Measure and compare models": (evaluate, bench, compare, report),
}
"""Title in the help -> the commands below it."""

COMMANDS = tuple(chain.from_iterable(COMMAND_GROUPS.values()))


@contextmanager
def _escaped_usage_errors() -> Iterator[None]:
    """Escape control characters in errors of usage: a shell's pattern may expand to any file name."""
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            vars(error)["message"] = escape_controls(message)
        raise


class _GroupedCommands(TyperGroup):
    """The commands, listed in the help under the titles of their groups."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the words before the command."""
        with _escaped_usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the words of the command, and run it."""
        with _escaped_usage_errors():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # click's types; newer Typers have their own
        for title, functions in COMMAND_GROUPS.items():
            commands = [self.commands[function.__name__] for function in functions]
            with formatter.section(title):
                limit = formatter.width - 6 - max(map(len, self.commands))
                formatter.write_dl([(str(c.name), c.get_short_help_str(limit)) for c in commands])


FIRST_STEPS = """\
edgecolor colors gray photographs, films and camera frames on this machine.

  edgecolor run old.jpg      color a photograph, a folder or a film
  edgecolor run --camera     color the first camera and show it in a browser
  edgecolor demo             serve a web page that colors photographs
  edgecolor doctor           show what does not work here, and how to fix it
  edgecolor bench            measure the speed of the models on this machine

All commands: edgecolor --help. All options of a command: edgecolor run --help.
"""

app = typer.Typer(
    name="edgecolor",
    cls=_GroupedCommands,
    help="Color for grayscale cameras and photographs, on the device.",
    invoke_without_command=True,
    rich_markup_mode=None,  # plain help: the same in a pipe, and rich is not imported for it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"edgecolor {edgecolor_runtime.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(FIRST_STEPS, nl=False, err=True)
        raise typer.Exit(2)


for _command in COMMANDS:
    # A raw docstring has the two characters \b where lines must not be joined; Typer expects a backspace.
    app.command(
        help=cleandoc(_command.__doc__ or "").replace("\\b", "\b"),
        cls=command_with_panels(PANELS if _command is run else {}),
    )(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after the program's name (default: those of this process).

    Returns:
        The exit code: 0 success, 1 failure, 2 wrong usage, 3 a gate failed, 4 this machine lacks something,
        5 bad model file, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("edgecolor", _encode_any_name)
        sys.stdout.reconfigure(errors="edgecolor")
    if not sys.warnoptions:
        # Pillow warns of damaged tags, with a line of its source; our own messages name what matters.
        warnings.filterwarnings("ignore", module=r"PIL\.")
    with _stopped_by_signals() as received:
        try:
            return _run_command(argv)
        except InterruptedRunError as interruption:
            print_line(str(interruption))
        except KeyboardInterrupt:
            if received:
                _print_error(f"stopped by {received[0].name}", INTERRUPTED)
        return 128 + received[0] if received else INTERRUPTED


def _run_command(argv: Sequence[str] | None) -> int:
    try:
        app(args=None if argv is None else list(argv), prog_name="edgecolor")
        sys.stdout.flush()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # Typer turns KeyboardInterrupt into this code
            raise KeyboardInterrupt from None
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except EdgecolorError as error:
        return _print_error(str(error), error.exit_code)
    except BrokenPipeError:
        discard_stream(1)  # the reader closed the pipe; buffered text must not raise again when Python exits
        return 1
    except OSError as error:
        _discard_unwritable_stdout()
        reason = error.strerror or str(error)
        return _print_error(f"{error.filename}: {reason}" if error.filename else reason, 1)
    return 0


@contextmanager
def _stopped_by_signals() -> Iterator[list[signal.Signals]]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does. An ignored signal stays ignored, as with nohup.

    Yields:
        The signals received up to now.
    """
    received: list[signal.Signals] = []

    def handle(number: int, _: FrameType | None) -> None:
        if not received:  # systemd and terminals send both; the second must not stop the work on the first
            received.append(signal.Signals(number))
            raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, handle)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _discard_unwritable_stdout() -> None:
    """Drop the buffered text if stdout cannot be written: Python would raise again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_stream(1)


def _encode_any_name(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode a file name that is not UTF-8 unchanged, and what a code page of Windows lacks by its number."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def _print_error(text: str, code: int) -> int:
    print_line(f"edgecolor: {' '.join(text.split())}")
    return code
