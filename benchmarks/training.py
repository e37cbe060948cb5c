"""Times training on all cores, and says where the time goes: `make bench-training`.

The parts are measured in turns in one run: a whole step as `edgecolor train` makes it, the same step with
Keras's own batch normalization, and what the step is made of. The feeder is timed on one core, on a dataset
prepared from the calibration photographs.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

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
from edgecolor.training.loop import compiled
from edgecolor.training.loss import bin_prior, chroma_loss, class_loss
from edgecolor.training.recipe import Recipe

CALIBRATION = Path(__file__).parents[1] / "calibration"
STEPS_AN_EPOCH = 500  # for the learning rate's schedule alone


def measure(data: Dataset, recipe: Recipe, turns: int) -> list[str]:
    """Lines of a Markdown table: what, milliseconds (median, 10th to 90th percentile), images a second."""
    tasks = parts(data, recipe)
    found = in_turns(tasks, repeats=turns)
    lines = []
    for name, taken in found.items():
        wall = spread([1000 * t.wall for t in taken])
        rate = 1000 * recipe.batch / wall.median
        spent = f"{wall.median:.0f} ({wall.p10:.0f} to {wall.p90:.0f})"
        lines.append(f"| {recipe.alpha:g} | {recipe.size} | {name} | {spent} | {rate:.0f} |")
    return lines


def parts(data: Dataset, recipe: Recipe) -> dict[str, Task]:
    """What is timed, by name."""
    batches = Batches(data, batch=recipe.batch, size=recipe.size, seed=1)
    lightness, targets = batches[0]
    pixels, truth = tf.cast(lightness, tf.float32), tf.cast(targets[0], tf.float32)
    plain = compiled(build_network(recipe.alpha, size=None), recipe, data, STEPS_AN_EPOCH)
    model = compiled(for_training(build_network(recipe.alpha, size=None)), recipe, data, STEPS_AN_EPOCH)
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
        "of it: forward": forward,
        "of it: loss and its gradient": loss_and_gradient,
        "a batch from the feeder, on one core": lambda: batches[0],
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alpha", type=float, action="append", help="width multipliers; 0.25 and 0.5")
    parser.add_argument("--turns", type=int, default=20)
    words = parser.parse_args()
    print("| alpha | size | what | ms (10th to 90th percentile) | images a second |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        prepare_dataset(CALIBRATION, Path(folder) / "prepared")
        data = open_dataset(Path(folder) / "prepared")
        for alpha in words.alpha or (0.25, 0.5):
            for size in (128, 224):
                recipe = Recipe(alpha=alpha, size=size, trunk="none")
                print("\n".join(measure(data, recipe, words.turns)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
