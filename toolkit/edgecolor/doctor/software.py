"""Python, the interpreter, the shipped models computing here, and the libraries of live pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator

from edgecolor.doctor.finding import Finding, Host, note, ok, problem
from edgecolor_runtime.errors import GateError, MissingError, ModelFileError
from edgecolor_runtime.models.shipped import SHIPPED

TFLITE_PYTHON = (3, 11)  # the last that tflite-runtime has wheels for
WITHOUT = {
    "av": "USB cameras and videos do not work without PyAV",
    "simplejpeg": "Pillow writes JPEG instead, more slowly",
}
"""Library of live pictures, as module and as distribution -> what is without it."""


def python(host: Host) -> Iterator[Finding]:
    """Which Python this is."""
    where = "a virtual environment" if (host.prefix / "pyvenv.cfg").is_file() else "no virtual environment"
    yield ok("python", f"Python {_dotted(host.python)}, {host.bits}-bit, {where} ({host.prefix})")


def interpreter(host: Host) -> Iterator[Finding]:
    """Whether there is an interpreter that works with this Python and this numpy."""
    yield _interpreter(host)


def _interpreter(host: Host) -> Finding:
    litert, tflite, numpy = map(host.version, ("ai-edge-litert", "tflite-runtime", "numpy"))
    if litert is None and tflite is None:
        return _no_interpreter(host)
    name, module = ("ai-edge-litert", "ai_edge_litert") if litert else ("tflite-runtime", "tflite_runtime")
    if litert is None and int((numpy or "0").split(".")[0]) >= 2:
        return problem(
            "interpreter",
            f"tflite-runtime {tflite} was built for numpy 1; under numpy {numpy} it imports, and dies inside "
            "Interpreter()",
            'pip install "numpy<2"' if host.bits == 32 else "pip install ai-edge-litert",
        )
    if reason := host.imports(f"{module}.interpreter"):
        return problem(
            "interpreter",
            f"{name} {litert or tflite} is installed but broken: {reason}",
            f"pip install --force-reinstall {name}",
        )
    stays = "" if litert else f"; it has no wheel beyond Python {_dotted(TFLITE_PYTHON)}"
    return ok("interpreter", f"{name} {litert or tflite} with numpy {numpy}{stays}")


def _no_interpreter(host: Host) -> Finding:
    if host.bits == 64:
        return problem("interpreter", "no TFLite interpreter is installed", "pip install ai-edge-litert")
    if host.python <= TFLITE_PYTHON:
        return problem(
            "interpreter", "no TFLite interpreter is installed", 'pip install tflite-runtime "numpy<2"'
        )
    return problem(
        "interpreter",
        f"no TFLite interpreter has a wheel for a 32-bit Python {_dotted(host.python)}: ai-edge-litert is "
        f"64-bit only, and tflite-runtime ends at Python {_dotted(TFLITE_PYTHON)}",
        "install the 64-bit system, or one whose Python is 3.11 (Raspberry Pi OS bookworm)",
    )


def shipped_models(host: Host) -> Iterator[Finding]:
    """Whether the models in the package compute here what they must, by `edgecolor check`."""
    for name in sorted(SHIPPED, reverse=True):
        child = host.run(["-m", "edgecolor", "check", name, "--json"])
        reason = child.reason
        about = f"model {name}"
        if child.code == 0:
            golden = json.loads(child.stdout)["golden"]
            yield ok(
                about, f"computes what it must, on {golden['pictures']} pictures ({golden['interpreter']})"
            )
        elif child.code == ModelFileError.exit_code:
            yield problem(about, reason, "pip install --force-reinstall edgecolor-runtime", child.code)
        elif child.code == GateError.exit_code:
            yield problem(about, reason, "pip install --upgrade ai-edge-litert", child.code)
        elif child.code == MissingError.exit_code and _interpreter(host).state == "problem":
            yield note(about, "not tried, without an interpreter")
        else:
            yield problem(about, f"cannot be run: {reason}", "pip install --force-reinstall ai-edge-litert")


def live_libraries(host: Host) -> Iterator[Finding]:
    """Whether the libraries of cameras, videos and fast JPEG are there and load."""
    for name, without in WITHOUT.items():
        version = host.version(name)
        if version is None and host.bits == 32:  # there are no wheels
            yield note(name, f"not installed: {without}", f"sudo apt install python3-{name}")
        elif version is None:
            say = problem if name == "av" else note
            yield say(name, f"not installed: {without}", f"pip install {name}")
        elif reason := host.imports(name):
            mend = f"pip install --force-reinstall {name}"
            yield problem(name, f"{name} {version} does not load: {reason}", mend)
        else:
            yield ok(name, f"{name} {version}")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
