"""`edgecolor prune`: fewer weights, a smaller download."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.options import calibration_folder

if TYPE_CHECKING:
    from edgecolor.compression.pruning import Kernel
    from edgecolor.compression.pruning_gain import Bought


def prune(
    model: Annotated[Path, typer.Argument(help="The .keras file to prune; it also teaches.")],
    data: Annotated[Path, typer.Argument(help="A folder that `edgecolor dataset` made.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run's folder; an existing one goes on.")
    ],
    sparsity: Annotated[
        float | None, typer.Option(help="Share of zeros in each prunable kernel.  [default: 0.7]")
    ] = None,
    two_four: Annotated[
        bool, typer.Option("--two-four", help="Instead: two zeros in every four weights.")
    ] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs.")] = 3,
    full_size_epochs: Annotated[
        int, typer.Option(help="How many of them, the last ones, at 224 pixels.")
    ] = 1,
    size: Annotated[int, typer.Option(help="Pixels a side before that.")] = 128,
    batch: Annotated[int, typer.Option(help="Photographs in a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="First learning rate; it falls to nothing.")] = 5e-4,
    seed: Annotated[int, typer.Option(help="Same seed, same run.")] = 1,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Calibration pictures for the comparison as int8; by default ./calibration."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Prune a trained network by magnitude while it learns on. Given again after a kill, it goes on.

    Zeros compress: pruning makes the download smaller. It makes an int8 file no faster, and the report says
    what was measured; for speed, make the network narrower with `edgecolor tune`.

    \b
    Examples:
      edgecolor prune models/m/m.keras prepared/ -o runs/m70
      edgecolor prune models/m/m.keras prepared/ -o runs/m24 --two-four
    """
    from edgecolor.support.extras import need_keras, need_module

    need_keras("prune", backend="tensorflow")
    for module in ("tf_keras", "tensorflow_model_optimization"):
        need_module("prune", module)
    from edgecolor.compression import pruning, pruning_gain
    from edgecolor.network.keras_file import load_network

    folder = calibration_folder(calibration)
    wanted = sparsity if sparsity is not None else 0.5 if two_four else pruning.Pruning.sparsity
    asked = pruning.Pruning(
        sparsity=wanted,
        two_four=two_four,
        epochs=epochs,
        full_size_epochs=full_size_epochs,
        size=size,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )

    def say(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    out = pruning.prune(data, model, output, asked, say=say)
    found = pruning.kernels(load_network(out))
    say("both as int8, to compare")
    bought = pruning_gain.what_it_buys(model, out, folder)
    if as_json:
        told = {"path": str(out), "sparsity": pruning.sparsity(found), "kernels": [asdict(k) for k in found]}
        print(json.dumps(told | {"int8": asdict(bought)}, indent=1))
    else:
        print("\n".join([str(out), "", *_table(found), "", *_bought(bought)]))


def _table(found: list[Kernel]) -> list[str]:
    from edgecolor.compression.pruning import sparsity

    lines = [f"{'layer':24}{'weights':>9}  zeros"]
    for kernel in found:
        share = f"{kernel.zeros / kernel.weights:6.1%}" if kernel.prunable else "  left alone"
        lines.append(f"{kernel.layer:24}{kernel.weights:9,}{share}")
    prunable = sum(k.weights for k in found if k.prunable)
    return [*lines, f"{'all that is prunable':24}{prunable:9,}{sparsity(found):6.1%}"]


def _bought(bought: Bought) -> list[str]:
    before, after = bought.before, bought.after
    ratio = bought.time_ratio
    return [
        f"int8 file    {before.bytes / 1000:.0f} kB before, {after.bytes / 1000:.0f} kB after",
        f"compressed   {before.compressed / 1000:.0f} kB before, {after.compressed / 1000:.0f} kB after: "
        f"{after.compressed / before.compressed:.0%}",
        f"invoke       {ratio.median:.2f} times as long as before ({ratio.p10:.2f} to {ratio.p90:.2f}): "
        "for speed, see `edgecolor tune`",
    ]
