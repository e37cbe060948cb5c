"""What each part of the training recipe is worth: short runs, one change at a time, and a table of them.

    python scripts/ablate_recipe.py prepared/ validation/ -o runs/ablation --trunk mobilenet.h5

Every run sees the same photographs for the same number of epochs, and is placed on the color plane with the
photographs of `validation/`, those that `edgecolor dataset` kept from training. The differences are taken
photograph by photograph against the first run. A run that is finished is not repeated, and one that was
killed goes on. The table goes to models/ablation.md, losers included.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from edgecolor.evaluation.color_plane import pair_gains
from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.evaluation.scores import Difference, Evaluation
from edgecolor.training.loop import train
from edgecolor.training.recipe import Augmentation, LossWeights, Recipe
from edgecolor_runtime.errors import EdgecolorError

UNDISTURBED = Augmentation(
    spectral=False, gamma=0.0, contrast=0.0, noisy=0.0, blurred=0.0, sharpened=0.0, compressed=0.0
)
TABLE = Path(__file__).resolve().parents[1] / "models" / "ablation.md"


def variants(base: Recipe, teacher: str | None) -> dict[str, Recipe]:
    """The runs: what changed, and the recipe; the first one is what the others are held against."""
    plain = LossWeights(huber=1.0, log_error=0.0, colorfulness=0.0, classification=0.0, rebalance=0.0)
    found = {
        "the recipe": base,
        "MobileNet at the full learning rate": replace(base, trunk_rate=1.0),
        "MobileNet frozen": replace(base, freeze=True),
        "no ImageNet weights": replace(base, trunk="none"),
        "log error at 0.3": replace(base, loss=replace(base.loss, log_error=0.3)),
        "no rebalancing": replace(base, loss=replace(base.loss, rebalance=0.0)),
        "no colorfulness match": replace(base, loss=replace(base.loss, colorfulness=0.0)),
        "no classification head": replace(base, loss=replace(base.loss, classification=0.0)),
        "Huber alone, not rebalanced": replace(base, loss=plain),
        "no L-only augmentation": replace(base, augment=UNDISTURBED),
        "cuts keep their aspect": replace(base, augment=replace(base.augment, aspect=1.0)),
        "average of weights (EMA 0.99)": replace(base, ema=0.99),
    }
    if teacher:
        found["a teacher beside the truth"] = replace(base, teachers=(teacher,))
    return found


def run_all(
    data: Path, validation: Path, out: Path, runs: dict[str, Recipe], classifier: Classifier | None
) -> None:
    """Trains what is missing, measures, and writes the table after every run."""
    found: dict[str, Evaluation] = {}
    base = next(iter(runs.values()))
    for name, recipe in runs.items():
        run = out / name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")
        print(f"{name}:", file=sys.stderr)
        model = train(data, run, recipe, say=_say)
        found[name] = evaluate_predictor(open_predictor(str(model)), validation, classifier=classifier)
        seconds = sum(e["seconds"] for e in json.loads((run / "state.json").read_text())["epochs"])
        print(f"{seconds / 60:.0f} min", file=sys.stderr)
        TABLE.write_text(table(found, base), encoding="utf-8")


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def table(found: dict[str, Evaluation], base: Recipe) -> str:
    """Markdown: gains in dB with the paired difference and its standard error."""
    reference = next(iter(found.values()))
    lines = [
        f"Alpha {base.alpha:g}, {base.epochs} epochs at {base.size} pixels; "
        f"{reference.data.photographs} validation photographs. In brackets: against the first row, paired.",
        "",
        "| change | G56, dB | G83, dB | best, dB | colorfulness error, of gray's | recognized, of the gap |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in found.items():
        against = pair_gains(result.scores, reference.scores)
        plane = result.plane
        lines.append(
            f"| {name} | {_gain(plane.g56, against.g56)} | {_gain(plane.g83, against.g83)} "
            f"| {plane.best:+.2f} | {plane.colorfulness_error:.1%} | {_recognized(result)} |"
        )
    return "\n".join(lines) + "\n"


def _recognized(result: Evaluation) -> str:
    """By probability, which scatters less than first choices."""
    found = result.recognition.probability if result.recognition else None
    return f"{found.ours.mean:.0%} ± {found.ours.error:.0%}" if found else ""


def _gain(value: float | None, against: Difference | None) -> str:
    if value is None:
        return "not reached"
    if against is None or against.error == 0:
        return f"{value:+.2f}"
    return f"{value:+.2f} ({against.mean:+.2f} ± {against.error:.2f})"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder that `edgecolor dataset` made")
    parser.add_argument("validation", type=Path, help="its val photographs, in a folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--trunk", default="imagenet", help="as for `edgecolor train`")
    parser.add_argument("--teacher", help="a trained .keras file: adds a run that learns from it")
    parser.add_argument(
        "--classifier", type=Path, help="another ImageNet classifier's .tflite: adds a column"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=96, help="pixels a side")
    parser.add_argument("--only", action="append", default=[], help="a change by its name; again for more")
    words = parser.parse_args()
    base = Recipe(trunk=words.trunk, epochs=words.epochs, full_size_epochs=0, size=words.size)
    runs = variants(base, words.teacher)
    first = next(iter(runs))
    chosen = {name: recipe for name, recipe in runs.items() if not words.only or name in (first, *words.only)}
    try:
        classifier = Classifier.open(words.classifier) if words.classifier else None
        run_all(words.data, words.validation, words.output, chosen, classifier)
    except EdgecolorError as error:
        print(f"ablate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
