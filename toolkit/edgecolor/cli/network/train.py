"""`edgecolor train`: a prepared dataset to a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecolor import Augmentation, LossWeights, Recipe
from edgecolor.cli.common.inputs import verify_network, verify_prepared_data
from edgecolor.cli.common.messages import print_lines, progress_printer, resumable, working
from edgecolor.cli.common.options import PreparedData, Quiet, RunFolder


def train(
    data: PreparedData,
    output: RunFolder,
    alpha: Annotated[float, typer.Option(help="Width multiplier of the MobileNet.")] = Recipe.alpha,
    trunk: Annotated[
        str,
        typer.Option(
            help="Pretrained weights of the MobileNet: a file (Keras's .h5 or a quantized .tflite), imagenet "
            "(Keras downloads them) or none. For a teacher also an EfficientNet-Lite (.npz), which replaces "
            "the MobileNet."
        ),
    ] = Recipe.trunk,
    start: Annotated[
        str | None, typer.Option(help=".keras file whose weights training starts from, instead of --trunk.")
    ] = None,
    blend: Annotated[
        float,
        typer.Option(help="Weight of the --start network in the final average (0.5: plain mean)."),
    ] = Recipe.blend,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help=".keras file of a teacher, usually wider, to learn from besides the true colors. Repeat the "
            "option for the mean of several teachers."
        ),
    ] = None,
    teacher_weight: Annotated[
        float, typer.Option(help="Weight of --teacher in the loss. The true colors have a weight of 1.")
    ] = LossWeights.teacher,
    teacher_tint: Annotated[
        float,
        typer.Option(help="Share of the teacher's mean color of each picture that is learned, from 0 to 1."),
    ] = Recipe.teacher_tint,
    mixed: Annotated[
        float,
        typer.Option(help="Share of photographs that are mixed with another one, against overfitting."),
    ] = Augmentation.mixed,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Do not train the MobileNet. Fine-tune it in a second run.")
    ] = Recipe.freeze,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs.")] = Recipe.epochs,
    full_size_epochs: Annotated[
        int, typer.Option(help="Number of the last epochs that train at 224 pixels per side.")
    ] = Recipe.full_size_epochs,
    size: Annotated[
        int, typer.Option(help="Pixels per side in all epochs that are not at full size.")
    ] = Recipe.size,
    batch: Annotated[int, typer.Option(help="Photographs per training step.")] = Recipe.batch,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = Recipe.learning_rate,
    trunk_rate: Annotated[
        float, typer.Option(help="Learning rate of the MobileNet, as a share of --learning-rate.")
    ] = Recipe.trunk_rate,
    ema: Annotated[
        float, typer.Option(help="Momentum of the moving average of the weights (0: no average).")
    ] = Recipe.ema,
    precision: Annotated[str, typer.Option(help="float32 or mixed_bfloat16.")] = Recipe.precision,
    devices: Annotated[
        str, typer.Option(help="one, or all devices of this machine. Each takes a share of every batch.")
    ] = "one",
    workers: Annotated[
        int,
        typer.Option(min=0, help="Number of processes that make batches ahead, useful with a GPU (0: none)."),
    ] = 0,
    keep_every: Annotated[
        int, typer.Option(min=1, help="Epochs between checkpoints. Increase it if an epoch takes seconds.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of weights and batches.")] = Recipe.seed,
    quiet: Quiet = False,
) -> None:
    r"""Train the fusion network.

    Run the command again to resume a killed run after its last checkpoint. After every epoch, or as
    --keep-every says, the folder holds model.keras, pictures of val photographs, and curves for TensorBoard.

    \b
    Examples:
      edgecolor train prepared/ -o runs/s
      edgecolor train prepared/ -o runs/mine --start models/s/s.keras --epochs 4 --learning-rate 0.0003
      edgecolor train prepared/ -o runs/m --alpha 0.5 --teacher models/t/t.keras --mixed 0.5
    """
    from edgecolor.support.extras import need_keras

    verify_prepared_data(data)
    for network in ([start] if start else []) + (teacher or []):
        verify_network(Path(network))
    with working("loading TensorFlow", quiet=quiet):
        need_keras("train")
    import edgecolor

    recipe = Recipe(
        alpha=alpha,
        trunk=trunk,
        start=start,
        blend=blend,
        teachers=tuple(teacher or ()),
        teacher_tint=teacher_tint,
        freeze=freeze,
        epochs=epochs,
        full_size_epochs=full_size_epochs,
        size=size,
        batch=batch,
        learning_rate=learning_rate,
        trunk_rate=trunk_rate,
        ema=ema,
        precision=precision,
        seed=seed,
        loss=LossWeights(teacher=teacher_weight),
        augment=Augmentation(mixed=mixed),
    )
    with resumable(lambda: f"{output} is not complete"):
        path = edgecolor.train(
            data,
            output,
            recipe,
            on_progress=progress_printer(quiet),
            devices=devices,
            workers=workers,
            keep_every=keep_every,
        )
    print_lines(path)
