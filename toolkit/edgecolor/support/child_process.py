"""Child processes: run a program or a module of ours, and report why it failed.

A module of ours runs as `python -m MODULE REQUEST`, where REQUEST is JSON. It calls `answer_request`, and the
child keeps this protocol:

- Each line on stdout is a JSON object: {"record": ...} while the child works, {"result": ...} at the end.
- An error of `edgecolor_runtime.errors` ends the child with the exit code of its class, as it ends a command.
  The last line on stderr is then "edgecolor: MESSAGE". The parent raises the class of that exit code.
- stdin is a pipe from the parent and stays empty. When the parent ends, the pipe closes and the child ends.

No child outlives its parent, also if the parent is killed. On Linux the kernel kills the child, even while it
computes in native code that holds the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecolor_runtime.errors import EdgecolorError, GateError, MissingError, ModelFileError, UsageError

ERROR_OF_CODE = {
    error.exit_code: error for error in (EdgecolorError, UsageError, GateError, MissingError, ModelFileError)
}
"""Exit code -> the most general error class that ends with it."""

_FIRST_NTSTATUS_ERROR = 0xC0000000  # exit codes of programs that crashed on Windows
_MESSAGE = "edgecolor: "  # how a message of ours begins on stderr
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
# A numpy.py in the user's folder is not imported instead of numpy.
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}


@dataclass(frozen=True)
class ChildResult:
    """How a child process ended.

    Attributes:
        code: exit code; a negative code is the number of the signal that ended the child.
        stdout: text that the child printed on stdout.
        stderr: text that the child printed on stderr.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str | None:
        """The message of an error of ours, without "edgecolor: "; None if the child ended otherwise."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(_MESSAGE)]
        return lines[-1].removeprefix(_MESSAGE) if lines and self.code > 0 else None

    @property
    def reason(self) -> str:
        """Why the child failed, in one line: our message, the signal, or the last line on stderr."""
        if self.code < 0:
            return f"it crashed ({_signal_name(-self.code)})"
        if self.code >= _FIRST_NTSTATUS_ERROR:
            return f"it crashed ({self.code:#x})"
        lines = self.stderr.strip().splitlines() or [f"it ended with exit code {self.code}"]
        return self.message or lines[-1]

    def raise_failure(self, what: str) -> None:
        """Raise the error that ended the child; return if it succeeded.

        Args:
            what: subject of the message if the child did not report an error of ours.

        Raises:
            EdgecolorError: or the class that the child's exit code stands for.
        """
        if self.code == 0:
            return
        if self.message is not None:
            raise ERROR_OF_CODE.get(self.code, EdgecolorError)(self.message)
        raise EdgecolorError(f"{what} failed: {self.reason}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends. Linux only; else do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def end_worker_with_parent() -> None:
    """Let a worker of a process pool end when its parent has ended: the initializer of a pool."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    import multiprocessing.connection  # 20 ms, which a photograph should not wait for

    # Not `die_with_parent`: a pool may start a worker from a thread that ends before the pool.
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def run_program(command: Sequence[str | Path], *, time_limit: float | None = None) -> ChildResult:
    """Run a program to its end; if this process is interrupted, the program is killed.

    Args:
        command: program and arguments.
        time_limit: seconds after which the program is killed and counts as failed.

    Raises:
        EdgecolorError: the program cannot be started.
    """
    words = list(map(str, command))
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | _SAFE_PATH,
            timeout=time_limit,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
    except subprocess.TimeoutExpired:
        return ChildResult(1, "", f"it did not end within {time_limit:g} s")
    except OSError as error:
        raise EdgecolorError(f"{words[0]}: cannot be started: {error.strerror or error}") from error
    return ChildResult(done.returncode, done.stdout, done.stderr)


def run_module(
    module: str,
    request: object,
    *,
    what: str,
    on_record: Callable[[Any], None] = lambda record: None,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Run a module of ours that calls `answer_request`; kill the child if this process stops waiting for it.

    Args:
        module: dotted name of the module.
        request: a JSON value, the child's task.
        what: subject of the error message if the child crashes.
        on_record: called with each record that the child sends before its result.
        environment: environment variables to set for the child.

    Returns:
        The child's result, a JSON value.

    Raises:
        EdgecolorError: the child failed; the class is that of the child's error.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **_SAFE_PATH, **(environment or {})},
        ) as child,
    ):
        assert child.stdout is not None
        result: Any = None
        try:
            for line in map(json.loads, child.stdout):
                if "result" in line:
                    result = line["result"]
                else:
                    on_record(line["record"])
            child.wait()
        finally:
            child.kill()  # no effect on a child that has ended
        stderr.seek(0)
        ChildResult(child.wait(), "", stderr.read()).raise_failure(what)
    return result


def answer_request(answer: Callable[[Any, Callable[[object], None]], object]) -> int:
    """Answer the parent's request, in the child; the caller exits with the returned code.

    Args:
        answer: takes the request and a function that sends a record to the parent; returns the result.

    Returns:
        The exit code: 0, or that of the error.
    """
    protocol = os.fdopen(os.dup(1), "w")
    die_with_parent()
    os.dup2(2, 1)  # what a library prints on stdout is not a line of the protocol
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(line: dict[str, object]) -> None:
        print(json.dumps(line), file=protocol, flush=True)

    try:
        send({"result": answer(json.loads(sys.argv[1]), lambda record: send({"record": record}))})
    except EdgecolorError as error:
        print(f"{_MESSAGE}{' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the parent has ended
    os._exit(1)
