"""`edgecolor train`: a prepared dataset to a trained network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgecolor.training.recipe import Augmentation, LossWeights, Recipe


def train(
    data: Annotated[Path, typer.Argument(help="A folder that `edgecolor dataset` made.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The run's folder; an existing one goes on.")
    ],
    alpha: Annotated[float, typer.Option(help="Width multiplier.")] = Recipe.alpha,
    trunk: Annotated[
        str,
        typer.Option(
            help="ImageNet weights of the MobileNet: a file (Keras's .h5 or a quantized .tflite), "
            "imagenet (downloaded) or none. For a teacher, an EfficientNet-Lite (.pth) can take its place."
        ),
    ] = Recipe.trunk,
    start: Annotated[
        str | None, typer.Option(help="A .keras file to go on from; its weights take the place of --trunk.")
    ] = None,
    blend: Annotated[
        float, typer.Option(help="Share of --start's weights in those that are kept: 0.5 is the average.")
    ] = Recipe.blend,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A .keras file, wider as a rule, to learn from beside the truth; again for the mean of more."
        ),
    ] = None,
    teacher_weight: Annotated[
        float, typer.Option(help="How much --teacher counts; the truth counts 1.")
    ] = LossWeights.teacher,
    teacher_tint: Annotated[
        float,
        typer.Option(help="Share of --teacher's mean color of each picture that is learned; 1 is all of it."),
    ] = Recipe.teacher_tint,
    mixed: Annotated[
        float,
        typer.Option(
            help="Share of the photographs that are laid over with another, so that less is learned by heart."
        ),
    ] = Augmentation.mixed,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Leave the MobileNet as it is; fine-tune it in a next run.")
    ] = Recipe.freeze,
    epochs: Annotated[int, typer.Option(help="Passes over the photographs.")] = Recipe.epochs,
    full_size_epochs: Annotated[
        int, typer.Option(help="How many of them, the last ones, at 224 pixels.")
    ] = Recipe.full_size_epochs,
    size: Annotated[int, typer.Option(help="Pixels a side before that.")] = Recipe.size,
    batch: Annotated[int, typer.Option(help="Photographs in a step.")] = Recipe.batch,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = Recipe.learning_rate,
    trunk_rate: Annotated[
        float, typer.Option(help="The MobileNet's learning rate, as a share of the others'.")
    ] = Recipe.trunk_rate,
    ema: Annotated[
        float, typer.Option(help="Momentum of the average of weights that is kept; 0 keeps the last ones.")
    ] = Recipe.ema,
    precision: Annotated[str, typer.Option(help="float32 or mixed_bfloat16.")] = Recipe.precision,
    devices: Annotated[
        str, typer.Option(help="one, or all that the machine has: each takes a share of every batch.")
    ] = "one",
    workers: Annotated[
        int,
        typer.Option(min=0, help="Processes that make batches ahead, for a GPU; 0 makes them in between."),
    ] = 0,
    keep_every: Annotated[
        int, typer.Option(min=1, help="Epochs between checkpoints; more than 1 where one takes seconds.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same run.")] = Recipe.seed,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    r"""Train the fusion network. Given again after a kill, it goes on after the last whole epoch.

    The folder holds model.keras after every epoch, or as --keep-every says, pictures of the val photographs,
    and TensorBoard's curves.

    \b
    Examples:
      edgecolor train prepared/ -o runs/s
      edgecolor train prepared/ -o runs/mine --start models/s/s.keras --epochs 4 --learning-rate 0.0003
      edgecolor train prepared/ -o runs/m --alpha 0.5 --teacher models/t/t.keras --mixed 0.5
    """
    from edgecolor.support.extras import need_keras

    need_keras("train")
    from edgecolor.training import loop as training

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

    def say(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    print(
        training.train(data, output, recipe, say=say, devices=devices, workers=workers, keep_every=keep_every)
    )
