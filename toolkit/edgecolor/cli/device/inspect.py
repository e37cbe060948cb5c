"""`edgecolor inspect`: what is in a model file, on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgecolor.tflite.inspection import Inspection


def inspect(
    model: Annotated[str, typer.Argument(metavar="FILE", help="A .tflite, or a shipped model's name.")],
    *,
    layers: Annotated[bool, typer.Option("--layers", help="Also the kernel of each layer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    r"""Show what is in a model file: what it says of itself, sizes, inputs and outputs, operators, hashes.

    The network does not run; `edgecolor check` runs it. A .tflite of another origin is described as well,
    as far as it goes without edgecolor's metadata.

    \b
    Examples:
      edgecolor inspect s
      edgecolor inspect mine.tflite --layers
    """
    from dataclasses import asdict

    from edgecolor.tflite.inspection import inspect_file
    from edgecolor_runtime.models.model_file import build_document

    found = inspect_file(model)
    if as_json:
        info = found.info and build_document(found.info, found.flatbuffer_sha256)
        print(json.dumps(asdict(found) | {"info": info}, indent=1))
        return
    lines = [*_file_lines(found), *_own_lines(found), *_graph_lines(found)]
    if layers:
        lines += _layer_lines(found)
    print("\n".join(lines))


def _file_lines(found: Inspection) -> Iterator[str]:
    kept = found.deflated_bytes / found.flatbuffer_bytes
    yield f"file         {found.file}, {_kilo(found.bytes)}"
    yield f"network      {_kilo(found.flatbuffer_bytes)}; {_kilo(found.deflated_bytes)} deflated, {kept:.0%}"
    yield f"sha256       {found.sha256}"
    yield f"of network   {found.flatbuffer_sha256}"


def _own_lines(found: Inspection) -> Iterator[str]:
    info = found.info
    if info is None:
        yield "metadata     none of edgecolor's: `run` and `check` refuse this file"
        return
    yield (
        f"model        {info.name} {info.version}, {info.precision}, alpha {info.alpha:g}, "
        f"saturation {info.saturation:g}"
    )
    if info.float_layers:
        yield f"in float     {', '.join(info.float_layers)}"
    yield f"made by      {info.created_by}"
    yield f"license      {info.license}"
    document = info.to_json()
    for title in ("training", "accuracy", "fidelity", "calibration"):
        if text := _flat(document.get(title)):
            yield f"{title:13}{text}"
    yield f"golden       {found.golden} pictures with the outputs they must give"


def _flat(value: Any) -> str:
    """What a part says in a line; what has parts of its own is left to --json."""
    if not isinstance(value, dict):
        return str(value or "")
    plain = {k: v for k, v in value.items() if not isinstance(v, (dict, list)) and v is not None}
    return ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in plain.items())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _graph_lines(found: Inspection) -> Iterator[str]:
    meanings = ("", "") if found.info is None else (found.info.input.meaning, found.info.output.meaning)
    ends_by_title = {"input": found.inputs, "output": found.outputs}
    for (title, ends), meaning in zip(ends_by_title.items(), meanings, strict=True):
        for end in ends:
            scale = (
                "" if end["scale"] is None else f", scale {end['scale']:.6g}, zero point {end['zero_point']}"
            )
            shape = " x ".join(map(str, end["shape"]))
            yield f"{title:13}{end['dtype']} {shape}{scale}{f': {meaning}' if meaning else ''}"
    parameters = f"{found.info.parameters:,} parameters, " if found.info else ""
    yield (
        f"size         {parameters}{found.kernel_values:,} kernel values, {found.sparsity:.1%} of them zero; "
        f"{found.macs / 1e6:.1f} M multiply-adds"
    )
    yield f"{'operator':26}{'count':>6}{'version':>9}   tflite-runtime 2.14   Edge TPU"
    for use in found.operators:
        loads, maps = _word(use.tflite_runtime), _word(use.edge_tpu)
        yield f"{use.name:26}{use.count:6}{use.version:9}   {loads:21} {maps}"


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[answer]


def _layer_lines(found: Inspection) -> Iterator[str]:
    yield f"{'layer':24}{'operator':20}{'kernel':>18}  {'type':8}{'M multiply-adds':>16}{'zero':>8}"
    for kernel in found.kernels:
        shape = " x ".join(map(str, kernel.shape))
        yield (
            f"{kernel.layer:24}{kernel.operator:20}{shape:>18}  {kernel.dtype:8}"
            f"{kernel.macs / 1e6:16.2f}{kernel.zeros:8.1%}"
        )


def _kilo(size: int) -> str:
    return f"{size / 1000:.1f} kB"
