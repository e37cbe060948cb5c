"""`edgecolor inspect`: what a model file holds, on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecolor.cli.common.messages import print_lines

if TYPE_CHECKING:
    from edgecolor.tflite.inspection import Inspection


def inspect(
    model: Annotated[
        str, typer.Argument(metavar="FILE", help="A .tflite file, or the name of a shipped model.")
    ],
    *,
    layers: Annotated[bool, typer.Option("--layers", help="Also list the kernel of each layer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    r"""Show what is in a model file.

    The output lists metadata, sizes, inputs and outputs, operators and hashes. The network does not run;
    `edgecolor check` runs it. A .tflite file of another origin is described too, without the metadata of
    edgecolor.

    \b
    Examples:
      edgecolor inspect s
      edgecolor inspect mine.tflite --layers
    """
    from dataclasses import asdict

    from edgecolor.tflite.inspection import inspect_file
    from edgecolor_runtime.models.model_file import build_document

    inspection = inspect_file(model)
    if as_json:
        info = inspection.info and build_document(inspection.info, inspection.flatbuffer_sha256)
        print(json.dumps(asdict(inspection) | {"info": info}, indent=1))
        return
    lines = [*_file_lines(inspection), *_own_lines(inspection), *_graph_lines(inspection)]
    if layers:
        lines += _layer_lines(inspection)
    print_lines(*lines)


def _file_lines(inspection: Inspection) -> Iterator[str]:
    from edgecolor_runtime.models.shipped import describe_name

    share = inspection.deflated_bytes / inspection.flatbuffer_bytes
    deflated = f"{_kilobytes(inspection.deflated_bytes)} deflated, {share:.0%}"
    yield f"file         {describe_name(inspection.file)}, {_kilobytes(inspection.bytes)}"
    yield f"network      {_kilobytes(inspection.flatbuffer_bytes)}; {deflated}"
    yield f"sha256       {inspection.sha256}"
    yield f"of network   {inspection.flatbuffer_sha256}"


def _own_lines(inspection: Inspection) -> Iterator[str]:
    from edgecolor_runtime.models.shipped import SHIPPED, WEIGHTS_LICENSE

    info = inspection.info
    if info is None:
        yield "metadata     none of edgecolor's; `edgecolor run` and `check` refuse this file"
        return
    yield (
        f"model        {info.name} {info.version}, {info.precision}, alpha {info.alpha:g}, "
        f"saturation {info.saturation:g}"
    )
    if info.float_layers:
        yield f"in float     {', '.join(info.float_layers)}"
    yield f"made by      {info.created_by}"
    yield f"license      {info.license}"
    if inspection.sha256 in {model.sha256 for model in SHIPPED.values()}:
        yield f"terms        {WEIGHTS_LICENSE}"
    document = info.to_json()
    for section in ("training", "accuracy", "fidelity", "calibration"):
        if text := _flat(document.get(section)):
            yield f"{section:13}{text}"
    yield f"golden       {inspection.golden} pictures with their reference outputs"


def _flat(value: Any) -> str:
    """Return a section as one line, without the parts that have parts of their own; --json prints these."""
    if not isinstance(value, dict):
        return str(value or "")
    plain = {k: v for k, v in value.items() if not isinstance(v, (dict, list)) and v is not None}
    return ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in plain.items())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _graph_lines(inspection: Inspection) -> Iterator[str]:
    info = inspection.info
    for title, endpoints, meaning in (
        ("input", inspection.inputs, info.input.meaning if info else ""),
        ("output", inspection.outputs, info.output.meaning if info else ""),
    ):
        for endpoint in endpoints:
            line = f"{title:13}{endpoint.dtype} {' x '.join(map(str, endpoint.shape))}"
            if endpoint.scale is not None:
                line += f", scale {endpoint.scale:.6g}, zero point {endpoint.zero_point}"
            yield f"{line}: {meaning}" if meaning else line
    parameters = f"{info.parameters:,} parameters, " if info else ""
    yield (
        f"size         {parameters}{inspection.kernel_values:,} kernel values, "
        f"{inspection.sparsity:.1%} of them zero; {inspection.macs / 1e6:.1f} M multiply-adds"
    )
    yield f"{'operator':26}{'count':>6}{'version':>9}   tflite-runtime 2.14   Edge TPU"
    for use in inspection.operators:
        loads, maps = _word(use.tflite_runtime), _word(use.edge_tpu)
        yield f"{use.name:26}{use.count:6}{use.version:9}   {loads:21} {maps}"


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[answer]


def _layer_lines(inspection: Inspection) -> Iterator[str]:
    yield f"{'layer':24}{'operator':20}{'kernel':>18}  {'type':8}{'M multiply-adds':>16}{'zero':>8}"
    for kernel in inspection.kernels:
        shape = " x ".join(map(str, kernel.shape))
        yield (
            f"{kernel.layer:24}{kernel.operator:20}{shape:>18}  {kernel.dtype:8}"
            f"{kernel.macs / 1e6:16.2f}{kernel.zeros:8.1%}"
        )


def _kilobytes(size: int) -> str:
    return f"{size / 1000:.1f} kB"
