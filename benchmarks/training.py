"""Measure training on all cores, and where the time goes: `make bench-training`.

The parts are measured in turns in one run: a whole step of `edgecolor train`, the same step with Keras's own
batch normalization, and the parts of a step. The time to make a batch is measured on one core. The dataset is
prepared from the calibration photographs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgecolor.data.dataset import Dataset, open_dataset, prepare_dataset
from edgecolor.network.batch_norm import for_training
from edgecolor.network.fusion import build_network
from edgecolor.support.timing import Task, in_turns, spread
from edgecolor.training.batches import Batches
from edgecolor.training.loss import bin_prior, chroma_loss, class_loss
from edgecolor.training.recipe import Recipe
from edgecolor.training.trainer import compile_model

CALIBRATION = Path(__file__).parents[1] / "calibration"
STEPS_PER_EPOCH = 500  # without effect on the time


def measure(data: Dataset, recipe: Recipe, turns: int) -> list[str]:
    """Return lines of a Markdown table: name, milliseconds (median, p10 to p90), images per second."""
    tasks = parts(data, recipe)
    times = in_turns(tasks, repeats=turns)
    lines = []
    for name, runs in times.items():
        wall = spread([1000 * t.wall for t in runs])
        rate = 1000 * recipe.batch / wall.median
        milliseconds = f"{wall.median:.0f} ({wall.p10:.0f} to {wall.p90:.0f})"
        lines.append(f"| {recipe.alpha:g} | {recipe.size} | {name} | {milliseconds} | {rate:.0f} |")
    return lines


def parts(data: Dataset, recipe: Recipe) -> dict[str, Task]:
    """Return what is timed, by name."""
    batches = Batches(data, batch=recipe.batch, size=recipe.size, seed=1)
    lightness, targets = batches[0]
    pixels, truth = tf.cast(lightness, tf.float32), tf.cast(targets[0], tf.float32)
    plain = compile_model(build_network(recipe.alpha, size=None), recipe, data, STEPS_PER_EPOCH)
    model = compile_model(for_training(build_network(recipe.alpha, size=None)), recipe, data, STEPS_PER_EPOCH)
    prior = bin_prior(data)
    losses = (chroma_loss(recipe.loss, prior), class_loss(recipe.loss, prior))
    outputs = [tf.Variable(o) for o in model(pixels, training=False)]

    @tf.function  # type: ignore[untyped-decorator]
    def forward() -> Any:
        return model(pixels, training=True)[0]

    @tf.function  # type: ignore[untyped-decorator]
    def loss_and_gradient() -> Any:
        with tf.GradientTape() as tape:
            total = sum(loss(truth, output) for loss, output in zip(losses, outputs, strict=True))
        return tape.gradient(total, outputs)

    return {
        "a step": lambda: model.train_on_batch(pixels, targets),
        "a step with Keras's own batch norm": lambda: plain.train_on_batch(pixels, targets),
        "part of a step: forward": forward,
        "part of a step: loss and its gradient": loss_and_gradient,
        "a batch of crops, on one core": lambda: batches[0],
    }


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--alpha",
        type=float,
        action="append",
        help="width multiplier; may be repeated (default: 0.25 and 0.5)",
    )
    parser.add_argument("--turns", type=int, default=20, help="number of measurements of each part")
    arguments = parser.parse_args()
    print("| alpha | size | part | ms (p10 to p90) | images per second |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        prepare_dataset(CALIBRATION, Path(folder) / "prepared")
        data = open_dataset(Path(folder) / "prepared")
        for alpha in arguments.alpha or (0.25, 0.5):
            for size in (128, 224):
                recipe = Recipe(alpha=alpha, size=size, trunk="none")
                print("\n".join(measure(data, recipe, arguments.turns)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
