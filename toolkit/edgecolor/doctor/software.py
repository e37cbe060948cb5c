"""Examine Python, the interpreter, the shipped models, and the libraries for cameras and videos."""

from __future__ import annotations

import json
from collections.abc import Iterator

from edgecolor.doctor.finding import Finding, HostMachine, note, ok, problem
from edgecolor.support.extras import restore_models
from edgecolor_runtime.errors import GateError, MissingError, ModelFileError
from edgecolor_runtime.inference.interpreter import LAST_TFLITE_RUNTIME_PYTHON, describe_unsupported
from edgecolor_runtime.models.shipped import SHIPPED
from edgecolor_runtime.system.commands import pip_install

LIVE_LIBRARIES = {
    "av": "USB cameras and videos do not work without PyAV",
    "simplejpeg": "Pillow writes JPEG instead, more slowly",
}
"""Name of a module and of its distribution -> the consequence if it is not installed."""


def examine_python(host: HostMachine) -> Iterator[Finding]:
    """Name the Python version and its environment."""
    where = "a virtual environment" if (host.prefix / "pyvenv.cfg").is_file() else "no virtual environment"
    yield ok("python", f"Python {_dotted(host.python)}, {host.bits}-bit, {where} ({host.prefix})")


def examine_interpreter(host: HostMachine) -> Iterator[Finding]:
    """Examine whether an interpreter works with this Python and this numpy."""
    yield _interpreter(host)


def _interpreter(host: HostMachine) -> Finding:
    litert, tflite, numpy = map(host.version, ("ai-edge-litert", "tflite-runtime", "numpy"))
    if litert is None and tflite is None:
        return _no_interpreter(host)
    name, module = ("ai-edge-litert", "ai_edge_litert") if litert else ("tflite-runtime", "tflite_runtime")
    if litert is None and int((numpy or "0").split(".")[0]) >= 2:
        return problem(
            "interpreter",
            f"tflite-runtime {tflite} was built for numpy 1; under numpy {numpy} it imports, but crashes "
            "in Interpreter()",
            pip_install("numpy<2") if host.bits == 32 else pip_install("ai-edge-litert"),
        )
    if reason := host.import_error(f"{module}.interpreter"):
        return problem(
            "interpreter",
            f"{name} {litert or tflite} is installed but broken: {reason}",
            pip_install("--force-reinstall", name),
        )
    limit = "" if litert else f"; it has no wheel beyond Python {_dotted(LAST_TFLITE_RUNTIME_PYTHON)}"
    return ok("interpreter", f"{name} {litert or tflite} with numpy {numpy}{limit}")


def _no_interpreter(host: HostMachine) -> Finding:
    missing = "no TFLite interpreter is installed"
    if host.bits == 64:
        if reason := describe_unsupported():
            return problem("interpreter", f"{missing}: {reason}")
        return problem("interpreter", missing, pip_install("ai-edge-litert"))
    if host.python <= LAST_TFLITE_RUNTIME_PYTHON:
        return problem("interpreter", missing, pip_install("tflite-runtime", "numpy<2"))
    return problem(
        "interpreter",
        f"no TFLite interpreter has a wheel for a 32-bit Python {_dotted(host.python)}: ai-edge-litert is "
        f"64-bit only, and the last tflite-runtime is for Python {_dotted(LAST_TFLITE_RUNTIME_PYTHON)}",
        "install the 64-bit system, or a system with Python 3.11 (Raspberry Pi OS bookworm)",
    )


def examine_shipped_models(host: HostMachine) -> Iterator[Finding]:
    """Examine whether the shipped models reproduce their reference outputs here, with `edgecolor check`."""
    for name in sorted(SHIPPED, reverse=True):
        child = host.run(["-m", "edgecolor", "check", name, "--json"])
        reason = child.reason
        about = f"model {name}"
        if child.code == 0:
            golden = json.loads(child.stdout)["golden"]
            pictures = f"{golden['pictures']} pictures ({golden['interpreter']})"
            yield ok(about, f"reproduces the reference outputs of {pictures}")
        elif child.code == ModelFileError.exit_code:
            yield problem(about, reason, restore_models(), child.code)
        elif child.code == GateError.exit_code:
            yield problem(about, reason, pip_install("--upgrade", "ai-edge-litert"), child.code)
        elif child.code == MissingError.exit_code and _interpreter(host).state == "problem":
            yield note(about, "not run: there is no interpreter")
        else:
            fix = pip_install("--force-reinstall", "ai-edge-litert")
            yield problem(about, f"cannot be run: {reason}", fix)


def examine_live_libraries(host: HostMachine) -> Iterator[Finding]:
    """Examine whether the libraries for cameras, videos and fast JPEG are installed and load."""
    for name, consequence in LIVE_LIBRARIES.items():
        version = host.version(name)
        if version is None and host.bits == 32:  # PyPI has no wheels
            yield note(name, f"not installed: {consequence}", f"sudo apt install python3-{name}")
        elif version is None:
            state = problem if name == "av" else note
            yield state(name, f"not installed: {consequence}", pip_install(name))
        elif reason := host.import_error(name):
            fix = pip_install("--force-reinstall", name)
            yield problem(name, f"{name} {version} does not load: {reason}", fix)
        else:
            yield ok(name, f"{name} {version}")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
