"""`edgecolor tune`: the narrowest network that still colors well."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecolor.cli.common.durations import duration_parser
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
    from edgecolor import TuneResult


def tune(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Trained .keras file. The result has at most its width.")
    ],
    data: PreparedData,
    output: RunFolder,
    trials: Annotated[int, typer.Option(help="Number of trials, including those of earlier calls.")] = 8,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=duration_parser("min"),
            help="Begin no further trial after this time: 30min, 2h; a bare number is in minutes.",
        ),
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=duration_parser("ms"),
            help="Limit for one int8 inference with one thread on this machine: 2ms; a bare "
            "number is in milliseconds.",
        ),
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(help="Limit for the size of the int8 file, in kilobytes.")
    ] = None,
    max_macs: Annotated[
        float | None, typer.Option(help="Limit for the multiply-adds of an inference, in millions.")
    ] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option(
            help="Smallest PSNR on the validation photographs, in dB. The fastest network that "
            "reaches this value is chosen."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs in a trial.")] = 1,
    size: Annotated[int, typer.Option(help="Pixels per side in a trial.")] = 96,
    finish_epochs: Annotated[
        int, typer.Option(help="Further passes for the chosen network, at 128 pixels.")
    ] = 4,
    batch: Annotated[int, typer.Option(help="Photographs per training step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Seed of the search and of every training.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(help="Address of a database that several machines share, in Optuna's form."),
    ] = None,
    calibration: Calibration = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    r"""Make a trained network narrower, which makes it faster.

    The search chooses the widths of the MobileNet and of the decoder. Each trial keeps the best channels of
    the network, trains them with the network as teacher, and measures the int8 file. Without limits the
    result may cost half the multiply-adds. Several processes can share one folder, and several machines one
    --storage. Run the command again to resume.

    \b
    Examples:
      edgecolor tune models/m/m.keras prepared/ -o runs/narrow
      edgecolor tune models/m/m.keras prepared/ -o runs/fast --max-latency 2ms --minutes 30
    """
    from edgecolor.support.extras import need_keras, need_module

    verify_network(model)
    verify_prepared_data(data)
    folder = calibration_folder(calibration)
    with working("loading TensorFlow", quiet=quiet):
        need_keras("tune")
    need_module("tune", "optuna")
    import edgecolor

    options = edgecolor.TuneOptions(
        trials=trials,
        minutes=minutes,
        epochs=epochs,
        size=size,
        finish_epochs=finish_epochs,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )
    limits = edgecolor.CandidateLimits(latency=max_latency, size=max_size, macs=max_macs, psnr=min_psnr)
    with resumable(lambda: f"{output} is not complete"):
        result = edgecolor.tune(
            model,
            data,
            output,
            options,
            calibration=folder,
            limits=limits,
            storage=storage,
            on_progress=progress_printer(quiet),
        )
    if as_json:
        print(json.dumps(asdict(result), indent=1))
    else:
        print_lines(*_lines(result, output))


def _lines(result: TuneResult, folder: Path) -> list[str]:
    return [
        result.path,
        "",
        f"the network  {result.wide.describe()}",
        *(f"{'not beaten' if i == 0 else '':13}{c.describe()}" for i, c in enumerate(result.pareto)),
        f"chosen       {result.chosen.describe()}",
        f"finished     {result.finished.describe()}",
        "",
        f"{len(result.trials)} trials, {result.minutes:.0f} minutes; plot: {folder / 'pareto.svg'}",
    ]
