"""TFLite interpreters behind one small protocol. No other module imports an interpreter library."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecolor_runtime.errors import EdgecolorError, MissingError, ModelFileError
from edgecolor_runtime.inference.tensor import TensorInfo
from edgecolor_runtime.models.flatbuffer import verify_flatbuffer
from edgecolor_runtime.system.commands import pip_install
from edgecolor_runtime.system.stderr import stderr_without

LIBRARIES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
"""Package -> distribution, in the order of preference."""

DELEGATES = {
    "edgetpu": {"Linux": "libedgetpu.so.1", "Darwin": "libedgetpu.1.dylib", "Windows": "edgetpu.dll"},
}
"""Delegate -> operating system -> name of its library, which the system's loader finds."""

LAST_TFLITE_RUNTIME_PYTHON = (3, 11)
"""The last Python version with wheels of tflite-runtime, for 32-bit systems."""

EDGE_TPU_OPERATOR = "edgetpu-custom-op"
"""Operator by which the Edge TPU compiler replaces all operators that it maps. Only the delegate runs it."""


class Interpreter(Protocol):
    """A loaded graph with one input and one output, both raw values. Not thread-safe."""

    @property
    def name(self) -> str:
        """Library and version, such as "ai-edge-litert 2.1.0"."""

    @property
    def input(self) -> TensorInfo:
        """Description of the input."""

    @property
    def output(self) -> TensorInfo:
        """Description of the output."""

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Run the graph once. `x` has the shape and dtype of the input; the result those of the output."""


class _TFLite:
    def __init__(self, interpreter: Any, name: str) -> None:
        self.name = name
        self._interpreter = interpreter
        (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        self._entry, self._result = entry["index"], result["index"]
        self.input, self.output = _tensor(entry), _tensor(result)

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        self._interpreter.set_tensor(self._entry, x)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise EdgecolorError(f"{self.name} failed to run the network: {_line(error)}") from error
        result: NDArray[Any] = self._interpreter.get_tensor(self._result)
        return result


def _tensor(details: Any) -> TensorInfo:
    scale, zero_point = details["quantization"]
    return TensorInfo(
        tuple(map(int, details["shape"])), np.dtype(details["dtype"]), float(scale), int(zero_point)
    )


def load_interpreter(
    flatbuffer: bytes, *, threads: int = 1, delegate: str | None = None, is_pinned: bool = False
) -> Interpreter:
    """Load a graph with the interpreter library of this machine.

    Args:
        flatbuffer: TFLite model. It is checked in Python before native code reads it.
        threads: number of CPU threads of one inference.
        delegate: "edgetpu", or the path of an external delegate's library; None: the CPU.
        is_pinned: the graph is that of a shipped model, by its hash. The check, which takes 8 ms, is skipped.

    Raises:
        MissingError: no interpreter library is installed, the delegate cannot be loaded, or a graph that is
            compiled for an Edge TPU has no delegate.
        ModelFileError: the graph is broken or asks for too much, the library cannot load it, or it has not
            one input and one output.
    """
    library, name = _library()
    if not is_pinned:
        verify_flatbuffer(flatbuffer)
    delegates = [] if delegate is None else [_delegate(library, delegate)]
    try:
        with stderr_without(b"INFO: "):  # "Created ... XNNPACK delegate"
            interpreter = library.Interpreter(
                model_content=flatbuffer, num_threads=threads, experimental_delegates=delegates
            )
            interpreter.allocate_tensors()
        return _TFLite(interpreter, name)
    except (ValueError, RuntimeError) as error:
        if EDGE_TPU_OPERATOR in str(error):
            raise MissingError(
                "this model is compiled for an Edge TPU; use --delegate edgetpu on a machine with one, or "
                "the int8 model from which it was compiled"
            ) from error
        raise ModelFileError(f"{name} cannot load this model: {_line(error)}") from error


def load_tracer(flatbuffer: bytes) -> Callable[[NDArray[Any]], dict[str, NDArray[np.float32]]]:
    """Load a graph to inspect its intermediate tensors. It runs on the CPU with slow reference kernels.

    Returns:
        A function from the graph's input to all computed tensors: name -> dequantized values.

    Raises:
        MissingError: no interpreter library is installed.
        ModelFileError: the library cannot load the graph.
    """
    library, name = _library()
    verify_flatbuffer(flatbuffer)
    try:
        interpreter = library.Interpreter(
            model_content=flatbuffer,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(f"{name} cannot load this model: {_line(error)}") from error
    (entry,) = interpreter.get_input_details()
    details = interpreter.get_tensor_details()

    def trace(x: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        return {d["name"]: _real(interpreter.get_tensor(d["index"]), d) for d in details if d["name"]}

    return trace


def _real(values: NDArray[Any], details: Any) -> NDArray[np.float32]:
    scale, zero_point = details["quantization"]
    real: NDArray[np.float32] = values.astype(np.float32)
    return (real - np.float32(zero_point)) * np.float32(scale) if scale else real


def _library() -> tuple[ModuleType, str]:
    for package, distribution in LIBRARIES.items():
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        if package == "tflite_runtime" and int(np.__version__.split(".")[0]) >= 2:
            # tflite-runtime imports under numpy 2, and fails later in Interpreter() with an unclear message.
            raise MissingError(
                f"tflite-runtime was built for numpy 1 and this is numpy {np.__version__}: "
                f"{pip_install('numpy<2')}"
            )
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ImportError as error:
            raise MissingError(
                f"{distribution} is installed but broken: {_line(error)}. Reinstall it with: "
                f"{pip_install('--force-reinstall', distribution)}"
            ) from error
        return module, f"{distribution} {importlib.metadata.version(distribution)}"
    raise MissingError(f"no TFLite interpreter is installed. {_install_hint()}")


def _install_hint() -> str:
    """Return how to install an interpreter for this Python, or that there is none."""
    if reason := describe_unsupported():
        return reason
    if sys.maxsize > 1 << 32:
        return f"Install it with: {pip_install('ai-edge-litert')}"
    return f"Install it with: {pip_install('tflite-runtime', 'numpy<2')}"


def describe_unsupported() -> str | None:
    """Return why no interpreter library has a wheel for this machine; None if one has."""
    machine = platform.machine().lower()
    if sys.platform == "darwin" and machine == "x86_64":
        return "ai-edge-litert has no wheel for Intel Macs. Use a Mac with Apple silicon, Linux or Windows."
    if sys.platform == "win32" and machine == "arm64":
        return (
            "ai-edge-litert has no wheel for Windows on Arm. Install Python for x86-64; Windows emulates it."
        )
    if sys.maxsize < 1 << 32 and sys.version_info[:2] > LAST_TFLITE_RUNTIME_PYTHON:
        version = ".".join(map(str, sys.version_info[:2]))
        return (
            f"No interpreter has a wheel for a 32-bit Python {version}. Install the 64-bit system, or a "
            "system with Python 3.11 (Raspberry Pi OS bookworm)."
        )
    return None


def _delegate(library: ModuleType, delegate: str) -> Any:
    path = DELEGATES[delegate].get(platform.system(), delegate) if delegate in DELEGATES else delegate
    try:
        # Opened here first: if the interpreter library fails to open it, its finalizer prints a second error.
        if not hasattr(ctypes.CDLL(path), "tflite_plugin_create_delegate"):
            raise ValueError("it is not a TFLite delegate")
        return library.load_delegate(path)
    except (ValueError, OSError) as error:
        raise MissingError(
            f"delegate {delegate} ({path}) cannot be loaded: {_line(error) or 'no reason was reported'}; "
            "check that its library is installed and its device is plugged in"
        ) from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
