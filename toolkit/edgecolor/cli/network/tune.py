"""`edgecolor tune`: the narrowest network that still colors."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.options import calibration_folder

if TYPE_CHECKING:
    from edgecolor.compression.width_search import Tuned


def tune(
    model: Annotated[Path, typer.Argument(help="A trained .keras file, the widest that may come out.")],
    data: Annotated[Path, typer.Argument(help="A folder that `edgecolor dataset` made; it has a val split.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The study's folder; an old one goes on.")],
    trials: Annotated[int, typer.Option(help="Trials in all, those of earlier calls included.")] = 8,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no further trial after so many minutes.")
    ] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="ms of one int8 run on one thread of this machine.")
    ] = None,
    max_size: Annotated[float | None, typer.Option(help="kB of the int8 file.")] = None,
    max_macs: Annotated[float | None, typer.Option(help="Millions of multiply-adds.")] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option(help="dB on the val photographs: then the fastest that reaches it is chosen."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs in a trial.")] = 1,
    size: Annotated[int, typer.Option(help="Pixels a side in a trial.")] = 96,
    finish_epochs: Annotated[int, typer.Option(help="Passes for the choice, at 128 pixels.")] = 4,
    batch: Annotated[int, typer.Option(help="Photographs in a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of the search and of every training.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(help="Address of a database that several machines share; Optuna's form."),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Calibration pictures; by default ./calibration.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Slim a trained network: choose the width of its MobileNet and of its decoder.

    Each trial keeps the best channels of the network, lets them learn with the network as teacher, and
    measures the int8 file. Without limits the choice may cost half the multiply-adds. Several processes on
    one folder, or machines on one --storage, share the trials. Given again after a kill, it goes on.

    \b
    Examples:
      edgecolor tune models/m/m.keras prepared/ -o runs/narrow
      edgecolor tune models/m/m.keras prepared/ -o runs/fast --max-latency 2.0 --minutes 30
    """
    from edgecolor.support.extras import need_keras, need_module

    need_keras("tune")
    need_module("tune", "optuna")
    from edgecolor.compression import width_search as tuning
    from edgecolor.compression.candidates import Limits

    result = tuning.tune(
        model,
        data,
        output,
        tuning.Tuning(
            trials=trials,
            minutes=minutes,
            epochs=epochs,
            size=size,
            finish_epochs=finish_epochs,
            batch=batch,
            learning_rate=learning_rate,
            seed=seed,
        ),
        Limits(latency=max_latency, size=max_size, macs=max_macs, psnr=min_psnr),
        calibration=calibration_folder(calibration),
        storage=storage,
        say=lambda line: None if quiet else print(line, file=sys.stderr, flush=True),
    )
    print(json.dumps(asdict(result), indent=1) if as_json else _text(result, output))


def _text(result: Tuned, folder: Path) -> str:
    from edgecolor.compression.candidates import describe

    return "\n".join(
        [
            result.path,
            "",
            f"the network  {describe(result.wide)}",
            *(f"{'no better' if i == 0 else '':13}{describe(c)}" for i, c in enumerate(result.pareto)),
            f"chosen       {describe(result.chosen)}",
            f"finished     {describe(result.finished)}",
            "",
            f"{len(result.trials)} trials, {result.minutes:.0f} minutes; picture: {folder / 'pareto.svg'}",
        ]
    )
