"""The protocol between a command and its child processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from edgecolor.support.child_process import ERROR_OF_CODE, ChildResult, run_module, run_program
from edgecolor_runtime import errors
from edgecolor_runtime.errors import EdgecolorError, GateError, ModelFileError

fcntl = pytest.importorskip("fcntl")  # Windows has none

Child = Callable[[str], str]


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    """Write a module whose function `answer` has the given body; return the module's name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    def write_module(body: str) -> str:
        head = """
            import fcntl, os, signal, sys, time
            from edgecolor.support.child_process import answer_request
            from edgecolor_runtime.errors import DataError, GateError, ModelFileError

            def hold_lock(path):
                file = open(path, "w")
                fcntl.flock(file, fcntl.LOCK_EX)
                return file

            def answer(request, send):
        """
        lines = [f"    {line}" for line in dedent(body).strip().splitlines()]
        end = 'if __name__ == "__main__":\n    sys.exit(answer_request(answer))\n'
        text = "\n".join([dedent(head).strip(), *lines, "", end])
        (tmp_path / "child_of_test.py").write_text(text, "utf-8")
        return "child_of_test"

    return write_module


def is_unlocked(path: Path) -> bool:
    """Return whether the process that locked a file has ended; wait for its end for at most 60 s."""
    with path.open() as file:
        for _ in range(600):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.1)
            else:
                return True
    return False


def test_records_and_the_result_arrive(child: Child) -> None:
    module = child("""
        print("a library's line on stdout")
        os.write(1, b"and another one")
        for number in range(request["count"]):
            send({"number": number})
        return {"variable": os.environ["OF_THE_CHILD"]}
    """)
    records: list[object] = []
    result = run_module(
        module, {"count": 3}, what="the test", on_record=records.append, environment={"OF_THE_CHILD": "ä"}
    )
    assert result == {"variable": "ä"} and records == [{"number": n} for n in range(3)]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [("GateError", GateError), ("ModelFileError", ModelFileError), ("DataError", EdgecolorError)],
)
def test_an_error_travels_by_its_exit_code(child: Child, raised: str, expected: type[EdgecolorError]) -> None:
    module = child(f"""
        raise {raised}("network.keras: it is\\ntoo wide")
    """)
    with pytest.raises(expected) as caught:
        run_module(module, None, what="the test")
    assert type(caught.value) is expected and str(caught.value) == "network.keras: it is too wide"


def test_every_exit_code_has_a_class() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EdgecolorError)]
    assert {c.exit_code for c in classes} == set(ERROR_OF_CODE)
    assert all(issubclass(c, ERROR_OF_CODE[c.exit_code]) for c in classes)


def test_a_crash_is_one_line(child: Child) -> None:
    module = child('raise ValueError("no such thing")')
    with pytest.raises(EdgecolorError, match=r"^the test failed: ValueError: no such thing$"):
        run_module(module, None, what="the test")
    module = child("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(EdgecolorError, match=r"^the test failed: it crashed \(SIGSEGV\)$"):
        run_module(module, None, what="the test")


def test_a_child_ends_when_its_parent_is_interrupted(child: Child, tmp_path: Path) -> None:
    module = child("""
        lock = hold_lock(request)
        send(None)
        time.sleep(600)
    """)

    def interrupt(record: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_module(module, str(tmp_path / "lock"), what="the test", on_record=interrupt)
    assert is_unlocked(tmp_path / "lock")


def test_a_child_ends_when_its_parent_is_killed(child: Child, tmp_path: Path) -> None:
    module = child("""
        lock = hold_lock(request)
        send(None)
        time.sleep(600)
    """)
    lock, script = tmp_path / "lock", tmp_path / "parent.py"
    script.write_text(
        "from edgecolor.support.child_process import run_module\n"
        f"run_module({module!r}, {str(lock)!r}, what='', on_record=lambda r: print('started', flush=True))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "started\n"
        parent.kill()
    assert is_unlocked(lock)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux can kill a child that holds the lock")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_in_native_code_ends_when_its_parent_is_killed(
    child: Child, tmp_path: Path, number: int
) -> None:
    """A converter computes for a minute and holds the interpreter's lock: no Python thread runs."""
    module = child("""
        import ctypes
        lock = hold_lock(request)
        send(None)
        ctypes.PyDLL(None).sleep(60)
    """)
    lock, script = tmp_path / "lock", tmp_path / "parent.py"
    script.write_text(
        "from edgecolor.support.child_process import run_module\n"
        f"run_module({module!r}, {str(lock)!r}, what='', on_record=lambda r: print('started', flush=True))\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "started\n"
        parent.send_signal(number)
    assert is_unlocked(lock)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux kills a program with its parent")
def test_a_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "from edgecolor.support.child_process import run_program\n"
        "run_program(['sh', '-c', 'echo $$ > number; exec sleep 60'])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as parent:
        while not (tmp_path / "number").exists() or not (tmp_path / "number").read_text().endswith("\n"):
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    assert has_ended(int((tmp_path / "number").read_text()))


POOL = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from edgecolor.support.child_process import end_worker_with_parent
with ProcessPoolExecutor(2, initializer=end_worker_with_parent) as pool:
    list(pool.map(time.sleep, [0.2] * 2))
    print(*pool._processes, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_workers_of_a_pool_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", POOL], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.kill()
    assert all(map(has_ended, workers))


def has_ended(process: int) -> bool:
    """Wait up to 60 s until a process has ended."""
    for _ in range(6000):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_a_program_that_works_and_one_that_fails() -> None:
    done = run_program([sys.executable, "-c", "print(1)"])
    assert done == ChildResult(0, "1\n", "")
    done.raise_failure("the program")
    done = run_program([sys.executable, "-c", "import sys; sys.exit('first\\nlast')"])
    assert (done.code, done.reason) == (1, "last")
    with pytest.raises(EdgecolorError, match=r"^the program failed: last$"):
        done.raise_failure("the program")
    assert run_program([sys.executable, "-c", "raise SystemExit(7)"]).reason == "it ended with exit code 7"


def test_our_message_is_found_before_what_libraries_print_at_the_end() -> None:
    result = ChildResult(3, "", "edgecolor: too many operators\nexception ignored in: <...>\n")
    with pytest.raises(GateError, match=r"^too many operators$"):
        result.raise_failure("the program")


def test_a_program_that_is_missing_or_too_slow(tmp_path: Path) -> None:
    with pytest.raises(EdgecolorError, match=r"no-such-program: cannot be started: No such file"):
        run_program([tmp_path / "no-such-program"])
    done = run_program([sys.executable, "-c", "import time; time.sleep(600)"], time_limit=0.3)
    assert (done.code, done.reason) == (1, "it did not end within 0.3 s")


def test_a_crash_on_windows_is_named() -> None:
    assert ChildResult(0xC0000005, "", "").reason == "it crashed (0xc0000005)"
