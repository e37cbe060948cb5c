"""Measure what each part of the training recipe is worth: short runs with one change each, and a table.

    python scripts/ablate_recipe.py prepared/ validation/ -o runs/ablation --trunk mobilenet.h5

Every run sees the same photographs for the same number of epochs. It is placed on the color plane with the
photographs of `validation/`, which `edgecolor dataset` kept from training. The differences to the first run
are paired by photograph. A complete run is not repeated, and a killed run is resumed. The table goes to
models/ablation.md, with the changes that gain nothing.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edgecolor import Augmentation, LossWeights, Recipe, train
from edgecolor.cli.common.messages import print_line
from edgecolor.evaluation.color_plane import pair_gains
from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.evaluation.scores import Difference, Evaluation
from edgecolor.training.run_folder import read_state
from edgecolor_runtime.errors import EdgecolorError

NOT_DEGRADED = Augmentation(
    spectral=False, gamma=0.0, contrast=0.0, noisy=0.0, blurred=0.0, sharpened=0.0, compressed=0.0
)
TABLE = Path(__file__).resolve().parents[1] / "models" / "ablation.md"


def variants(base: Recipe, teacher: str | None) -> dict[str, Recipe]:
    """Return what changes in each run, and its recipe. The first run is the reference of the others."""
    plain = LossWeights(huber=1.0, log_error=0.0, colorfulness=0.0, classification=0.0, rebalance=0.0)
    recipes = {
        "the recipe": base,
        "MobileNet at the full learning rate": replace(base, trunk_rate=1.0),
        "MobileNet frozen": replace(base, freeze=True),
        "no ImageNet weights": replace(base, trunk="none"),
        "log error at 0.3": replace(base, loss=replace(base.loss, log_error=0.3)),
        "no rebalancing": replace(base, loss=replace(base.loss, rebalance=0.0)),
        "no colorfulness match": replace(base, loss=replace(base.loss, colorfulness=0.0)),
        "no classification head": replace(base, loss=replace(base.loss, classification=0.0)),
        "Huber alone, not rebalanced": replace(base, loss=plain),
        "no L-only augmentation": replace(base, augment=NOT_DEGRADED),
        "a fifth faded or dark": replace(base, augment=replace(base.augment, faded=0.2)),
        "cuts keep their aspect": replace(base, augment=replace(base.augment, aspect=1.0)),
        "average of weights (EMA 0.99)": replace(base, ema=0.99),
    }
    if teacher:
        recipes["a teacher beside the truth"] = replace(base, teachers=(teacher,))
    return recipes


def run_all(
    runs: dict[str, Recipe], data: Path, validation: Path, out: Path, *, classifier: Classifier | None
) -> None:
    """Train what is missing, measure, and write the table after every run.

    Args:
        runs: from `variants`.
        data: a folder that `edgecolor dataset` wrote.
        validation: the folder of its val photographs.
        out: the folder of the runs.
        classifier: adds a column.
    """
    results: dict[str, Evaluation] = {}
    base = next(iter(runs.values()))
    for name, recipe in runs.items():
        run = out / name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")
        print_line(f"{name}:")
        model = train(data, run, recipe, on_progress=lambda line: print_line(f"  {line}"))
        results[name] = evaluate_predictor(open_predictor(str(model)), validation, classifier=classifier)
        print_line(f"{read_state(run).seconds / 60:.0f} min")
        TABLE.write_text(table(results, base), encoding="utf-8")


def table(results: dict[str, Evaluation], base: Recipe) -> str:
    """Return the Markdown table: gains in dB with the paired difference and its standard error."""
    reference = next(iter(results.values()))
    lines = [
        f"Alpha {base.alpha:g}, {base.epochs} epochs at {base.size} pixels; "
        f"{reference.data.photographs} validation photographs. In brackets: against the first row, paired.",
        "",
        "| change | G56, dB | G83, dB | best, dB | colorfulness error, of gray's | recognized, of the gap |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        against = pair_gains(result.scores, reference.scores)
        plane = result.plane
        lines.append(
            f"| {name} | {_gain(plane.g56, against.g56)} | {_gain(plane.g83, against.g83)} "
            f"| {plane.best:+.2f} | {plane.colorfulness_error:.1%} | {_recognized(result)} |"
        )
    return "\n".join(lines) + "\n"


def _recognized(result: Evaluation) -> str:
    """Return the recognition by probability, which scatters less than that by first choices."""
    shares = result.recognition.probability if result.recognition else None
    return f"{shares.ours.mean:.0%} ± {shares.ours.error:.0%}" if shares else ""


def _gain(value: float | None, against: Difference | None) -> str:
    if value is None:
        return "not reached"
    if against is None or against.error == 0:
        return f"{value:+.2f}"
    return f"{value:+.2f} ({against.mean:+.2f} ± {against.error:.2f})"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that `edgecolor dataset` wrote")
    parser.add_argument("validation", type=Path, help="folder of its val photographs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--trunk", default="imagenet", help="as for `edgecolor train`")
    parser.add_argument("--teacher", help="trained .keras file; adds a run with this teacher")
    parser.add_argument("--classifier", type=Path, help="ImageNet classifier (.tflite); adds a column")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=96, help="pixels per side")
    parser.add_argument("--only", action="append", default=[], help="name of a change; may be repeated")
    arguments = parser.parse_args()
    base = Recipe(trunk=arguments.trunk, epochs=arguments.epochs, full_size_epochs=0, size=arguments.size)
    runs = variants(base, arguments.teacher)
    first = next(iter(runs))
    chosen = {
        name: recipe
        for name, recipe in runs.items()
        if not arguments.only or name in (first, *arguments.only)
    }
    try:
        classifier = Classifier.open(arguments.classifier) if arguments.classifier else None
        run_all(chosen, arguments.data, arguments.validation, arguments.output, classifier=classifier)
    except EdgecolorError as error:
        print(f"ablate_recipe: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
