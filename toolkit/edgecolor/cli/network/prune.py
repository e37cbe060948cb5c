"""`edgecolor prune`: fewer weights, a smaller download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.inputs import calibration_folder, verify_network, verify_prepared_data
from edgecolor.cli.common.messages import print_lines, progress_printer, resumable, working
from edgecolor.cli.common.options import (
    AsJson,
    Calibration,
    PreparedData,
    Quiet,
    RunFolder,
)

if TYPE_CHECKING:
    from edgecolor import PruneResult
    from edgecolor.compression.pruning import KernelSparsity
    from edgecolor.compression.pruning_gain import PruningGain


def prune(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help=".keras file to prune. It is also the teacher.")
    ],
    data: PreparedData,
    output: RunFolder,
    sparsity: Annotated[
        float | None, typer.Option(help="Share of zeros in each prunable kernel (default: 0.7).")
    ] = None,
    two_four: Annotated[
        bool, typer.Option("--two-four", help="Set two of every four weights to zero instead.")
    ] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs.")] = 3,
    full_size_epochs: Annotated[
        int, typer.Option(help="Number of the last epochs that train at 224 pixels per side.")
    ] = 1,
    size: Annotated[int, typer.Option(help="Pixels per side in all epochs that are not at full size.")] = 128,
    batch: Annotated[int, typer.Option(help="Photographs per training step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Initial learning rate; it falls to nearly 0.")] = 5e-4,
    seed: Annotated[int, typer.Option(help="Seed of the batches.")] = 1,
    calibration: Calibration = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Make a trained network sparse, for a smaller download.

    The smallest weights become zero. Run the command again to resume a killed run. Zeros compress: pruning
    makes the download smaller. It does not make the int8 file faster; the report says what was measured. For
    speed, make the network narrower with `edgecolor tune`.

    \b
    Examples:
      edgecolor prune models/m/m.keras prepared/ -o runs/m70
      edgecolor prune models/m/m.keras prepared/ -o runs/m24 --two-four
    """
    from edgecolor.support.extras import need_keras, need_module

    verify_network(model)
    verify_prepared_data(data)
    folder = calibration_folder(calibration)
    with working("loading TensorFlow", quiet=quiet):
        need_keras("prune", backend="tensorflow")
    for module in ("tf_keras", "tensorflow_model_optimization"):
        need_module("prune", module)
    import edgecolor

    default_sparsity = 0.5 if two_four else edgecolor.PruneOptions.sparsity
    options = edgecolor.PruneOptions(
        sparsity=default_sparsity if sparsity is None else sparsity,
        two_four=two_four,
        epochs=epochs,
        full_size_epochs=full_size_epochs,
        size=size,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )
    with resumable(lambda: f"{output} is not complete"):
        result = edgecolor.prune(
            model, data, output, options, calibration=folder, on_progress=progress_printer(quiet)
        )
    if as_json:
        print(_json(result))
    else:
        print_lines(*_lines(result))


def _json(result: PruneResult) -> str:
    values = {
        "path": str(result.path),
        "sparsity": result.sparsity,
        "kernels": [asdict(kernel) for kernel in result.kernels],
        "int8": asdict(result.gain) if result.gain else None,
    }
    return json.dumps(values, indent=1)


def _lines(result: PruneResult) -> list[str]:
    gain = _gain_lines(result.gain) if result.gain else []
    return [str(result.path), "", *_kernel_lines(result.kernels, result.sparsity), "", *gain]


def _kernel_lines(kernels: Sequence[KernelSparsity], sparsity: float) -> list[str]:
    lines = [f"{'layer':24}{'weights':>9}  zeros"]
    for kernel in kernels:
        share = f"{kernel.zeros / kernel.weights:6.1%}" if kernel.prunable else "  not pruned"
        lines.append(f"{kernel.layer:24}{kernel.weights:9,}{share}")
    prunable = sum(k.weights for k in kernels if k.prunable)
    return [*lines, f"{'all prunable kernels':24}{prunable:9,}{sparsity:6.1%}"]


def _gain_lines(gain: PruningGain) -> list[str]:
    before, after, ratio = gain.before, gain.after, gain.time_ratio
    return [
        f"int8 file    {before.bytes / 1000:.0f} kB before, {after.bytes / 1000:.0f} kB after",
        f"compressed   {before.compressed / 1000:.0f} kB before, {after.compressed / 1000:.0f} kB after: "
        f"{after.compressed / before.compressed:.0%}",
        f"inference    {ratio.median:.2f} times as long as before ({ratio.p10:.2f} to {ratio.p90:.2f}); "
        "for speed, see `edgecolor tune`",
    ]
