"""The interpreter: tensors, missing libraries, and delegates. One delegate is compiled here."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgecolor_runtime import MissingError, ModelFile, ModelFileError, load_interpreter
from edgecolor_runtime.inference import interpreter as module
from edgecolor_runtime.inference.preprocess import NETWORK_INPUT, quantize
from edgecolor_runtime.models.signature import INPUT_SHAPE, OUTPUT_SHAPE

# The smallest external delegate: it takes no node of the graph, and prints a line to stderr when it is
# loaded.
DELEGATE = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef struct Delegate Delegate;
struct Delegate {
  void *data;
  int (*prepare)(void *context, Delegate *self);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *builder;
};
static int prepare(void *context, Delegate *self) {
  (void)context; (void)self;
  fputs("delegate asked\n", stderr);
  return 0;
}
Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t n, void (*report)(const char *)) {
  (void)keys; (void)values; (void)n;
#ifdef ABSENT
  report("no accelerator on this bus");
  return NULL;
#else
  (void)report;
  Delegate *self = calloc(1, sizeof *self);
  self->prepare = prepare;
  return self;
#endif
}
void tflite_plugin_destroy_delegate(Delegate *self) { free(self); }
"""


def compiled(folder: Path, *flags: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, library = folder / "delegate.c", folder / "libdelegate.so"
    source.write_text(DELEGATE)
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", *flags, "-o", library, source], check=True)
    return library


def test_tensors_agree_with_the_metadata(tiny: ModelFile) -> None:
    interpreter = load_interpreter(tiny.flatbuffer, threads=2)
    assert interpreter.name.startswith(("ai-edge-litert ", "tflite-runtime "))
    for tensor, described, shape in (
        (interpreter.input, tiny.info.input, INPUT_SHAPE),
        (interpreter.output, tiny.info.output, OUTPUT_SHAPE),
    ):
        assert tensor.shape == shape and tensor.dtype == np.int8
        assert tensor.scale == pytest.approx(described.scale)
        assert tensor.zero_point == described.zero_point


def test_golden_vectors_are_reproduced_exactly(tiny: ModelFile) -> None:
    interpreter = load_interpreter(tiny.flatbuffer)
    if not interpreter.name.startswith("ai-edge-litert"):
        pytest.skip("tflite-runtime differs by a few steps")
    table = quantize(NETWORK_INPUT, interpreter.input.scale, interpreter.input.zero_point)
    for gray, exported in zip(tiny.golden.gray, tiny.golden.exported, strict=True):
        np.testing.assert_array_equal(interpreter(table[gray].reshape(INPUT_SHAPE))[0], exported)


def test_a_tracer_gives_intermediate_tensors(tiny: ModelFile) -> None:
    interpreter = load_interpreter(tiny.flatbuffer)
    x = np.random.default_rng(0).integers(-128, 128, INPUT_SHAPE).astype(np.int8)
    inside = module.load_tracer(tiny.flatbuffer)(x)
    output = (interpreter(x).astype(np.float32) - interpreter.output.zero_point) * interpreter.output.scale
    ends = [values for values in inside.values() if values.shape == OUTPUT_SHAPE]
    assert min(np.abs(values - output).max() for values in ends) <= 2 * interpreter.output.scale
    assert {values.shape[1:3] for values in inside.values() if values.ndim == 4} >= {(112, 112), (56, 56)}
    with pytest.raises(ModelFileError, match="cannot load this model"):
        module.load_tracer(b"\x1c\0\0\0TFL3" + b"\0" * 100)


def test_log_lines_are_dropped_from_stderr_and_other_lines_kept(
    tiny: ModelFile, capfd: pytest.CaptureFixture[str]
) -> None:
    load_interpreter(tiny.flatbuffer)
    assert capfd.readouterr().err == ""


def test_a_broken_graph_is_a_model_file_error() -> None:
    with pytest.raises(ModelFileError, match="cannot load this model"):
        load_interpreter(b"\x1c\0\0\0TFL3" + b"\0" * 100)


def test_delegate(tiny: ModelFile, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = load_interpreter(tiny.flatbuffer)
    delegated = load_interpreter(tiny.flatbuffer, delegate=str(compiled(tmp_path)))
    assert "delegate asked" in capfd.readouterr().err
    x = np.random.default_rng(0).integers(-128, 128, INPUT_SHAPE).astype(np.int8)
    assert np.abs(plain(x).astype(int) - delegated(x)).max() <= 1


def test_delegate_without_its_device(tiny: ModelFile, tmp_path: Path) -> None:
    library = compiled(tmp_path, "-DABSENT")
    with pytest.raises(MissingError, match="no accelerator on this bus") as caught:
        load_interpreter(tiny.flatbuffer, delegate=str(library))
    assert caught.value.exit_code == 4


def test_a_file_that_is_not_a_delegate(tiny: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_text("no library")
    for path in (tmp_path / "lib.so", tmp_path / "missing.so"):
        with pytest.raises(MissingError, match="cannot be loaded"):
            load_interpreter(tiny.flatbuffer, delegate=str(path))


def test_edgetpu_names_its_library(tiny: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.DELEGATES, "edgetpu", {"Linux": "libnowhere-edgetpu.so.1"})
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(MissingError, match=r"delegate edgetpu \(libnowhere-edgetpu\.so\.1\)"):
        load_interpreter(tiny.flatbuffer, delegate="edgetpu")


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    real = importlib.import_module

    def fake(name: str, package: str | None = None) -> ModuleType:
        if name.partition(".")[0] in packages:
            raise ModuleNotFoundError(name=name)
        return ModuleType(name) if name == "tflite_runtime" else real(name, package)

    monkeypatch.setattr(importlib, "import_module", fake)


def test_a_missing_library_names_the_pip_command(tiny: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "ai_edge_litert", "tflite_runtime")
    with pytest.raises(MissingError, match="-m pip install ai-edge-litert"):
        load_interpreter(tiny.flatbuffer)


def test_tflite_runtime_under_numpy_2_is_explained(tiny: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "ai_edge_litert")
    monkeypatch.setattr(np, "__version__", "2.4.1")
    with pytest.raises(MissingError, match="-m pip install 'numpy<2'"):
        load_interpreter(tiny.flatbuffer)


def test_a_broken_library_is_an_error(tiny: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.delitem(sys.modules, "ai_edge_litert.interpreter", raising=False)
    with pytest.raises(MissingError, match="ai-edge-litert is installed but broken"):
        load_interpreter(tiny.flatbuffer)
