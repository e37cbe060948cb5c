"""Files appear whole or not at all, and dead processes leave nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgecolor_runtime.errors import EdgecolorError, UsageError
from edgecolor_runtime.system import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from edgecolor_runtime.errors import EdgecolorError
from edgecolor_runtime.system.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_bytes(Path("out.png"), bytes(100_000), force=True)
except EdgecolorError as error:
    sys.exit(str(error))
"""


def test_a_write_that_fails_half_way(tmp_path: Path) -> None:
    """A limit on the size of files stops the write in its middle, as a full disk does."""
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    done = run_python(WRITE_TOO_MUCH, tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "out.png: cannot be written: File too large"
    assert names(tmp_path) == ["out.png"]
    assert path.read_bytes() == b"precious"


def test_an_existing_file_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    for _ in range(2):
        with pytest.raises(UsageError, match="exists already; use --force to replace it") as caught:
            files.write_text(path, "other")
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="is a folder"):
        files.write_text(tmp_path, "text", force=True)
    files.write_json(path, {"a": [1]}, force=True)
    assert path.read_text() == '{\n "a": [\n  1\n ]\n}\n'
    assert names(tmp_path) == ["a.txt"]


def test_an_equal_file_is_accepted_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"bytes")
    before = path.stat()
    files.write_bytes(path, b"bytes", accept_identical=True)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for other, accept_identical in ((b"others", True), (b"bytes", False)):
        with pytest.raises(UsageError, match="exists already"):
            files.write_bytes(path, other, accept_identical=accept_identical)
    assert path.read_bytes() == b"bytes" and list(tmp_path.iterdir()) == [path]


def test_a_library_writes_to_a_path_with_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.weights.h5"
    with files.staged_file(path) as temporary:
        assert temporary.name == path.name and not path.exists()
        temporary.write_bytes(b"first")
    with pytest.raises(UsageError, match="exists already"), files.staged_file(path) as temporary:
        temporary.write_bytes(b"refused")
    with pytest.raises(ZeroDivisionError), files.staged_file(path, force=True) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    with pytest.raises(EdgecolorError, match="cannot be written: No such file"), files.staged_file(path):
        pass  # the library wrote nothing
    assert path.read_bytes() == b"first" and names(path.parent) == [path.name]
    with files.staged_file(path, force=True) as temporary:
        temporary.write_bytes(b"second")
    assert path.read_bytes() == b"second" and names(path.parent) == [path.name]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(ZeroDivisionError), files.staged_folder(path) as folder:
        (folder / "a").write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == []
    with files.staged_folder(path) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("whole")
        assert not path.exists()
    assert names(tmp_path) == ["data"] and (path / "sub" / "a").read_text() == "whole"
    with pytest.raises(UsageError, match="name another folder"), files.staged_folder(path):
        pass
    with pytest.raises(UsageError, match="name another folder"), files.staged_folder(tmp_path / "b"):
        (tmp_path / "b").mkdir()  # by another process, meanwhile
    assert names(tmp_path) == ["b", "data"]


KILLED = """
import os, pathlib, signal
from edgecolor_runtime.system import files
path = pathlib.Path({name!r})
with files.{writer} as temporary:
    (temporary / "a" if temporary.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_process_removes_what_dead_ones_left(tmp_path: Path) -> None:
    for name, writer in (
        ("a", "staged_file(path)"),
        ("b", "staged_folder(path)"),
        ("c", "temporary_beside(path)"),
    ):
        killed = run_python(KILLED.format(name=name, writer=writer), tmp_path)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        (left,) = names(tmp_path)  # that of the one before is gone
        assert left.startswith(f".{name}.") and left.endswith(".part")
    with files.temporary_beside(tmp_path / "mine") as mine:
        mine.touch()
        ours = names(tmp_path)
        assert ours == [mine.name]
        done = run_python(
            "import pathlib; from edgecolor_runtime.system import files; "
            "files.write_text(pathlib.Path('new'), '')",
            tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert names(tmp_path) == sorted([mine.name, "new"]), "this process is alive"
    assert names(tmp_path) == ["new"]


def test_a_process_number_that_is_in_use_again_is_stale(tmp_path: Path) -> None:
    """After a restart of the machine, another process may have the number of the one that was killed."""
    with files.temporary_beside(tmp_path / "a.jpg") as mine:
        mine.touch()
        machine, process, start, number = mine.name.split(".")[-2].split("-")
        reused = tmp_path / f".a.jpg.{machine}-{process}-{'f' * 8}-{number}.part"
        reused.touch()
        files.remove_stale(tmp_path)
        assert names(tmp_path) == [mine.name]
        assert process == str(os.getpid()) and start != files.UNKNOWN_START


def test_files_of_other_machines_and_of_other_programs_are_kept(tmp_path: Path) -> None:
    foreign = ".a.jpg.01234567-1-01234567-0123456789ab.part"
    others = [".a.jpg.part", ".a.jpg.01234567-1-0123456789aX.part", "a.01234567-1-0123456789ab.part", "a.jpg"]
    for name in (foreign, *others):
        (tmp_path / name).touch()
    files.remove_stale(tmp_path)
    assert names(tmp_path) == sorted([foreign, *others])
    files.remove_stale(tmp_path, own=["a.jpg"])
    assert names(tmp_path) == sorted(others)


def test_the_living_process_that_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with files.staged_folder(path):
        assert files.living_process(path) is None, "this process itself"
        code = (
            "import pathlib; from edgecolor_runtime.system import files; "
            "print(files.living_process(pathlib.Path('a')))"
        )
        assert run_python(code, tmp_path).stdout.strip() == str(os.getpid())
        assert run_python(code.replace("'a'", "'b'"), tmp_path).stdout.strip() == "None"


def test_staged_files_get_their_names_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    flush, replace = files.flush, Path.replace
    (tmp_path / "taken").write_bytes(b"mine")
    (tmp_path / "old").write_bytes(b"older")
    (tmp_path / "same").write_bytes(b"same")
    staged = [
        files.stage_bytes(tmp_path / name, name.encode(), accept_identical=True)
        for name in ("new", "taken", "old", "same")
    ]
    assert staged[3].temporary is None

    def record_flush(path: Path) -> None:
        steps.append("flush")
        flush(path)

    def record_rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(files, "flush", record_flush)
    monkeypatch.setattr(Path, "replace", record_rename)
    errors = files.publish_all(staged, replaceable={tmp_path / "old"})
    assert steps == ["flush"] * 4 + ["rename"] * 2 + ["flush"]
    assert [type(error) for error in errors] == [type(None), UsageError, type(None), type(None)]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "new": b"new", "taken": b"mine", "old": b"old", "same": b"same"
    }  # fmt: skip


def test_a_long_name(tmp_path: Path) -> None:
    name = "ü" * 120 + ".json"
    files.write_json(tmp_path / name, [])
    with files.staged_file(tmp_path / name, force=True) as temporary:
        temporary.write_text("[1]")
    assert (tmp_path / name).read_text() == "[1]"


def test_data_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def record_fsync(descriptor: int) -> None:
        steps.append("flush folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "flush file")
        fsync(descriptor)

    def record_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    files.write_bytes(tmp_path / "a", b"1")
    assert steps == ["flush file", "rename", "flush folder"]
    steps.clear()
    files.write_bytes(tmp_path / "b", b"1", durable=False)
    assert steps == ["rename"]
