"""The command line as a whole: help, usage, errors and exit codes."""

from __future__ import annotations

import inspect
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from PIL import Image

from edgecolor import cli
from edgecolor.cli.color.run import PANELS, run
from edgecolor_runtime import errors
from edgecolor_runtime.models.shipped import MODEL_TITLES, SHIPPED, describe_name


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run a command line whose command raises."""

    def run(error: BaseException) -> int:
        def app(*args: object, **options: object) -> None:
            raise error

        monkeypatch.setattr(cli, "app", app)
        return cli.main([])

    return run


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.EdgecolorError, 1),
        (errors.PictureError, 1),
        (errors.DataError, 1),
        (errors.UsageError, 2),
        (errors.GateError, 3),
        (errors.MissingError, 4),
        (errors.ModelFileError, 5),
    ],
)
def test_every_error_is_one_line_and_a_code(
    failing: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
    kind: type[errors.EdgecolorError],
    code: int,
) -> None:
    assert failing(kind("what happened\n  and what to do")) == code
    assert capsys.readouterr().err == "edgecolor: what happened and what to do\n"


def test_errors_of_the_system_are_one_line(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(PermissionError(13, "Permission denied", "some/file")) == 1
    assert capsys.readouterr().err == "edgecolor: some/file: Permission denied\n"


def test_interrupt(failing: Callable[[BaseException], int]) -> None:
    assert failing(KeyboardInterrupt()) == 130


def test_a_bug_is_not_hidden(failing: Callable[[BaseException], int]) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


@pytest.mark.parametrize("line", [["nope"], ["run", "--nope"], ["run", "x.jpg", "--quality", "0"]])
def test_wrong_usage(capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert cli.main(line) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "Error:" in captured.err


def test_without_a_command_it_shows_five_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    commands = [line.split("  ")[1] for line in lines if line.startswith("  edgecolor ")]
    assert len(commands) == 5 and "edgecolor --help" in lines[-1]
    assert max(map(len, lines)) <= 80
    for command in commands:
        assert_valid(command)


def test_the_short_version_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-V"]) == 0
    short = capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == short != ""


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["--help"], ["run", "--help"]):
        assert cli.main(words) == 0
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        assert "..." not in text.replace("[ARGS]...", "").replace("[INPUT]...", ""), "a summary is cut off"


def test_each_option_of_run_is_below_one_title(capsys: pytest.CaptureFixture[str]) -> None:
    options = [name for names in PANELS.values() for name in names]
    parameters = set(inspect.signature(run).parameters) - {"inputs"}
    assert len(options) == len(set(options)) and set(options) == parameters
    assert cli.main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    titles = [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["Arguments", *PANELS, "Options"]


def test_help_names_the_models_as_the_table_does(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "demo", "bundle"):
        assert cli.main([command, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert all(describe_name(name) in text for name in MODEL_TITLES), command
    assert set(MODEL_TITLES) == set(SHIPPED)


def test_a_short_option_has_one_meaning() -> None:
    group = typer.main.get_command(cli.app)
    meanings: dict[str, set[str]] = {}
    for command in group.commands.values():  # type: ignore[attr-defined]
        for option in command.params:
            for short in (word for word in option.opts if len(word) == 2):
                meanings.setdefault(short, set()).add(option.name)
    assert meanings == {
        "-o": {"output"},
        "-m": {"model"},
        "-f": {"force"},
        "-q": {"quiet"},
        "-t": {"timeout"},
    }


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in cli.COMMANDS:
        name = command.__name__
        assert f"  {name} " in overview
        assert cli.main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert "Example" in text and f"\n    edgecolor {name} " in text, name
        assert "\\b" not in text and "\b" not in text


def test_help_lists_each_command_once_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    sections = capsys.readouterr().out.split("\n\n")
    for title, commands in cli.COMMAND_GROUPS.items():
        (section,) = (text for text in sections if text.startswith(f"{title}:"))
        assert [line.split()[0] for line in section.splitlines()[1:]] == [c.__name__ for c in commands]
    assert len(set(cli.COMMANDS)) == len(cli.COMMANDS) == len(cli.app.registered_commands)


def examples() -> list[str]:
    """Return the example command lines in the help of all commands."""
    lines = [line.strip() for command in cli.COMMANDS for line in (command.__doc__ or "").splitlines()]
    return [line.partition("  #")[0] for line in lines if line.startswith("edgecolor ")]


@pytest.mark.parametrize("line", examples())
def test_examples_are_valid_command_lines(line: str) -> None:
    assert_valid(line)


def assert_valid(line: str) -> None:
    """Parse an example command line without running it."""
    name, *words = shlex.split(line)[1:]
    group = typer.main.get_command(cli.app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, words, parent=group.make_context("edgecolor", [name]))


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys; from edgecolor.cli import main; main(['--help']);"
        "heavy = {'tensorflow', 'keras', 'numpy', 'PIL', 'rich'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    seconds = []  # of processor time, which other programs of the machine hardly change
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-m", "edgecolor", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        seconds.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert min(seconds) < 0.3


def test_a_closed_pipe_prints_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "edgecolor", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b"" and done.returncode == 1


ENDLESS = """
import sys, time
from edgecolor import cli
from edgecolor.batch import folder_run
def color_pictures(*_, on_progress, **__):
    on_progress(3, 7)
    print("started", flush=True)
    time.sleep(60)
folder_run.color_pictures = color_pictures
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_photograph_does_not_wait_for_modules_that_it_does_not_need(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    code = (
        "import sys; from edgecolor.cli import main; assert main(['run', 'a.png', '--quiet']) == 0;"
        "slow = {'multiprocessing', 'edgecolor_runtime.sources.cameras', 'rich', 'tensorflow', 'av'};"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("in_folder", [True, False])
def test_signals_end_a_command_with_one_line(tmp_path: Path, name: str, code: int, in_folder: bool) -> None:
    (tmp_path / "a.jpg").touch()
    words = [tmp_path, "-o", tmp_path / "out"] if in_folder else [tmp_path / "a.jpg"]
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        process.send_signal(getattr(signal, name))
        _, error = process.communicate(timeout=30)
    assert process.returncode == code
    if in_folder:
        assert error == "3 of 7 done; the same command resumes this run\n"
    else:
        assert error == ("" if name == "SIGINT" else f"edgecolor: stopped by {name}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_nohup_is_respected() -> None:
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from edgecolor import cli\n"
        "cli.app = lambda **_: signal.raise_signal(signal.SIGHUP)\n"
        "raise SystemExit(cli.main([]))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
